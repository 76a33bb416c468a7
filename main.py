"""Starts the whole pipeline, as `mlflow run .` does: `python main.py --steps ingest,train`."""

import sys

if __name__ == "__main__":
    from steps.command import main

    sys.exit(main(["main", *sys.argv[1:]]))
