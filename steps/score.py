"""Batch scoring: one row per file of a folder, errors included."""

import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from forgery_lab.errors import DataError
from forgery_lab.evaluation import scoring
from forgery_lab.files import write_whole
from forgery_lab.progress import shown
from forgery_pyfunc.contract import RECORD_FIELDS
from steps.errors import SettingsError
from steps.registry import model_registry
from steps.settings.configuration import Workspace
from steps.settings.entities import ScoreSettings
from steps.tracking import runs

logger = logging.getLogger(__name__)

WRITERS: dict[str, Callable[..., None]] = {
    ".parquet": lambda table, path: table.to_parquet(path, index=False),
    ".csv": lambda table, path: table.to_csv(path, index=False),
}


def run(settings: ScoreSettings, workspace: Workspace) -> None:
    """Score every file below the folder and write the table, whole or not at all."""
    if settings.output.suffix not in WRITERS:
        raise SettingsError(
            f"-P: score.output is {str(settings.output)!r}; allowed: names ending in "
            + " or ".join(WRITERS)
        )
    files = list_files(settings.input)
    uri, version = model_registry.resolve(settings.model, workspace.registered_model)
    logger.info("scoring %d files with %s", len(files), version or uri)
    table = score_files(settings.input, files, uri, settings.threshold)
    write(table, settings.output)
    verdicts = table["verdict"].fillna("error").value_counts()
    runs.log_metrics({f"verdicts.{name}": int(count) for name, count in verdicts.items()})
    runs.log_artifact(settings.output)
    logger.info("wrote %s: %s", settings.output, ", ".join(f"{n} {v}" for v, n in verdicts.items()))


def list_files(folder: Path) -> list[str]:
    """Return the paths of all files below the folder, relative to it, in order.

    Raises:
        DataError: there is no such folder, or no file in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; input must be a folder of images")
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    if not files:
        raise DataError(f"{folder} holds no file; input must be a folder of images")
    return files


def score_files(
    folder: Path, files: list[str], uri: str, threshold: float | None = None
) -> pd.DataFrame:
    """Return a row per file: `path`, then the fields of a record without the heat map."""
    loads = [(folder / name).read_bytes for name in files]
    rows: list[dict] = [{} for _ in files]
    with shown("scoring", "files") as progress:
        for position, record in scoring.score(uri, loads, threshold=threshold, progress=progress):
            rows[position] = {"path": files[position], **record}
    fields = [name for name in RECORD_FIELDS if name not in ("heatmap", "explanation")]
    table = pd.DataFrame(rows, columns=["path", *fields])
    return table.astype({"width": "Int64", "height": "Int64", "probability": "Float64"})


def write(table: pd.DataFrame, path: Path) -> None:
    """Write the table as Parquet or CSV, whole or not at all."""
    write_whole(path, lambda partial: WRITERS[path.suffix](table, partial))
