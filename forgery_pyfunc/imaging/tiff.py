"""What a TIFF's directories say of its pixels, and which of the many layouts are read.

The tags are those of TIFF 6.0 and its technical notes. Pillow decodes some layouts to other pixels
than are stored, without an error; those it decodes rightly are listed here, and no others are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.guards import (
    MAX_ENTRIES,
    MAX_ENTRIES_IN_ALL,
    MAX_FRAMES_COUNTED,
)
from forgery_pyfunc.imaging.sniffing import raw_refusal

READ = (
    "TIFFs are read in grey (1, 2, 4, 8 or 16 bits, or 32 signed or floating-point), "
    "RGB and CMYK (8 or 16 bits), palette colours and YCbCr"
)

NEW_SUBFILE_TYPE, WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER = 266
MAKE, SAMPLES, PLANAR, SUB_DIRECTORIES, EXTRA_SAMPLES = 271, 277, 284, 330, 338
SAMPLE_FORMAT, SUBSAMPLING, DNG_VERSION = 339, 530, 50706

_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}  # bytes of a field's unsigned types
_VALUES_READ = 64
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {
    _WHITE_IS_ZERO: "grey (white is zero)", _BLACK_IS_ZERO: "grey", _RGB: "RGB",
    _PALETTE: "palette", 4: "transparency mask", _CMYK: "CMYK", _YCBCR: "YCbCr",
    8: "CIELAB", 9: "ICCLAB", 10: "ITULAB", 32844: "LogL", 32845: "LogLuv",
}  # fmt: skip
_CHANNELS = {_RGB: 3, _CMYK: 4, _YCBCR: 3}
_EXTRA_SAMPLES_READ = {
    _CMYK: ((), (0,), (0, 0)),
    _RGB: ((), *((kind, *others) for kind in (0, 1, 2) for others in ((), (0,), (0, 0)))),
}
_FORMATS = {1: "unsigned", 2: "signed", 3: "floating-point", 4: "undefined", 5: "complex"}
_SENSOR_COLOURS = (32803, 34892)
"""Colour filter array, and DNG's linear raw."""

_UNCOMPRESSED, _OLD_JPEG, _JPEG = 1, 6, 7
_BILEVEL_COMPRESSIONS = {2, 3, 4}
_COMPRESSIONS = {
    _UNCOMPRESSED,
    5,
    _OLD_JPEG,
    _JPEG,
    8,
    32773,
    32946,
    34925,
    50000,
    *_BILEVEL_COMPRESSIONS,
}
_COMPRESSION_NAMES = {
    2: "CCITT", 3: "fax (group 3)", 4: "fax (group 4)", _OLD_JPEG: "old-style JPEG", _JPEG: "JPEG",
    9: "JBIG", 10: "JBIG", 32766: "NeXT", 32771: "word-aligned", 32809: "ThunderScan",
    33003: "JPEG 2000", 33005: "JPEG 2000", 34661: "JBIG", 34676: "SGI LogLuv",
    34677: "SGI LogLuv", 34712: "JPEG 2000", 34715: "JBIG2", 34887: "LERC", 34892: "lossy JPEG",
    50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_RAW_COMPRESSIONS = {32767, 32769, 34713, 65000, 65535}
"""Those of camera makers: Sony, Epson, Nikon, Kodak and Pentax."""


@dataclass(frozen=True)
class _Directory:
    """The numbers of one directory by tag, and the maker's name."""

    tags: dict[int, tuple[int, ...]] = field(default_factory=dict)
    make: str = ""

    def first(self, tag: int, default: int = 0) -> int:
        """Return the first number of a tag."""
        return (self.tags.get(tag) or (default,))[0]

    @property
    def is_page(self) -> bool:
        """Whether it is neither a smaller copy of another page nor a mask of one."""
        return not self.first(NEW_SUBFILE_TYPE) & 0b101


def check(data: bytes) -> int:
    """Return the number of pages, counted up to `MAX_FRAMES_COUNTED`; refuse what is not read.

    Raises:
        ImageError: `broken_image` for a flood of entries or a damaged first directory;
            `unsupported_format` for pixels in a layout that is not read, with its name.
    """
    directories = list(_directories(data))
    if data.startswith(b"MM\0+"):
        raise _unsupported("is a BigTIFF in big-endian byte order")
    if not directories:
        raise ImageError("The TIFF ends too early: its directory is missing.", "broken_image")
    first, *others = directories
    _check_raw(first)
    if not (first.first(WIDTH) and first.first(LENGTH)):
        raise ImageError("The TIFF is damaged: it does not state its size.", "broken_image")
    layout = _Layout.of(first, little=data.startswith(b"II"))
    if not layout.is_read:
        raise _unsupported(f"holds {layout.in_words()}")
    return 1 + sum(directory.is_page for directory in others)


def _unsupported(what: str) -> ImageError:
    return ImageError(f"The TIFF {what}, which is not read; {READ}.", "unsupported_format")


def _directories(data: bytes) -> Iterator[_Directory]:
    """Yield the directories of the chain, each once; refuse a flood of entries.

    Directories may lie upon each other, so their number is not bounded by the size of the file,
    and Pillow would read each entry by itself.
    """
    order: Literal["little", "big"] = "little" if data.startswith(b"II") else "big"
    count_size, entry_size, link_size = (8, 20, 8) if 43 in data[2:4] else (2, 12, 4)  # 43: BigTIFF

    def number(position: int, size: int) -> int:
        return int.from_bytes(data[position : position + size], order)

    position, met, entries = number(link_size, link_size), set[int](), 0
    while 0 < position < len(data) and position not in met and len(met) < MAX_FRAMES_COUNTED:
        met.add(position)
        count = number(position, count_size)
        entries += count
        if count > MAX_ENTRIES or entries > MAX_ENTRIES_IN_ALL:
            raise ImageError(
                f"The TIFF has more than {MAX_ENTRIES} entries in a directory, "
                f"or {MAX_ENTRIES_IN_ALL} in total.",
                "broken_image",
            )
        start = position + count_size
        end = start + count * entry_size
        yield _read_directory(data, range(start, end, entry_size), order, link_size)
        position = number(end, link_size)


def _read_directory(
    data: bytes, entries: range, order: Literal["little", "big"], word: int
) -> _Directory:
    tags, make = {}, ""
    for entry in entries:
        tag = int.from_bytes(data[entry : entry + 2], order)
        width = _WIDTHS.get(int.from_bytes(data[entry + 2 : entry + 4], order))
        if width is None:
            continue
        count = int.from_bytes(data[entry + 4 : entry + 4 + word], order)
        place = entry + 4 + word
        if count * width > word:
            place = int.from_bytes(data[place : place + word], order)
        stored = data[place : place + width * min(count, _VALUES_READ)]
        if tag == MAKE:
            make = stored.decode("latin-1")
        tags[tag] = tuple(
            int.from_bytes(stored[at : at + width], order)
            for at in range(0, len(stored) - width + 1, width)
        )
    return _Directory(tags, make)


def _check_raw(first: _Directory) -> None:
    """Refuse raw files that are TIFFs: what would be read is only a small preview."""
    reduced = bool(first.first(NEW_SUBFILE_TYPE) & 1) and SUB_DIRECTORIES in first.tags
    sensor = first.first(PHOTOMETRIC) in _SENSOR_COLOURS
    if DNG_VERSION in first.tags:
        raise raw_refusal("DNG")
    if reduced or sensor or first.first(COMPRESSION, 1) in _RAW_COMPRESSIONS:
        raise raw_refusal(first.make)


@dataclass(frozen=True)
class _Layout:
    """How the pixels of a directory are stored.

    `bits` are those of each sample, `kind` their format (None where they differ), `extra` what the
    samples beyond the colours are: 0 unknown, 1 associated alpha, 2 other alpha.
    """

    colours: int
    bits: tuple[int, ...]
    kind: int | None
    extra: tuple[int, ...]
    compression: int
    planar: bool
    reversed_bits: bool
    subsampled: bool
    little: bool

    @classmethod
    def of(cls, first: _Directory, little: bool) -> "_Layout":
        """Return the layout that the tags of a directory state."""
        samples = first.first(SAMPLES, 1)
        bits = first.tags.get(BITS) or (1,)
        bits = bits * samples if len(bits) == 1 and samples <= _VALUES_READ else bits[:samples]
        formats = set(first.tags.get(SAMPLE_FORMAT) or (1,))
        return cls(
            colours=first.first(PHOTOMETRIC),
            bits=bits,
            kind=formats.pop() if len(formats) == 1 else None,
            extra=first.tags.get(EXTRA_SAMPLES, ()),
            compression=first.first(COMPRESSION, _UNCOMPRESSED),
            planar=first.first(PLANAR, 1) == 2 and len(bits) > 1,
            reversed_bits=first.first(FILL_ORDER, 1) == 2,
            subsampled=set(first.tags.get(SUBSAMPLING, (2, 2))) != {1},
            little=little,
        )

    @property
    def is_read(self) -> bool:
        """Whether Pillow decodes these pixels to those that are stored."""
        if self.compression not in _COMPRESSIONS or len(set(self.bits)) != 1:
            return False
        if self.reversed_bits and not self._reversal_is_read:
            return False
        if self.compression in _BILEVEL_COMPRESSIONS:
            return self.bits == (1,)
        if self.compression in (_JPEG, _OLD_JPEG):
            known = self.colours in (_BLACK_IS_ZERO, _WHITE_IS_ZERO, *_CHANNELS)
            whole = known and not self.extra and self.bits[0] == 8
            return whole and (not self.planar or self.colours == _RGB)
        if self.colours in (_BLACK_IS_ZERO, _WHITE_IS_ZERO) and len(self.bits) == 1:
            return self._grey_is_read
        return self.kind == 1 and self._colours_are_read

    @property
    def _raw(self) -> bool:
        return self.compression == _UNCOMPRESSED

    @property
    def _reversal_is_read(self) -> bool:
        """Whether the bits of each byte may be stored in reverse."""
        if self.colours == _RGB:
            return self.bits == (8, 8, 8) and self.compression != _JPEG
        if self._raw and (self.colours, self.bits) == (_WHITE_IS_ZERO, (8,)):
            return False
        if len(self.bits) != 1 or (self._raw and self.colours == _PALETTE):
            return False
        return self.bits[0] <= 8 or (self.bits[0] == 16 and self.little)

    @property
    def _grey_is_read(self) -> bool:
        depth, kind = self.bits[0], self.kind
        if self.colours == _WHITE_IS_ZERO:
            return kind == 1 and depth in (1, 2, 4, 8)
        if depth == 32:  # of which compressed ones come in the machine's own byte order
            return kind in (2, 3) and (self.little or self._raw)
        return (kind == 1 and depth in (1, 2, 4, 8, 16)) or (kind, depth) == (2, 8)

    @property
    def _colours_are_read(self) -> bool:
        depth, channels, extra = self.bits[0], len(self.bits) - len(self.extra), self.extra
        if self.colours == _BLACK_IS_ZERO:
            return (depth, channels, len(extra)) == (8, 1, 1) and not self.planar
        if self.colours == _PALETTE:
            depths = (8,) if extra else (1, 2, 4, 8)
            return channels == 1 and depth in depths and not self.planar
        if self.colours == _YCBCR:
            even = not self._raw or not (self.planar or self.subsampled)
            return (depth, channels, len(extra)) == (8, 3, 0) and even
        if channels != _CHANNELS.get(self.colours) and (self.colours, channels) != (_RGB, 4):
            return False  # a fourth sample of RGB, of which nothing is said, is read as alpha
        if self.planar and self._raw and (depth == 16 or extra not in ((), (2,))):
            return False
        if depth == 16:
            return len(extra) <= (self.colours == _RGB)
        return depth == 8 and extra in _EXTRA_SAMPLES_READ[self.colours]

    def in_words(self) -> str:
        """Return the layout in words, such as "32-bit floating-point RGB pixels"."""
        depth = f"{self.bits[0]}-bit" if len(set(self.bits)) == 1 else "mixed-depth"
        words = [depth, _COLOURS.get(self.colours, "unknown"), "pixels"]
        if self.kind != 1 or max(self.bits, default=0) > 16:
            words.insert(1, _FORMATS.get(self.kind or 0, "mixed"))
        if self.extra:
            words.append(f"with {len(self.extra)} extra sample{'s' * (len(self.extra) > 1)}")
        if self.colours == _YCBCR and self.subsampled and self._raw:
            words.append("subsampled")
        if self.planar:
            words.append("in separate planes")
        if self.reversed_bits:
            words.append("with the bits of each byte reversed")
        order = "" if self.little else ", big-endian"
        return f"{' '.join(words)}, {self._compression_in_words}{order}"

    @property
    def _compression_in_words(self) -> str:
        if self._raw:
            return "uncompressed"
        if self.compression in _COMPRESSION_NAMES:
            return f"compressed as {_COMPRESSION_NAMES[self.compression]}"
        known = self.compression in _COMPRESSIONS
        return "compressed without loss" if known else f"compressed in way {self.compression}"
