"""Finds pickles: `python tests/pickles.py FOLDER…` prints them. Needs the standard library only.

A pickle runs code when it is loaded. One is known by its content, whatever its name: by its
opcodes (protocols 0 to 5), in the file itself, in a compressed one, in an archive, or as an array
of objects (`.npy`). A name that only pickles have counts as well.
"""

import bz2
import gzip
import io
import lzma
import pickletools
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

SUFFIXES = frozenset({".dill", ".joblib", ".pck", ".pickle", ".pkl", ".pt"})
OPCODES = frozenset(ord(opcode.code) for opcode in pickletools.opcodes)
PROTOCOLS = range(2, 6)
NPY, OBJECTS = b"\x93NUMPY", b"|O"
ZLIB = (b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
TAR = slice(257, 262)
MOST_BYTES = 1 << 28


class TooLargeError(Exception):
    """What is packed in a file has more bytes than are looked at."""


class Nowhere(io.TextIOBase):
    """Takes what `pickletools.dis` prints."""

    def write(self, text: str) -> int:
        return len(text)


def pickles(folder: Path) -> Iterator[str]:
    """Yield the path of each pickle below a folder, and its place in an archive if it is in one."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                yield from _inside(str(path), file)


def _inside(name: str, file: IO[bytes]) -> Iterator[str]:
    head = file.read(512)
    named = Path(name).suffix.lower() in SUFFIXES
    if named or _is_marked(head) or _is_unmarked(head, file):
        yield name
        return
    file.seek(0)
    for member, content in _unpacked(head, file):
        yield from _inside(f"{name}!{member}", content)


def _is_marked(head: bytes) -> bool:
    """Return whether a file begins as a pickle of protocol 2 to 5, or is an array of objects."""
    if head.startswith(NPY):
        return OBJECTS in head
    return len(head) > 2 and head[0] == 0x80 and head[1] in PROTOCOLS and head[2] in OPCODES


def _is_unmarked(head: bytes, file: IO[bytes]) -> bool:
    """Return whether a file is a pickle of protocol 0 or 1: opcodes up to its end."""
    if not head or head[0] not in OPCODES:
        return False
    file.seek(0)
    content = io.BytesIO(file.read())  # where a length that is none does not allocate
    try:
        pickletools.dis(content, out=Nowhere())
    except (ValueError, IndexError, OverflowError):
        return False
    return not content.read().strip()


def _unpacked(head: bytes, file: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield what is packed in a file, with its name there; nothing where nothing is."""
    if head.startswith(b"\x1f\x8b"):
        yield "gzip", _read(gzip.GzipFile(fileobj=file))
    elif head.startswith(b"BZh"):
        yield "bzip2", _read(bz2.BZ2File(file))
    elif head.startswith(b"\xfd7zXZ"):
        with lzma.open(file) as content:
            yield "xz", _read(content)
    elif head.startswith(ZLIB):
        try:
            yield "zlib", io.BytesIO(zlib.decompressobj().decompress(file.read(), MOST_BYTES))
        except zlib.error:
            return  # text, by chance
    elif head[TAR] == b"ustar":
        with tarfile.open(fileobj=file) as archive:
            for member in archive:
                if content := archive.extractfile(member):
                    yield member.name, _read(content)
    elif zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            for name in archive.namelist():
                with archive.open(name) as content:
                    yield name, _read(content)


def _read(content: IO[bytes]) -> IO[bytes]:
    data = content.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise TooLargeError(f"more than {MOST_BYTES} bytes")
    return io.BytesIO(data)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(*pickles(Path(argument)), sep="\n")
