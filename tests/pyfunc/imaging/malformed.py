"""Malformed images, the same ones on every run; `make fuzz` tries all of them.

Usage: python -m tests.pyfunc.imaging.malformed [http://127.0.0.1:8080 [--record]]
"""

import argparse
import struct
import time
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator

import requests

from benchmarks.trust import Line, record
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.sandbox.pool import Sandbox
from tests.pyfunc.imaging.images import file
from tests.pyfunc.imaging.test_damage import COLOURS, SOUND, damaged

CUTS, FLIPS, DAMAGES = 40, 40, 24
"""Of every sound file: places where it is cut, bytes of its headers flipped, and random damages."""
HEADERS = 400
SLOWEST_SECONDS = 5.0
FAULTS = ("decoder_failed", "internal_error", *range(500, 600))
"""What no malformed image may be answered with."""


def cut(data: bytes) -> Iterator[bytes]:
    """Yield the file cut within its headers, byte by byte at first, and then evenly to its end."""
    near = range(1, CUTS // 2)
    even = (len(data) * step // (CUTS - len(near)) - 1 for step in range(1, CUTS - len(near) + 1))
    for end in (*near, *even):
        yield data[:end]


def flipped(data: bytes) -> Iterator[bytes]:
    """Yield the file with one byte of its headers inverted."""
    reach = min(HEADERS, len(data))
    for place in range(0, reach, -(-reach // FLIPS)):
        yield data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, body: bytes, *before: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    parts = (header, *before, chunk(b"IDAT", body), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def pngs() -> Iterator[bytes]:
    """Yield bombs: pixels, profiles and texts that inflate, enormous and empty pictures."""
    nothing, much = zlib.compress(b""), zlib.compress(bytes(2**26), 9)
    for width, height in ((0, 0), (0, 9), (2**31 - 1, 1), (1, 2**31 - 1), (60_000, 60_000)):
        yield png(width, height, nothing)
    yield png(64, 64, much)
    yield png(64, 64, nothing, chunk(b"iCCP", b"x\0\0" + much))
    yield png(64, 64, nothing, chunk(b"zTXt", b"x\0\0" + much))
    yield png(64, 64, nothing, chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + much))
    yield png(64, 64, nothing, chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"))
    yield png(64, 64, nothing, *([chunk(b"tEXt", b"a\0b")] * 20_000))
    yield png(64, 64, nothing, chunk(b"acTL", b"\xff" * 8), chunk(b"fcTL", b"\xff" * 26))


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body


def frame(marker: int, precision: int, height: int, width: int, *factors: int) -> bytes:
    parts = b"".join(bytes((number & 255, factor, 0)) for number, factor in enumerate(factors, 1))
    size = struct.pack(">BHHB", precision, height, width, len(factors))
    return segment(marker, size + parts)


def jpegs() -> Iterator[bytes]:
    """Yield other frames in front of sound data, and broken EXIF, ICC, MPF, XMP and Photoshop."""
    sound = file(COLOURS, "JPEG")
    at = sound.index(b"\xff\xc0")
    end = at + 2 + struct.unpack_from(">H", sound, at + 2)[0]
    for marker in range(0xC0, 0xD0):
        if marker not in (0xC4, 0xC8, 0xCC):
            yield sound[:at] + frame(marker, 8, 40, 56, 0x22, 0x11, 0x11) + sound[end:]
    for precision in (0, 2, 12, 16, 255):
        yield sound[:at] + frame(0xC1, precision, 40, 56, 0x22, 0x11, 0x11) + sound[end:]
    for factors in ((), (0, 0, 0), (0x22, 0, 0x11), (0x44,) * 3, (0xFF,) * 3, (0x11,) * 255):
        yield sound[:at] + frame(0xC0, 8, 40, 56, *factors) + sound[end:]
    for height, width in ((0, 0), (0, 56), (40, 0), (65_535, 65_535), (1, 65_535), (65_535, 1)):
        yield sound[:at] + frame(0xC0, 8, height, width, 0x22, 0x11, 0x11) + sound[end:]
    heads = {
        0xE1: (b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"),
        0xE2: (b"ICC_PROFILE\0", b"MPF\0"),
        0xED: (b"Photoshop 3.0\0",),
        0xEE: (b"Adobe",),
    }
    bodies = (b"", b"\0", b"\xff" * 60_000, b"II*\0\x08\0\0\0\xff\xff", b"MM\0*\xff\xff\xff\xff",
              b"II*\0\x08\0\0\0\1\0\x69\x87\4\0\1\0\0\0\x08\0\0\0\x08\0\0\0",
              b"<x" * 9000)  # fmt: skip
    for marker, names in heads.items():
        for name in names:
            for body in bodies:
                yield sound[:2] + segment(marker, name + body) + sound[2:]
    yield sound[:2] + segment(0xE0, b"") * 12_000 + sound[2:]
    yield sound[:2] + b"\xff" * 2**20 + sound[2:]


def tiff(entries: list[tuple[int, int, int, int]], after: int, more: bytes = b"") -> bytes:
    """Return a TIFF with one directory of tag, type, count and value, and what follows it."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory = struct.pack("<H", len(entries)) + packed + struct.pack("<I", after)
    return b"II*\0\x08\0\0\0" + directory + more


def tiffs() -> Iterator[bytes]:
    """Yield cyclic, deep and crowded directories, and enormous, empty and contradictory sizes."""

    def plain(width: int = 8, height: int = 8, strip: int = 200, size: int = 64, **other: int):
        tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: strip, 277: 1, 278: height,
                279: size} | {int(name[1:]): value for name, value in other.items()}  # fmt: skip
        return [(tag, 4, 1, value) for tag, value in sorted(tags.items())]

    room = bytes(300)
    yield tiff(plain(), 8, room)  # its own next directory
    yield tiff(plain(_330=8), 0, room)  # its own sub-directory
    yield tiff(plain(_34665=8), 0, room)  # its own EXIF directory
    chain = b"".join(
        struct.pack("<HHHIII", 1, 256, 4, 1, 8, 300 + 18 * (step + 1)) for step in range(5000)
    )
    start = tiff(plain(), 300)
    yield start + bytes(300 - len(start)) + chain
    yield tiff([(256, 4, 1, 8)] * 30_000, 0)
    yield tiff([(256, 4, 2**32 - 1, 8), *plain()[1:]], 0, room)
    for width, height in ((0, 0), (2**32 - 1, 1), (65_535, 65_535), (8, 2**32 - 1)):
        yield tiff(plain(width, height), 0, room)
    for tag in ("_258", "_259", "_262", "_277", "_278", "_279", "_273", "_284", "_317", "_339"):
        for value in (0, 2, 3, 7, 65_535, 2**32 - 1):
            yield tiff(plain(**{tag: value}), 0, room)


def others() -> Iterator[bytes]:
    """Yield polyglots, other files under a picture's first bytes, and enormous headers."""
    for sound in SOUND.values():
        yield sound + b"PK\3\4" + bytes(200)
        yield b"<html><script>alert(1)</script></html>" + sound
        yield sound[:16] + b"<?php system($_GET[0]); ?>" + sound[16:]
        yield sound[: len(sound) // 2] + SOUND["PNG"]
    for start in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0+", b"BM", b"GIF89a",
                  b"RIFF\xff\xff\xff\xffWEBPVP8X", b"\0\0\0\x18ftypheic",
                  b"\0\0\0\x18ftypavif"):  # fmt: skip
        for filling in (b"", b"\0", b"\xff", b"\x80\x01"):
            yield start + filling * 3000
    for width, height in ((0, 8), (8, 0), (2**31 - 1, 1), (60_000, 60_000), (8, -(2**31))):
        for depth in (0, 1, 24, 64):
            size = struct.pack("<IiiHHIIiiII", 40, width, height, 1, depth, 0, 0, 0, 0, 0, 0)
            yield b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + size + bytes(64)
    for big in (b"\xff\xff\xff" * 2, b"\0\0\0\xff\xff\xff"):
        yield b"RIFF\x30\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + big + b"VP8L\4\0\0\0\x2f\xff\xff\xff"


def corpus() -> Iterator[tuple[str, bytes]]:
    """Yield what kind of malformed file it is, and the file."""
    for name, sound in SOUND.items():
        for kind, files in (
            ("cut", cut(sound)),
            ("flipped", flipped(sound)),
            ("damaged", (damaged(sound, 1000 + seed) for seed in range(DAMAGES))),
        ):
            for data in files:
                yield f"{kind} {name}", data
    for made in (pngs, jpegs, tiffs, others):
        for data in made():
            yield made.__name__, data


def code_of(read: Callable[[bytes], object], data: bytes) -> str:
    """Return the code with which a file is refused, empty where it is read."""
    with warnings.catch_warnings(action="ignore"):
        try:
            read(data)
        except ImageError as error:
            return error.code
    return ""


def status_of(session: requests.Session, url: str, data: bytes) -> int:
    """Return the HTTP status with which the page answers an upload."""
    upload = {"file": ("a.jpg", data)}
    return session.post(f"{url}/predict", files=upload, timeout=60).status_code


def memory_of(session: requests.Session, url: str) -> float:
    """Return the megabytes that the page's process holds, as its metrics tell."""
    lines = session.get(f"{url}/metrics", timeout=60).text.splitlines()
    line = next(line for line in lines if line.startswith("process_resident_memory_bytes "))
    return float(line.split()[1]) / 1e6


def main() -> int:
    """Try every file and count the answers; return 1 where one is a fault, or late."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", nargs="?", help="of a running page; by default a sandbox here reads")
    parser.add_argument("--record", action="store_true", help="the page's answers, for the README")
    asked = parser.parse_args()
    url, files = asked.url, list(corpus())
    if asked.record and not url:
        parser.error("--record needs the URL of a running page")
    box, session = Sandbox(decoders=1, seconds=SLOWEST_SECONDS), requests.Session()
    if not url:
        box.start()  # which takes longer than any file
    answers, slowest, failed = Counter[str | int](), 0.0, []
    memory: list[float] = []
    for number, (name, data) in enumerate(files):
        if url and number in (len(files) // 2, len(files) - 1):  # the first half warms it up
            memory.append(memory_of(session, url))
        started = time.monotonic()
        answer = status_of(session, url, data) if url else code_of(box.decode, data) or "read"
        seconds = time.monotonic() - started
        answers[answer] += 1
        slowest = max(slowest, seconds)
        if answer in FAULTS or seconds > SLOWEST_SECONDS:
            failed.append((name, answer, round(seconds, 1)))
    box.close()
    print(f"{answers.total()} files: {dict(answers)}; slowest {slowest:.2f} s")
    print(*failed, sep="\n")
    if memory:
        print(
            f"the page holds {memory[0]:.0f} MB after half of them, {memory[1]:.0f} MB at the end"
        )
    if asked.record:
        faults = sum(count for answer, count in answers.items() if answer in FAULTS)
        lines = [
            Line(
                what="malformed images sent to the page; answered with 5xx; slowest",
                seen=f"{answers.total():,}; {faults}; {slowest:.1f} s",
                to_reach="at least 2,000; 0; 5 s",
            ),
            Line(
                what="memory of the page after half of them, and at the end",
                seen=f"{memory[0]:.0f} MB, {memory[1]:.0f} MB",
                to_reach="no growth",
            ),
        ]
        details = {"answers": {str(answer): count for answer, count in answers.items()}}
        record("malformed", "make fuzz URL=http://127.0.0.1:8080", lines, details)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
