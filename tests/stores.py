"""Tracking stores in a file: made once, then copied, since MLflow takes seconds to set one up."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

import mlflow
from mlflow.tracking import MlflowClient

STORE = "mlflow.db"
PATH_COLUMNS = {
    "experiments": "artifact_location",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
    "runs": "artifact_uri",
}


def make_store(folder: Path) -> None:
    """Set up a store in a folder; its artefacts go there too."""
    with contextlib.chdir(folder):
        MlflowClient(f"sqlite:///{folder}/{STORE}").search_experiments()


def copy_store(store: Path, folder: Path) -> str:
    """Copy a store without artefacts into a folder, and return the copy's URI."""
    shutil.copy(store / STORE, folder)
    return move_store(folder, store)


def move_store(folder: Path, old: Path | str) -> str:
    """Have the store that was copied from an old folder name its files in the new one.

    MLflow keeps absolute paths. Return the store's URI.
    """
    with contextlib.closing(sqlite3.connect(folder / STORE)) as database, database:
        for table, column in PATH_COLUMNS.items():
            database.execute(
                f"UPDATE {table} SET {column} = replace({column}, ?, ?)", (str(old), str(folder))
            )
    return f"sqlite:///{folder}/{STORE}"


@contextlib.contextmanager
def tracking(uri: str):
    """MLflow tracks at a URI inside the block; after it the environment decides, as before.

    A URI that was set once would outweigh MLFLOW_TRACKING_URI in all later tests of the process.
    """
    name, before = "MLFLOW_TRACKING_URI", os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.pop(name, None)
        os.environ.update({} if before is None else {name: before})
