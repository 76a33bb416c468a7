"""What a step leaves: its files, its MLflow run and the registry, without what no two runs share.

Files are compared byte by byte, except those in `WITHOUT`.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run, ViewType
from mlflow.tracking import MlflowClient

from steps.registry import events
from steps.settings.configuration import ConfigurationManager
from steps.tracking.runs import PROCESS_TAG
from tests.stores import STORE

ROOTS = ("data", "models", "reports", "runs", "scores")
"""Folders of a workspace with outputs of steps."""
FOLDERS = ("data/raw", "data/frozen", "models/detector", "reports/training")
"""Outputs that are folders: whole where all their files are."""
FEATURES, FEATURES_INDEX = "data/features", "data/features/index.parquet"
"""A folder that grows, and its file that says that it is whole."""
UNFINISHED = re.compile(r"\.partial(/|$)")
"""In the path of a file that is still being written, or is in a folder that is."""
STATES = ("models/checkpoints", "scores/.table.parquet.unfinished")
"""No outputs: what a training, or the scoring of a folder, goes on from after it was stopped."""

IGNORED_TAGS = {
    PROCESS_TAG: "the process that had it open",
}
"""Tags of a run, each with the reason why it may differ between two undisturbed runs."""
IGNORED_METRICS = {
    "seconds": "a duration",
    "images_scored": "by this start; the parts of an earlier one are kept",
}
"""Metrics of a run, likewise; so is all load of the machine, `system/…`."""
IGNORED_OF_EVENTS = {
    "at": "a time",
    "run_id": "every start has a run of its own",
    "champion.ms_per_image": "a duration",
    "challenger.ms_per_image": "a duration",
}
"""Fields of the registry's events and tags, likewise."""
TIMES = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d|ms per image [^;]+")
"""Times and durations in the descriptions of the registry."""


def _run_note(content: bytes) -> bytes:
    """Return the note of a run without its id: every start has a run of its own."""
    note = json.loads(content)
    del note["run_id"]
    return json.dumps(note).encode()


def _history(content: bytes) -> bytes:
    """Return learning curves without the durations of the epochs."""
    return pd.read_csv(io.BytesIO(content)).drop(columns="seconds").to_csv().encode()


def _keras(content: bytes) -> bytes:
    """Return the files of a Keras archive without the times at which they were written."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(files["metadata.json"])
    del metadata["date_saved"]
    return b"".join(
        name.encode() + hashlib.sha256(one).digest()
        for name, one in {**files, "metadata.json": json.dumps(metadata).encode()}.items()
    )


WITHOUT: dict[str, Callable[[bytes], bytes]] = {
    r"runs/\w+\.json": _run_note,
    r"reports/training/history\.csv": _history,
    r"models/detector/network\.keras": _keras,
}
"""Returns what is compared of a file, by its path."""


@dataclass(frozen=True)
class Outputs:
    """What was found in a workspace, as texts that are equal where the outputs are.

    Attributes:
        files: digests by path.
        facts: of the MLflow run and the registry.
    """

    files: Mapping[str, str]
    facts: Mapping[str, str]

    def differences(self, other: "Outputs") -> list[str]:
        """Return a sentence for everything in which others differ from these."""
        return [
            *_differences(self.files, other.files, "file "),
            *_differences(self.facts, other.facts, ""),
        ]

    def half_written(self, whole: "Outputs", older: "Outputs") -> list[str]:
        """Return the outputs that are neither absent nor those of a whole run, nor older ones.

        Args:
            whole: of an undisturbed run.
            older: of the start.
        """
        return [
            unit
            for unit in sorted({*map(self._unit, self.files)} - {*STATES})
            if self._part(unit) not in ({}, whole._part(unit), older._part(unit))
        ]

    def _unit(self, path: str) -> str:
        """Return the output that a file belongs to: itself, or a folder."""
        growing = () if FEATURES_INDEX not in self.files else (FEATURES,)
        return next((one for one in (*FOLDERS, *STATES, *growing) if _is_in(path, one)), path)

    def _part(self, unit: str) -> dict[str, str]:
        """Return the files of an output; what is still being written has another name."""
        return {
            path: digest
            for path, digest in self.files.items()
            if _is_in(path, unit) and not UNFINISHED.search(path)
        }


def _is_in(path: str, unit: str) -> bool:
    return path == unit or path.startswith(f"{unit}/")


def _differences(first: Mapping[str, str], second: Mapping[str, str], kind: str) -> Iterator[str]:
    for name in sorted({*first, *second}):
        if first.get(name) != second.get(name):
            values = (_short(one.get(name)) for one in (first, second))
            yield f"{kind}{name}: {' and not '.join(values)}"


def _short(text: str | None) -> str:
    return "absent" if text is None else text if len(text) <= 200 else f"{text[:200]}…"


def outputs_of(step: str, workspace: Path) -> Outputs:
    """Return what is in a workspace after a step, or after it was killed."""
    client = MlflowClient(f"sqlite:///{workspace}/{STORE}", f"sqlite:///{workspace}/{STORE}")
    facts = dict(_open_runs(client))
    note = workspace / "runs" / f"{step}.json"
    if step == "promote":
        facts |= registry(client)
    elif note.is_file():
        facts |= tracked(client.get_run(json.loads(note.read_bytes())["run_id"]), client)
    return Outputs(
        files(workspace), {k: v.replace(str(workspace), "WORKSPACE") for k, v in facts.items()}
    )


def files(workspace: Path) -> dict[str, str]:
    """Return the digests of all files of a workspace's outputs, hidden ones included."""
    found = {}
    for root in ROOTS:
        for path in sorted((workspace / root).rglob("*")):
            if path.is_file():
                name = path.relative_to(workspace).as_posix()
                found[name] = compared(name, path.read_bytes())
    return found


def compared(name: str, content: bytes) -> str:
    """Return the digest of what is compared of a file."""
    for pattern, without in WITHOUT.items():
        if re.fullmatch(pattern, name):
            content = without(content)
    return hashlib.sha256(content).hexdigest()[:16]


def _open_runs(client: MlflowClient) -> Iterator[tuple[str, str]]:
    experiments = [one.experiment_id for one in client.search_experiments()]
    found = client.search_runs(experiments, "attributes.status = 'RUNNING'", ViewType.ALL)
    yield "runs that never ended", str(len(found))


def tracked(run: Run, client: MlflowClient) -> dict[str, str]:
    """Return what a run has, each as text; a value that was logged again counts once."""
    histories = {
        name: sorted({(one.step, one.value) for one in client.get_metric_history(
            run.info.run_id, name)})
        for name in run.data.metrics
        if name not in IGNORED_METRICS and not name.startswith("system/")
    }  # fmt: skip
    tags = {key: one for key, one in run.data.tags.items() if key not in IGNORED_TAGS}
    found: dict[str, Any] = {"status": run.info.status, "files": _artifacts(client, run)}
    found |= {f"parameter {name}": value for name, value in run.data.params.items()}
    found |= {f"metric {name}": value for name, value in histories.items()}
    found |= {f"tag {name}": value for name, value in tags.items()}
    found |= {
        f"data set {one.dataset.name}": one.dataset.digest for one in run.inputs.dataset_inputs
    }
    return {f"run: {name}": str(value) for name, value in found.items()}


def _artifacts(client: MlflowClient, run: Run, path: str = "") -> list[str]:
    found = []
    for item in client.list_artifacts(run.info.run_id, path or None):
        found += _artifacts(client, run, item.path) if item.is_dir else [item.path]
    return sorted(found)


def registry(client: MlflowClient) -> dict[str, str]:
    """Return the state of the registry: aliases, stages, tags and the history."""
    name = ConfigurationManager().config.registered_model
    model = client.get_registered_model(name)
    history = [json.dumps(_without_times(event)) for event in events.read(model.tags)]
    found = {
        "aliases": str(sorted(model.aliases.items())),
        "other tags": str(sorted(key for key in model.tags if events.EVENT_TAG not in key)),
        "description": TIMES.sub("", model.description or ""),
        **{f"event {number}": event for number, event in enumerate(history, 1)},
    }
    for version in client.search_model_versions(f"name = '{name}'"):
        tags = {
            key: TIMES.sub("", value)
            for key, value in version.tags.items()
            if key.removeprefix("promotion.") not in IGNORED_OF_EVENTS
        }
        place = f"version {version.version}"
        found |= {
            f"{place} stage": str(version.current_stage),
            f"{place} tags": str(sorted(tags.items())),
        }
    return {f"registry: {key}": value for key, value in found.items()}


def _without_times(event: Any) -> Any:
    if not isinstance(event, dict):
        return event
    return {k: _without_times(v) for k, v in sorted(event.items()) if k not in IGNORED_OF_EVENTS}
