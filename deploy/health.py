"""The container's HEALTHCHECK: exit status 0 while `/readyz` answers 200."""

import os
import sys

from serving.supervisor import answers

if __name__ == "__main__":
    sys.exit(0 if answers(f"http://127.0.0.1:{os.environ.get('PORT') or 8080}/readyz") else 1)
