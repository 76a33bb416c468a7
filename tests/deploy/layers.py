"""What differs between the layers of two images: `python -m tests.deploy.layers ONE OTHER`."""

import hashlib
import json
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from tests.deploy.engine import docker

ATTRIBUTES = ("type", "mode", "uid", "gid", "size", "mtime", "linkname")


def digests(image: str) -> list[str]:
    """Return the digests of an image's layers, unpacked, lowest first."""
    return json.loads(docker("image", "inspect", image))[0]["RootFS"]["Layers"]


def differences(one: str, other: str) -> Iterator[str]:
    """Yield one line for every file that differs, and in what; then where their order does."""
    pairs = list(zip_longest(digests(one), digests(other)))
    unequal = [number for number, (first, second) in enumerate(pairs) if first != second]
    if not unequal:
        return
    with tempfile.TemporaryDirectory() as name:
        archives = [_save(image, Path(name) / str(n)) for n, image in enumerate((one, other))]
        for number in unequal:
            first, second = (_entries(archive, number) for archive in archives)
            for path in sorted(first.keys() | second.keys()):
                if unlike := _unlike(first.get(path), second.get(path)):
                    yield f"layer {number}: {path}: {unlike}"
            for path, other_path in zip(first, second, strict=False):
                if path != other_path:
                    yield f"layer {number}: {path}: in the place of {other_path}"
                    break


def _save(image: str, file: Path) -> Path:
    docker("save", "--output", file, image)
    return file


def _entries(image: Path, number: int) -> dict[str, dict[str, object]]:
    """Return what a layer of a saved image holds, by path; nothing where it has no such layer."""
    with tarfile.open(image) as outer:
        layers = json.load(_open(outer, "manifest.json"))[0]["Layers"]
        if number >= len(layers):
            return {}
        with tarfile.open(fileobj=_open(outer, layers[number])) as layer:
            return {member.name: _facts(layer, member) for member in layer}


def _open(archive: tarfile.TarFile, name: str):
    file = archive.extractfile(name)
    assert file is not None, f"{name} is no file"
    return file


def _facts(layer: tarfile.TarFile, member: tarfile.TarInfo) -> dict[str, object]:
    facts: dict[str, object] = {name: getattr(member, name) for name in ATTRIBUTES}
    if member.isfile():
        facts["content"] = hashlib.sha256(_open(layer, member.name).read()).hexdigest()
    return facts


def _unlike(first: dict[str, object] | None, second: dict[str, object] | None) -> str:
    if first is None or second is None:
        return "only in one"
    return ", ".join(name for name in first if first[name] != second.get(name))


if __name__ == "__main__":
    found = list(differences(*sys.argv[1:]))
    print("\n".join(found) or "The layers are equal.")
    sys.exit(bool(found))
