"""`python -m steps NAME --key value …`: one step, as the entry points of `MLproject` call it."""

import sys

if __name__ == "__main__":
    # Here, because the processes that steps start import this module too, and need no MLflow.
    from steps.command import main

    sys.exit(main(sys.argv[1:]))
