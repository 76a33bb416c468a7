"""What a step logs, on its way to a tracking server that may be down for minutes.

Every entry is written to a file first, and threads send the file's entries in order, as often as
necessary: logging never waits for the server and never fails with it. Files have a thread of their
own, so that values go on where only the artefact store is down. Entries carry the time at which
they were made, so sending one twice changes nothing. What a step could not send before its end is
sent by the next step.
"""

import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    Metric,
    Param,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from forgery_lab.files import write_whole
from steps.errors import TrackingError, first_line

logger = logging.getLogger(__name__)

ENTRIES, SENT, FILES, OWNER = "entries.jsonl", "sent", "files", "run.json"
LONGEST_PAUSE = 10.0
"""Seconds between attempts, at most."""
PATIENCE, PATIENCE_AFTER_FAILURE = 600.0, 60.0
"""Seconds that a step waits at its end for a server that is down, and where it failed itself."""

LANES = {"values": "the tracking server", "files": "the artefact store"}
"""Kinds of entries that do not wait for each other, and what takes them."""

_JUDGED = ("model_id", "dataset_name", "dataset_digest")
"""What an entry may say of its metrics: whose they are, and on which data."""
_SAME_START = 2.0
"""Seconds by which two readings of when one process was started may differ."""
_FINAL = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "INVALID_STATE"}
"""Errors for which a retry is useless. A rejected password is none of them: it can be corrected."""


class Journal:
    """The entries of one run, in a folder of their own; safe to use from threads."""

    def __init__(self, folder: Path, run_id: str, tracking_uri: str) -> None:
        self.folder, self.run_id = folder, run_id
        self.client = MlflowClient(tracking_uri)
        self.refusal: Exception | None = None
        self._news = threading.Condition()
        self._closing = False
        _sign(folder, run_id, tracking_uri)
        self.written = _without_cut_line(folder / ENTRIES)
        self.sent = {lane: _sent(folder, lane) for lane in LANES}
        self._offset = {lane: _offset(folder / ENTRIES, sent) for lane, sent in self.sent.items()}
        self._threads = [
            threading.Thread(target=self._send_all, args=(lane,), daemon=True) for lane in LANES
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many entries there are from the first one on that is not sent."""
        return self.written - min(self.sent.values())

    def add(self, entry: dict[str, Any]) -> None:
        """Write an entry down, all of it or, on a full disk, nothing; it is sent soon."""
        path = self.folder / ENTRIES
        with self._news:
            length = path.stat().st_size if path.is_file() else 0
            try:
                with path.open("a", encoding="utf-8") as lines:
                    lines.write(json.dumps(entry) + "\n")
            except OSError:
                with suppress(FileNotFoundError):
                    os.truncate(path, length)
                raise
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
            TrackingError: the server refused an entry for good; the folder is kept.
        """
        with self._news:
            self._closing = True
            self._news.notify_all()
            if self.waiting:
                logger.info("sending %d entries to the tracking server", self.waiting)
            self._news.wait_for(lambda: not self.waiting, patience)
        if self.waiting:
            late = [LANES[lane] for lane in LANES if self.sent[lane] < self.written]
            logger.warning(
                "%s is down; %d entries wait in %s and are sent by the next step",
                " and ".join(late),
                self.waiting,
                self.folder,
            )
            return False
        for thread in self._threads:
            thread.join()
        if self.refusal:
            (self.folder / OWNER).unlink(missing_ok=True)  # it is not sent again
            raise TrackingError(
                f"the tracking server refused an entry: {first_line(self.refusal)[:300]}; all of "
                f"them are kept in {self.folder}"
            )
        shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def _send_all(self, lane: str) -> None:
        pause = 0.5
        while True:
            with self._news:
                self._news.wait_for(lambda: self.sent[lane] < self.written or self._closing)
            if self.sent[lane] >= self.written:
                return
            if not (self.folder / ENTRIES).is_file():
                logger.warning("%s is gone: another step is sending it, or it is lost", self.folder)
                self._count(lane, self.written)
                continue
            try:
                self._send_waiting(lane)
                pause = 0.5
            except Exception as error:  # artefact stores raise what they like
                logger.warning(
                    "%s did not accept an entry: %s", LANES[lane], first_line(error)[:300]
                )
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _send_waiting(self, lane: str) -> None:
        for entry, end in _entries(self.folder / ENTRIES, self._offset[lane]):
            if lane == ("files" if "files" in entry else "values"):
                try:
                    send(self.client, self.run_id, entry, self.folder)
                except MlflowException as error:
                    if error.error_code not in _FINAL:
                        raise
                    logger.warning("refused for good: %s", json.dumps(entry)[:2000])
                    self.refusal = self.refusal or error
            self._offset[lane] = end
            self._count(lane, self.sent[lane] + 1)

    def _count(self, lane: str, sent: int) -> None:
        with self._news:
            self.sent[lane] = sent
            with suppress(OSError):  # on a full disk: what is sent twice changes nothing
                (self.folder / f"{SENT}-{lane}").write_text(str(sent), "utf-8")
            self._news.notify_all()


def send(client: MlflowClient, run_id: str, entry: Mapping[str, Any], folder: Path) -> None:
    """Send one entry: a batch of values, files, an input, or the end of the run.

    An entry that names a run of its own, the parent, is of that.
    """
    run_id = entry.get("run_id", run_id)
    if "files" in entry:
        client.log_artifacts(run_id, str(folder / entry["files"]), entry["to"] or None)
    elif "input" in entry:
        tags = [InputTag(key, value) for key, value in entry["tags"].items()]
        client.log_inputs(run_id, [DatasetInput(Dataset(**entry["input"]), tags)])
    elif "input_model" in entry:
        client.log_inputs(run_id, models=[LoggedModelInput(entry["input_model"])])
    elif "end" in entry:
        client.set_terminated(run_id, entry["end"], entry["at"])
    else:
        at = {"timestamp": entry["at"], "step": entry["step"]}
        of = {key: entry[key] for key in _JUDGED if key in entry}
        client.log_batch(
            run_id,
            metrics=[Metric(key, value, **at, **of) for key, value in entry["metrics"].items()],
            params=[Param(key, value) for key, value in entry["params"].items()],
            tags=[RunTag(key, value) for key, value in entry["tags"].items()],
        )


def left_behind(folder: Path, tracking_uri: str) -> Iterator[tuple[Path, str]]:
    """Yield what a step, now ended, could not send to this server: a journal's folder and its run.

    The folder gets a new name first, so that of two steps only one takes it over.
    """
    for path in sorted(folder.glob(f"*/{OWNER}")):
        try:
            owner = json.loads(path.read_text("utf-8"))
            if owner["tracking_uri"] != tracking_uri or is_running(owner):
                continue
            claimed = folder / f"{owner['run_id']}.{uuid4().hex[:8]}"
            path.parent.rename(claimed)
            _sign(claimed, owner["run_id"], tracking_uri)
        except FileNotFoundError:  # another step was faster
            continue
        yield claimed, owner["run_id"]


def _sign(folder: Path, run_id: str, tracking_uri: str) -> None:
    """Write down whose entries are in a folder, and which process sends them."""
    owner = {**this_process(), "run_id": run_id, "tracking_uri": tracking_uri}
    write_whole(folder / OWNER, json.dumps(owner))


def this_process() -> dict[str, Any]:
    """Return what `is_running` knows this process by."""
    process = psutil.Process()
    return {"process": process.pid, "started": process.create_time()}


def is_running(owner: Mapping[str, Any]) -> bool:
    """Return whether a process of this machine runs; its number may be another's by now."""
    try:
        started = psutil.Process(owner["process"]).create_time()
    except psutil.NoSuchProcess:
        return False
    return abs(started - owner.get("started", 0.0)) < _SAME_START


def _without_cut_line(path: Path) -> int:
    """Return the number of entries in a file; a last line that a kill cut off is removed."""
    content = path.read_bytes() if path.is_file() else b""
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
    return content.count(b"\n")


def _entries(path: Path, offset: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the entries from a byte on, and where each ends; one being written does not count."""
    if not path.is_file():
        return
    with path.open("rb") as lines:
        lines.seek(offset)
        for line in lines:
            if line.endswith(b"\n"):
                offset += len(line)
                yield json.loads(line), offset


def _offset(path: Path, number: int) -> int:
    """Return where the first entries of a file, so many, end."""
    if not number:
        return 0
    with path.open("rb") as lines:
        return sum(len(line) for line in islice(lines, number))


def _sent(folder: Path, lane: str) -> int:
    path = folder / f"{SENT}-{lane}"
    return int(path.read_text("utf-8") or 0) if path.is_file() else 0
