"""A folder of this machine that stands for one in a bucket: fetched before work, sent back after.

A note in the folder says which object every file was fetched from or sent as. So a file that did
not change is not transferred again, and what a killed process had not sent yet is not lost.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from forgery_lab.files import write_whole
from forgery_lab.places import Place

NOTE = ".objects.json"

Stamp = tuple[int, int]
"""Bytes of a file, and when it was last changed, in nanoseconds."""


@dataclass(frozen=True)
class Synced:
    """What a file and its object were when they were the same."""

    etag: str
    stamp: Stamp


@dataclass(frozen=True)
class Mirror:
    """A folder in a bucket, and the one that stands for it; one process at a time works in it.

    Attributes:
        place: in the bucket.
        folder: on this machine; it need not exist.
    """

    place: Place
    folder: Path

    def fetch(self, names: Collection[str]) -> None:
        """Bring files and folders of these names to the state of the bucket.

        What was changed here alone stays as it is, to be sent; what was changed in the bucket
        since replaces what is here.

        Raises:
            DataError: the bucket refuses, or the disk is full.
        """
        note, objects = self._read_note(), self.place.versions()
        changed = [
            name
            for name, etag in objects.items()
            if _is_below(name, names) and not (name in note and note[name].etag == etag)
        ]
        self.place.fetch(changed, self.folder)
        for name in changed:
            note[name] = Synced(objects[name], _stamp(self.folder / name))
        for name in [name for name in note if name not in objects]:
            file = self.folder / name
            if file.is_file() and _stamp(file) == note[name].stamp:
                file.unlink()
            del note[name]
        self._write_note(note)

    def send(self, names: Collection[str]) -> None:
        """Bring the bucket to the state of files and folders of these names.

        Objects of changed files are removed first, and files sent in the order in which they were
        written: whoever stops on the way leaves what is missing, not what does not fit together.

        Raises:
            DataError: the bucket refuses.
        """
        note = self._read_note()
        stamps = {name: _stamp(self.folder / name) for name in self._files(names)}
        gone = [name for name in note if _is_below(name, names) and name not in stamps]
        changed = [
            name for name in stamps if not (name in note and note[name].stamp == stamps[name])
        ]
        outdated = [name for name in (*gone, *changed) if name in note]
        self.place.remove_files(sorted(outdated, key=lambda name: -note[name].stamp[1]))
        for name in sorted(changed, key=lambda name: stamps[name][1]):
            (self.place / name).copy(self.folder / name)
        objects = self.place.versions()
        note = {name: synced for name, synced in note.items() if name not in outdated}
        note |= {name: Synced(objects[name], stamps[name]) for name in changed}
        self._write_note(note)

    def _files(self, names: Collection[str]) -> Iterator[str]:
        for name in names:
            path = self.folder / name
            for file in [path] if path.is_file() else sorted(path.rglob("*")):
                if file.is_file() and not file.name.endswith(".partial"):
                    yield file.relative_to(self.folder).as_posix()

    def _read_note(self) -> dict[str, Synced]:
        file = self.folder / NOTE
        if not file.is_file():
            return {}
        rows = json.loads(file.read_text("utf-8"))
        return {name: Synced(etag, (size, moment)) for name, (etag, size, moment) in rows.items()}

    def _write_note(self, note: dict[str, Synced]) -> None:
        rows = {name: (synced.etag, *synced.stamp) for name, synced in note.items()}
        write_whole(self.folder / NOTE, json.dumps(rows), alone=True)


def _is_below(name: str, names: Collection[str]) -> bool:
    return any(name == one or name.startswith(f"{one}/") for one in names)


def _stamp(file: Path) -> Stamp:
    status = file.stat()
    return status.st_size, status.st_mtime_ns
