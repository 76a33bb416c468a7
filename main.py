"""Starts the whole pipeline, as `mlflow run .` does: `python main.py --steps ingest,train`."""

import sys

from steps.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["main", *sys.argv[1:]]))
