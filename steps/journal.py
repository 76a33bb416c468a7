"""What a step logs, on its way to a tracking server that may be down for minutes.

Every entry is written to a file first, and a thread sends the file's entries in order, as often as
it takes: logging never waits for the server and never fails with it. Entries carry the time at
which they were made, so sending one twice changes nothing. What a step could not send before its
end is sent by the next step.
"""

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps.errors import TrackingError

logger = logging.getLogger(__name__)

ENTRIES, SENT, FILES, OWNER = "entries.jsonl", "sent", "files", "run.json"
LONGEST_PAUSE = 10.0
"""Seconds between attempts, at most."""
PATIENCE, PATIENCE_AFTER_FAILURE = 600.0, 60.0
"""Seconds that a step waits at its end for a server that is down, and where it failed itself."""

_FINAL = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE"}
"""What the server will say again, however often it is asked. A password may be mended."""


class Journal:
    """The entries of one run, in a folder of their own; safe to use from threads."""

    def __init__(self, folder: Path, run_id: str, tracking_uri: str) -> None:
        self.folder, self.run_id = folder, run_id
        self.client = MlflowClient(tracking_uri)
        self.written, self.sent = 0, 0
        self.refusal: Exception | None = None
        self._news = threading.Condition()
        self._closing = False
        folder.mkdir(parents=True, exist_ok=True)
        owner = {"run_id": run_id, "tracking_uri": tracking_uri, "process": os.getpid()}
        (folder / OWNER).write_text(json.dumps(owner), "utf-8")
        whole = list(_entries(folder))
        (folder / ENTRIES).write_text("".join(json.dumps(one) + "\n" for one in whole), "utf-8")
        self.written, self.sent = len(whole), _sent(folder)
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self._thread.start()

    def add(self, entry: dict[str, Any]) -> None:
        """Write an entry down; it is sent soon."""
        with self._news:
            with (self.folder / ENTRIES).open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(entry) + "\n")
            self.written += 1
            self._news.notify_all()

    def new_files(self) -> Path:
        """Return a new folder for files that an entry names."""
        with self._news:
            number = len(list((self.folder / FILES).glob("*")))
            path = self.folder / FILES / str(number)
            path.mkdir(parents=True)
            return path

    def close(self, patience: float = PATIENCE) -> bool:
        """Wait until all is sent; return False where that takes too long: it stays for later.

        Raises:
            TrackingError: the server refused an entry for good.
        """
        with self._news:
            self._closing = True
            self._news.notify_all()
            if self.sent < self.written:
                logger.info("sending %d entries to the tracking server", self.written - self.sent)
            self._news.wait_for(lambda: self.sent >= self.written, patience)
        if self.sent < self.written:
            logger.warning(
                "the tracking server is down; %d entries wait in %s and are sent by the next step",
                self.written - self.sent,
                self.folder,
            )
            return False
        self._thread.join()
        shutil.rmtree(self.folder)
        if self.refusal:
            raise TrackingError(f"the tracking server refused an entry: {_said(self.refusal)}")
        return True

    def _send_all(self) -> None:
        pause = 0.5
        while True:
            with self._news:
                self._news.wait_for(lambda: self.sent < self.written or self._closing)
                if self.sent >= self.written:
                    return
            try:
                self._send_next()
                pause = 0.5
            except Exception as error:  # artefact stores raise what they like
                if isinstance(error, MlflowException) and error.error_code in _FINAL:
                    self.refusal = self.refusal or error
                    self._count()
                    continue
                logger.warning("the tracking server does not take it: %s", _said(error))
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _send_next(self) -> None:
        for entry in _entries(self.folder, self.sent):
            send(self.client, self.run_id, entry, self.folder)
            self._count()

    def _count(self) -> None:
        with self._news:
            self.sent += 1
            (self.folder / SENT).write_text(str(self.sent), "utf-8")
            self._news.notify_all()


def send(client: MlflowClient, run_id: str, entry: Mapping[str, Any], folder: Path) -> None:
    """Send one entry: a batch of values, files, an input, or the end of the run."""
    if "files" in entry:
        client.log_artifacts(run_id, str(folder / entry["files"]), entry["to"] or None)
    elif "input" in entry:
        tags = [InputTag(key, value) for key, value in entry["tags"].items()]
        client.log_inputs(run_id, [DatasetInput(Dataset(**entry["input"]), tags)])
    elif "end" in entry:
        client.set_terminated(run_id, entry["end"], entry["at"])
    else:
        client.log_batch(
            run_id,
            metrics=[Metric(k, v, entry["at"], entry["step"]) for k, v in entry["metrics"].items()],
            params=[Param(key, value) for key, value in entry["params"].items()],
            tags=[RunTag(key, value) for key, value in entry["tags"].items()],
        )


def left_behind(folder: Path, tracking_uri: str) -> Iterator[Path]:
    """Yield the folders of journals that a step, now ended, could not send to this server."""
    for path in sorted(folder.glob(f"*/{OWNER}")):
        owner = json.loads(path.read_text("utf-8"))
        if owner["tracking_uri"] == tracking_uri and not psutil.pid_exists(owner["process"]):
            yield path.parent


def _entries(folder: Path, start: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the entries from one on; a last line that a kill cut off does not count."""
    if not (folder / ENTRIES).is_file():
        return
    lines = (folder / ENTRIES).read_text("utf-8").splitlines(keepends=True)
    for line in lines[start:]:
        if line.endswith("\n"):
            yield json.loads(line)


def _sent(folder: Path) -> int:
    path = folder / SENT
    return int(path.read_text("utf-8") or 0) if path.is_file() else 0


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]
