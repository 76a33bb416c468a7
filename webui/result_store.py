"""The results of a session: pictures with their analyses, in bounded space for a stated time.

A result is one file whose name nobody can guess: who knows the name may see the result. The folder
may be shared by several processes.
"""

import logging
import os
import re
import secrets
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flask import current_app
from pydantic import ValidationError

from forgery.evidence.analysis import Analysis
from webui import clock
from webui.private_folder import FolderError, open_private_folder

IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{22}")
SUFFIX = ".zip"
PICTURE, ANALYSIS = "picture", "analysis.json"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredResult:
    """One result: its unguessable name, until when it is kept, the file and its analysis.

    The analysis has no evidence views, which are drawn when they are asked for, and no place where
    the picture was taken: a link may be passed on.
    """

    identifier: str
    kept_until: datetime
    data: bytes
    analysis: Analysis


class ResultStore:
    """A private folder of results; safe to use from threads and from several processes."""

    def __init__(self, folder: Path, max_bytes: int, seconds: float) -> None:
        """Name the folder, which the first result creates; delete what is too old in it.

        Raises:
            FolderError: the folder belongs to somebody else, or is none.
        """
        self.folder = folder
        self.max_bytes = max_bytes
        self.seconds = seconds
        self.lock = threading.Lock()
        self.timer: threading.Timer | None = None
        if os.path.lexists(folder):
            open_private_folder(folder, "RESULTS_DIR")
            self.sweep()

    def add(self, data: bytes, analysis: Analysis) -> StoredResult | None:
        """Keep a result and return it, or None where there is no room for it.

        The oldest results make room.
        """
        identifier = secrets.token_urlsafe(16)
        facts = analysis.evidence.facts.model_copy(update={"location": None})
        evidence = analysis.evidence.model_copy(update={"views": [], "facts": facts})
        analysis = analysis.model_copy(update={"evidence": evidence})
        part = self.folder / f"{identifier}.part"
        try:
            open_private_folder(self.folder, "RESULTS_DIR")
            with zipfile.ZipFile(part, "x") as archive:
                archive.writestr(PICTURE, data)
                archive.writestr(ANALYSIS, analysis.model_dump_json())
            if part.stat().st_size > self.max_bytes:
                part.unlink()
                return None
            with self.lock:  # else two results could make room for one
                self._make_room(part.stat().st_size)
                made = clock.now()
                os.utime(part, (made, made))
                part.rename(self._file(identifier))
        except (OSError, FolderError):
            logger.exception("a result could not be kept")
            with suppress(OSError):
                part.unlink()
            return None
        self._sweep_later()
        return StoredResult(identifier, self._end(made), data, analysis)

    def get(self, identifier: str) -> StoredResult | None:
        """Return a result, None where there is none of this name any more."""
        if not IDENTIFIER.fullmatch(identifier):
            return None
        try:
            with zipfile.ZipFile(self._file(identifier)) as archive:
                made = min(self._file(identifier).stat().st_mtime, clock.now())
                data, text = archive.read(PICTURE), archive.read(ANALYSIS)
        except FileNotFoundError:
            return None
        if made + self.seconds <= clock.now():
            return None
        try:
            analysis = Analysis.model_validate_json(text)
        except ValidationError:
            logger.warning("a result that another version wrote cannot be read")
            return None
        return StoredResult(identifier, self._end(made), data, analysis)

    def remove(self, identifier: str) -> bool:
        """Delete a result; return whether there was one."""
        if not IDENTIFIER.fullmatch(identifier):
            return False
        try:
            self._file(identifier).unlink()
        except FileNotFoundError:
            return False
        return True

    def sweep(self) -> None:
        """Delete what is too old, and what a process left unfinished."""
        with self.lock:
            self.timer = None
        for path, facts in self._files():
            now = clock.now() if path.suffix == SUFFIX else time.time()  # who writes it sets none
            if facts.st_mtime + self.seconds <= now:
                path.unlink(missing_ok=True)
            elif facts.st_mtime > now:  # of a page that began before the time of day was set back
                with suppress(FileNotFoundError):
                    os.utime(path, (now, now))
        if next(self._files(), None):
            self._sweep_later()

    def _make_room(self, needed: int) -> None:
        kept = [(path, facts) for path, facts in self._files() if path.suffix == SUFFIX]
        used = sum(facts.st_size for _, facts in kept)
        for path, facts in sorted(kept, key=lambda file: file[1].st_mtime):
            if used + needed <= self.max_bytes:
                return
            path.unlink(missing_ok=True)
            used -= facts.st_size

    def _sweep_later(self) -> None:
        """See to it that results go in time although nobody asks for any."""
        with self.lock:
            if self.timer is None:
                self.timer = threading.Timer(min(self.seconds, 60), self.sweep)
                self.timer.daemon = True
                self.timer.start()

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            try:
                yield path, path.stat()
            except FileNotFoundError:
                continue  # another process has deleted it

    def _file(self, identifier: str) -> Path:
        return self.folder / f"{identifier}{SUFFIX}"

    def _end(self, made: float) -> datetime:
        return datetime.fromtimestamp(made + self.seconds, UTC)


def result_store() -> ResultStore:
    """Return the store of the application that handles the current request."""
    return current_app.extensions["results"]
