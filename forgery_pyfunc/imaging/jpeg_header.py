"""JPEG headers, read without decoding a pixel, and the standard quantisation tables."""

import functools
import hashlib
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging import guards
from forgery_pyfunc.imaging.sniffing import refusal

# ITU-T T.81, Annex K: the example tables that the Independent JPEG Group's library scales.
ANNEX_K_LUMA = np.reshape([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
], (8, 8))  # fmt: skip
ANNEX_K_CHROMA = np.full((8, 8), 99)
ANNEX_K_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

# Position in the row-by-row 8×8 block of the n-th coefficient as a file stores it.
ZIGZAG = np.array(
    sorted(
        range(64), key=lambda i: (i // 8 + i % 8, i % 8 if (i // 8 + i % 8) % 2 == 0 else i // 8)
    )
)

# Ratio of luma to chroma samples, across and down.
_SUBSAMPLINGS: dict[tuple[float, float], str] = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
}
_PROCESSES = {
    0xC0: "baseline",
    0xC1: "extended",
    0xC2: "progressive",
    0xC3: "lossless",
    0xC5: "hierarchical",
    0xC6: "hierarchical progressive",
    0xC7: "hierarchical lossless",
    0xC9: "extended arithmetic",
    0xCA: "progressive arithmetic",
    0xCB: "lossless arithmetic",
    0xCD: "hierarchical arithmetic",
    0xCE: "hierarchical progressive arithmetic",
    0xCF: "hierarchical lossless arithmetic",
}
_FRAMES_READ = {0xC0, 0xC1, 0xC2, 0xC9, 0xCA}
_JPEG_LS, _HIERARCHY = 0xF7, 0xDE
READ = "JPEGs are read with 8 bits per sample, baseline or progressive"
_APPLICATION_MARKS = [
    (0xE0, b"JFIF\0", "JFIF"),
    (0xE0, b"JFXX\0", "JFXX"),
    (0xE1, b"Exif\0", "EXIF"),
    (0xE1, b"http://ns.adobe.com/", "XMP"),
    (0xE2, b"ICC_PROFILE\0", "ICC"),
    (0xE2, b"MPF\0", "MPF"),
    (0xEB, b"JP", "JUMBF"),
    (0xEC, b"Ducky", "Ducky"),
    (0xED, b"Photoshop 3.0\0", "Photoshop"),
    (0xEE, b"Adobe", "Adobe"),
]
_TABLES_PER_SEGMENT = 4  # ITU-T T.81 has four places for them

_END_OF_ENTROPY = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_END_OF_FILLING = re.compile(rb"[^\xff]", re.DOTALL)
_SOI, _EOI, _SOS, _COMMENT = b"\xff\xd8", 0xD9, 0xDA, 0xFE
_LEAST_SIZES = {b"JFIF": 14, b"Adob": 12, b"Exif": 6}
"""Of application segments that concern how a picture is shown, bytes by their first letters."""


@dataclass(frozen=True)
class JpegHeader:
    """What a JPEG file says about itself.

    `tables` holds one quantisation table per component, 64 values row by row (not zigzag).
    `markers` are application segments and comments in file order, each once. `complete` is false
    when a scan is missing, `ended` when the end marker is. `end` is behind that marker, or else
    behind the data of the last scan.
    """

    width: int
    height: int
    precision: int
    process: str
    components: int
    tables: tuple[tuple[int, ...], ...]
    subsampling: str
    markers: tuple[str, ...]
    adobe_transform: int | None
    scans: int
    complete: bool
    ended: bool
    end: int

    @property
    def progressive(self) -> bool:
        """Whether the coefficients come in several passes."""
        return self.process.startswith("progressive")

    @property
    def quality(self) -> int:
        """The IJG quality whose luma table is nearest."""
        return self._estimate[0]

    @property
    def standard(self) -> bool:
        """Whether the luma table is that very table."""
        return self._estimate[1]

    @functools.cached_property
    def _estimate(self) -> tuple[int, bool]:
        return estimate_quality(self.tables[0])

    @property
    def table_hash(self) -> str:
        """A name of the tables of all components."""
        return hashlib.sha256(np.array(self.tables, "<u2").tobytes()).hexdigest()[:16]

    @property
    def luma_table(self) -> np.ndarray:
        """float32[8, 8]: the table of the first component."""
        return np.array(self.tables[0], np.float32).reshape(8, 8)

    @property
    def chroma_table(self) -> np.ndarray | None:
        """float32[8, 8]: the table of the second component, or None for grey."""
        if self.components < 3:
            return None
        return np.array(self.tables[1], np.float32).reshape(8, 8)


def standard_table(quality: int, chroma: bool = False) -> np.ndarray:
    """Return libjpeg's table at `quality` 1 … 100 (jpeg_set_quality, baseline), int64[8, 8]."""
    if not 1 <= quality <= 100:
        raise ValueError(f"quality: got {quality}, allowed: 1 to 100")
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.clip(((ANNEX_K_CHROMA if chroma else ANNEX_K_LUMA) * scale + 50) // 100, 1, 255)


@functools.cache
def _log_standard_tables() -> np.ndarray:
    return np.log([standard_table(quality).ravel() for quality in range(1, 101)])


def estimate_quality(luma_table: Sequence[int]) -> tuple[int, bool]:
    """Return the IJG quality whose luma table is nearest, and whether it is equal.

    Nearest in the mean absolute logarithm of ratios. `luma_table` has 64 values, row by row.
    """
    table = np.maximum(np.asarray(luma_table, np.float64), 1)
    distances = np.abs(_log_standard_tables() - np.log(table)).mean(1)
    # From the top: of two qualities with one table the higher is the one people set.
    quality = 100 - int(np.argmin(distances[::-1]))
    return quality, bool(distances[quality - 1] == 0)


@dataclass
class _Segments:
    tables: dict[int, tuple[int, ...]]
    frame: tuple[int, bytes] | None = None
    scans: list[bytes] | None = None
    markers: tuple[str, ...] = ()
    adobe_transform: int | None = None
    ended: bool = False
    end: int = 0


class _Segment(NamedTuple):
    """One segment: from the byte in front of its marker to behind it and its entropy-coded data."""

    marker: int
    payload: bytes
    start: int
    end: int


def _segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments of a JPEG up to its end marker, those without content left out.

    Raises:
        ImageError: `broken_image` for more segments, or more bytes between them, than files have.
    """
    position, met, stray = 2, 0, 0
    while position < len(data):
        start = data.find(b"\xff", position)
        filling = _END_OF_FILLING.search(data, start) if start >= 0 else None
        if filling is None:
            return
        met, stray = met + 1, stray + filling.start() - 1 - position
        if met > guards.MAX_SEGMENTS or stray > guards.MAX_STRAY_BYTES:
            raise ImageError(
                f"The JPEG has more than {guards.MAX_SEGMENTS} segments, or more than "
                f"{guards.MAX_STRAY_BYTES // 2**10} KiB of stray bytes between them.",
                "broken_image",
            )
        marker, start_of_marker = filling[0][0], filling.start() - 1
        position = filling.end()
        if marker == _EOI:
            yield _Segment(marker, b"", start_of_marker, position)
            return
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            continue
        if position + 2 > len(data):
            return
        length = struct.unpack_from(">H", data, position)[0]
        if length < 2 and (0xE0 <= marker <= 0xEF or marker == _COMMENT):
            length = 2  # as libjpeg takes it
        payload = data[position + 2 : position + length]
        if length < 2 or len(payload) < length - 2:
            return
        position += length
        if marker == _SOS:
            ending = _END_OF_ENTROPY.search(data, position)
            position = ending.start() if ending else len(data)
        yield _Segment(marker, payload, start_of_marker, position)


def _quantisation_tables(payload: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    position = 0
    for _ in range(_TABLES_PER_SEGMENT):
        if position >= len(payload):
            return
        wide, number = payload[position] >> 4, payload[position] & 15
        size = 128 if wide else 64
        stored = payload[position + 1 : position + 1 + size]
        if len(stored) < size:
            return
        natural = np.empty(64, np.int64)
        natural[ZIGZAG] = np.frombuffer(stored, ">u2" if wide else np.uint8)
        yield number, tuple(natural.tolist())
        position += 1 + size


def _collect(data: bytes) -> _Segments:
    segments = _Segments(tables={}, scans=[])
    markers: dict[str, None] = {}
    for marker, payload, _, end in _segments(data):
        if marker == 0xDB:
            for number, table in _quantisation_tables(payload):
                segments.tables[number] = table
        elif marker in _PROCESSES or marker in (_JPEG_LS, _HIERARCHY):
            if segments.frame is None:
                _check_frame(marker, payload)
                segments.frame = (marker, payload)
        elif marker == _SOS and segments.scans is not None:
            segments.scans.append(payload)
            if len(segments.scans) > guards.MAX_SCANS:
                raise ImageError(
                    f"The JPEG has more than {guards.MAX_SCANS} scans.", "broken_image"
                )
        elif marker == _COMMENT:
            markers["COM"] = None
        elif 0xE0 <= marker <= 0xEF:
            names = (
                n
                for m, start, n in _APPLICATION_MARKS
                if m == marker and payload[:20].startswith(start)
            )
            name = next(names, f"APP{marker - 0xE0}")
            markers[name] = None
            if name == "Adobe" and len(payload) >= 12:
                segments.adobe_transform = payload[11]
        elif marker == _EOI:
            segments.ended = True
        if marker in (_SOS, _EOI):
            segments.end = end
    segments.markers = tuple(markers)
    return segments


def _check_frame(marker: int, frame: bytes) -> None:
    """Refuse a JPEG of a kind that is not read, by the header of its first frame."""
    if marker == _JPEG_LS:
        raise refusal("JPEG-LS")
    if marker not in _FRAMES_READ:
        raise _unsupported(f"is {_PROCESSES.get(marker, 'hierarchical')}")
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise ImageError("The JPEG's frame header is damaged.", "broken_image")
    precision, height, width, count = struct.unpack_from(">BHHB", frame)
    if precision != 8:
        raise _unsupported(f"has {precision} bits per sample")
    if width and not height:
        raise _unsupported("states its height only behind the picture")
    if count not in (1, 3, 4):
        raise _unsupported(f"has {count} colour components")
    factors = [(part >> 4, part & 15) for part in frame[7 : 7 + 3 * count : 3]]
    for direction in zip(*factors, strict=True):
        if not all(direction):
            raise ImageError("The JPEG's frame header is damaged.", "broken_image")
        if any(max(direction) % factor for factor in direction):
            raise _unsupported("has colour components of sizes that are no whole parts of another")


def _unsupported(what: str) -> ImageError:
    return ImageError(f"The JPEG {what}, which is not read; {READ}.", "unsupported_format")


def essence(data: bytes) -> bytes:
    """Return a JPEG without what does not concern how its picture is shown.

    That is: comments, application segments other than well-formed JFIF, Adobe and EXIF ones, bytes
    between segments, markers without content, and what follows the end.
    """
    kept = [_SOI]
    for marker, payload, start, end in _segments(data):
        told = 0xE0 <= marker <= 0xEF or marker == _COMMENT
        if not told or len(payload) >= _LEAST_SIZES.get(payload[:4], len(payload) + 1):
            kept.append(data[start:end])
    return b"".join(kept)


def _all_scans_present(process: str, scans: list[bytes], component_ids: list[int]) -> bool:
    """Return whether every component has its scan; in a progressive file, to the last bit."""
    if not process.startswith("progressive"):
        named = {number for scan in scans if scan for number in scan[1 : 1 + 2 * scan[0] : 2]}
        return named >= set(component_ids)
    missing = {number: np.ones(64, bool) for number in component_ids}
    for scan in scans:
        count = scan[0] if scan else 0
        if len(scan) < 4 + 2 * count:
            return False
        first, last, low_bit = scan[1 + 2 * count], scan[2 + 2 * count], scan[3 + 2 * count] & 15
        for number in scan[1 : 1 + 2 * count : 2]:
            if low_bit == 0 and number in missing:
                missing[number][first : last + 1] = False
    return not any(rest.any() for rest in missing.values())


def read_header(data: bytes) -> JpegHeader:
    """Return the header of a JPEG file, from its bytes alone; no pixel is decoded.

    Raises:
        ImageError: `broken_image` when a marker that every JPEG needs is missing or damaged;
            `unsupported_format` for lossless, hierarchical and other kinds that are not read.
    """
    if data[:2] != b"\xff\xd8":
        raise ImageError("The file does not start with a JPEG marker.", "not_an_image")
    segments = _collect(data)
    if segments.frame is None or not segments.scans:
        raise ImageError("The JPEG ends before its image data begin.", "broken_image")
    marker, frame = segments.frame
    precision, height, width, count = struct.unpack_from(">BHHB", frame)
    parts = [frame[6 + 3 * i : 9 + 3 * i] for i in range(count)]
    tables = tuple(segments.tables[part[2]] for part in parts if part[2] in segments.tables)
    if not count or len(tables) < count:
        raise ImageError("The JPEG lacks a quantisation table.", "broken_image")
    factors = tuple((part[1] >> 4, part[1] & 15) for part in parts)
    process = _PROCESSES[marker]
    return JpegHeader(
        width=width,
        height=height,
        precision=precision,
        process=process,
        components=count,
        tables=tables,
        subsampling=_name_subsampling(factors),
        markers=segments.markers,
        adobe_transform=segments.adobe_transform,
        scans=len(segments.scans),
        complete=_all_scans_present(process, segments.scans, [part[0] for part in parts]),
        ended=segments.ended,
        end=segments.end,
    )


def _name_subsampling(factors: tuple[tuple[int, int], ...]) -> str:
    if len(factors) == 1:
        return "grey"
    (across, down), *rest = factors
    if len(set(rest)) == 1 and all(rest[0]):
        name = _SUBSAMPLINGS.get((across / rest[0][0], down / rest[0][1]))
        if name:
            return name
    return ",".join(f"{h}x{v}" for h, v in factors)
