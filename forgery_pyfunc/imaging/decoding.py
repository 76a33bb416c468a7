"""The one door through which bytes become pixels: safe, thread-safe, and clear about refusals."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
from PIL import (
    BmpImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
    features,
)

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging import bmp, guards, isobmff, png, tiff
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.jpeg_header import JpegHeader, essence, read_header
from forgery_pyfunc.imaging.metadata import (
    StoredMetadata,
    stored_metadata,
)
from forgery_pyfunc.imaging.sniffing import refusal, sniff

ORIENTATION_TAG = 0x0112
_END_OF_JPEG = b"\xff\xd9"
_STRIP = 2**20
"""Numbers that are brought to 8 bits at once."""


def _heic(stream: io.BytesIO) -> ImageFile.ImageFile:
    """Return a HEIC picture, opened by the plug-in of a package of its own."""
    from pillow_heif import HeifImageFile

    return HeifImageFile(stream)


def _avif(stream: io.BytesIO) -> ImageFile.ImageFile:
    """Return an AVIF picture; the library behind the plug-in takes as long to load as Pillow."""
    from PIL.AvifImagePlugin import AvifImageFile

    return AvifImageFile(stream)


# The plug-ins are called directly: Image.open() would also guess other formats, and its size check
# rests on a module-wide setting that threads share.
_PLUGINS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "HEIC": _heic,
    "AVIF": _avif,
}
FORMATS = tuple(_PLUGINS)
_NO_BYTES_BUT_HEADERS = ("JPEG", "WEBP", "HEIC", "AVIF")
"""Formats whose plug-ins are written in C, so that `check` leaves them to `decode`."""


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded image, in the orientation in which it is stored, so that its JPEG grid is intact.

    Attributes:
        pixels: uint8[H, W, 3], RGB; grey is repeated, alpha composited on white, 16 bits scaled to
            8, embedded colour profiles ignored.
        luma: uint8[H, W]; a JPEG's own luma as its decoder gives it, else ITU-R BT.601 luma.
        format: "JPEG", "PNG", "TIFF", "BMP", "WEBP", "HEIC" or "AVIF"; empty for pixels without a
            file.
        mode: Pillow's name of the stored pixel layout, such as "RGB", "CMYK", "I;16" or "P".
        orientation: EXIF orientation 1 … 8; `oriented` turns a map the way a viewer shows it.
        jpeg: the JPEG's header, None for other formats.
        frames: number of frames or pages, counted up to 100; the first is the one decoded.
    """

    pixels: np.ndarray
    luma: np.ndarray
    format: str
    mode: str
    orientation: int = 1
    jpeg: JpegHeader | None = None
    frames: int = 1

    @property
    def width(self) -> int:
        """Columns of `pixels`."""
        return self.pixels.shape[1]

    @property
    def height(self) -> int:
        """Rows of `pixels`."""
        return self.pixels.shape[0]

    def part(self, rows: slice, columns: slice) -> "DecodedImage":
        """Return a part of the image; its JPEG grid stays if it starts at multiples of 16."""
        pixels, luma = (
            np.ascontiguousarray(plane[rows, columns]) for plane in (self.pixels, self.luma)
        )
        return replace(self, pixels=pixels, luma=luma)


@dataclass(frozen=True)
class _Accepted:
    """A file of a kind that is read: what its decoder is given, and what was found before."""

    name: str
    data: bytes
    jpeg: JpegHeader | None = None
    frames: int | None = None


def decode(data: bytes, limits: Limits | None = None) -> DecodedImage:
    """Return the image that `data` holds, its first frame, as it is stored.

    Raises:
        ImageError: `empty_image`, `too_large`, `not_an_image`, `unsupported_format`,
            `too_many_pixels` (judged by the header, before any pixel is decoded) or
            `broken_image`; the message is one sentence for the sender of the file.
    """
    limits = limits or Limits()
    accepted = _accept(data, limits)
    try:
        return _decode(accepted, limits)
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # Decoders fail in many ways on damaged files.
        lean = essence(data) if accepted.jpeg else data
        if len(lean) == len(data):
            raise _damaged(accepted.name, error) from error
    return decode(lean, limits)  # viewers show the picture although what is around it is damaged


def check(data: bytes, limits: Limits | None = None) -> None:
    """Refuse what `decode` would refuse by size, kind and header; no pixel is decoded.

    Raises:
        ImageError: as `decode`; damage inside the pixel data is not found, and of WebP, HEIC
            and AVIF none behind the size.
    """
    limits = limits or Limits()
    accepted = _accept(data, limits)
    if accepted.name in _NO_BYTES_BUT_HEADERS:
        return
    try:
        size = _open(accepted).size
    except ImageError:
        raise
    except Exception as error:  # As in `decode`.
        raise _damaged(accepted.name, error) from error
    guards.check_pixels(*size, limits)


def from_pillow(picture: Image.Image, limits: Limits | None = None) -> DecodedImage:
    """Return the pixels of a Pillow image: what file they came from does not count.

    Raises:
        ImageError: `empty_image`, `too_many_pixels`, `unsupported_format`, or `broken_image` where
            a picture that Pillow opened cannot be loaded.
    """
    limits = limits or Limits()
    if 0 in picture.size:
        raise ImageError("The picture has no pixels.", "empty_image")
    guards.check_pixels(*picture.size, limits)
    try:
        picture.load()  # also turns TIFFs upright, and drops their orientation
        pixels = np.ascontiguousarray(_rgb(picture, None))
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # As in `decode`.
        raise _damaged("image", error) from error
    return DecodedImage(
        pixels, _luma(pixels, picture.mode), "", picture.mode, _orientation(picture)
    )


def _luma(pixels: np.ndarray, mode: str) -> np.ndarray:
    """Return uint8[H, W] of pixels; those that were stored as grey stay as they are."""
    if mode == "L":
        return pixels[..., 0].copy()
    return np.asarray(Image.fromarray(pixels).convert("L"))


def _accept(data: bytes, limits: Limits) -> _Accepted:
    """Return a file whose size, kind and header are accepted, without what no decoder needs."""
    guards.check_bytes(data, limits)
    name = sniff(data)
    if name == "JPEG":
        header = read_header(data)
        guards.check_pixels(header.width, header.height, limits)
        if not header.complete:
            raise ImageError("The JPEG is cut off: its end is missing.", "broken_image")
        return _Accepted(name, data if header.ended else _ended(data, header), header, frames=1)
    if name == "PNG":
        if png.is_cgbi(data):
            raise refusal("CgBI")
        guards.check_chunks(data)
        lean = png.essence(data)
        return _Accepted(name, lean.data, frames=lean.frames)
    if name == "TIFF":
        return _Accepted(name, data, frames=tiff.check(data))
    if name == "BMP":
        bmp.check(data)
    if name == "WEBP":  # Its plug-in sets canvases aside as soon as it is called.
        guards.check_canvas(data, limits)
    if name in ("HEIC", "AVIF"):
        _check_plug_in(name)
        isobmff.check(data, name, limits)
    if name not in _PLUGINS:
        raise refusal(name)
    return _Accepted(name, data)


def _check_plug_in(name: str) -> None:
    """Refuse a format of which the decoder is not installed."""
    if name == "HEIC" and find_spec("pillow_heif") is None:
        raise ImageError(
            "The file is a HEIC picture (the iPhone's own format); to read these, install "
            "pillow-heif, for example with: pip install 'forgery-detector[heic]'.",
            "unsupported_format",
        )
    if name == "AVIF" and not features.check("avif"):
        raise ImageError(
            "The file is an AVIF picture, which the Pillow that is installed here cannot read; "
            "that of the package index can.",
            "unsupported_format",
        )


def _damaged(name: str, error: Exception) -> ImageError:
    """Return our own sentence for what a decoder says; its words are for programmers."""
    cut = isinstance(error, EOFError) or "truncated" in str(error)
    what = "ends too early" if cut else "is damaged or cut off"
    name = name.replace("WEBP", "WebP")
    return ImageError(f"The {name} file {what}: its picture cannot be decoded.", "broken_image")


def _decode(accepted: _Accepted, limits: Limits) -> DecodedImage:
    name, data, header = accepted.name, accepted.data, accepted.jpeg
    stored = _open(accepted)
    guards.check_pixels(*stored.size, limits)
    mode = stored.mode
    frames = accepted.frames or min(getattr(stored, "n_frames", 1), guards.MAX_FRAMES_COUNTED)
    if name == "TIFF":
        orientation = _orientation(stored)
        stored.load()
        # Pillow turns TIFFs the way they are shown: turn them back.
        pixels = oriented(_rgb(stored, header), {6: 8, 8: 6}.get(orientation, orientation))
    else:
        stored.load()
        pixels = _rgb(stored, header)
        orientation = _orientation(stored)
    pixels = np.ascontiguousarray(pixels)
    luma = _jpeg_luma(data) if header is not None and mode == "RGB" else _luma(pixels, mode)
    if header is not None and _ends_early(data, header, luma):
        raise ImageError(
            "The JPEG is cut off: the lower part of the image is missing.", "broken_image"
        )
    return DecodedImage(pixels, luma, name, mode, orientation, header, frames)


def read_metadata(data: bytes, limits: Limits | None = None) -> StoredMetadata:
    """Return what a file that `decode` accepts holds beside its pixels.

    Raises:
        ImageError: as `check`.
    """
    limits = limits or Limits()
    accepted = _accept(data, limits)
    try:
        stored = _open(accepted)
        guards.check_pixels(*stored.size, limits)  # Pillow decodes a PNG to its end to find EXIF
    except ImageError:
        raise
    except Exception:  # Metadata are often damaged, while the image itself is sound.
        return StoredMetadata(damaged=True)
    return stored_metadata(stored)


def oriented(array: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of `array` [H, W, ...] turned as EXIF `orientation` 1 … 8 asks for."""
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, 1),
    }
    return turns.get(orientation, lambda a: a)(array)


def _open(accepted: _Accepted) -> ImageFile.ImageFile:
    return _PLUGINS[accepted.name](io.BytesIO(accepted.data))


def _orientation(stored: Image.Image) -> int:
    try:
        value = stored.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # Metadata are often damaged, while the image itself is sound.
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(stored: Image.Image, header: JpegHeader | None) -> np.ndarray:
    """Return uint8[H, W, 3] of a loaded Pillow image of any mode."""
    if stored.mode.startswith(("I", "F")):
        values = np.asarray(stored)
        levels = _to_8_bits(values)
        if isinstance(transparent := stored.info.get("transparency"), int):
            levels[values == transparent] = 255
        return np.repeat(levels[..., None], 3, 2)
    if stored.mode == "CMYK" and header is not None and header.adobe_transform is None:
        # Pillow takes every CMYK JPEG for Adobe's inverted kind; without its marker it is not.
        stored = Image.fromarray(255 - np.asarray(stored), "CMYK")
    if stored.has_transparency_data:
        picture = stored.convert("RGBA")
        stored = Image.new("RGB", stored.size, "white")
        stored.paste(picture, mask=picture.getchannel("A"))
    return np.asarray(stored if stored.mode == "RGB" else stored.convert("RGB"))


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Return uint8 of deeper grey; full scale: the least of 1 (fractions), 2^8, 2^16 and 2^32 - 1.

    Integers of 16 bits always count as 16-bit, however dark.
    """
    if values.dtype == np.uint16:
        return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    strips = np.array_split(values, max(1, values.size // _STRIP))  # to spare memory
    scales = [1, 255, 65535, 2**32 - 1] if values.dtype.kind == "f" else [65535, 2**32 - 1]
    top = max(_finite(strip).max(initial=0) for strip in strips)
    full = next((scale for scale in scales if top <= scale), top)
    levels = [np.rint(_finite(strip) * (255 / full)).astype(np.uint8) for strip in strips]
    return np.concatenate(levels)


def _finite(values: np.ndarray) -> np.ndarray:
    """Return float64 of numbers, 0 for those that are negative or not finite."""
    return np.clip(np.nan_to_num(values.astype(np.float64), posinf=0, neginf=0), 0, None)


def _jpeg_luma(data: bytes) -> np.ndarray:
    """Return uint8[H, W], the luma component as libjpeg reconstructs it, without going via RGB."""
    stored = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    stored.draft("L", None)
    return np.asarray(stored)


def _ends_early(data: bytes, header: JpegHeader, luma: np.ndarray) -> bool:
    """Return whether image data are missing although the end marker is there.

    libjpeg fills what is missing with mid-grey. Where the last pixel is mid-grey, zeros put before
    the end marker tell the cases apart: a whole picture stays as it is, a cut one takes them for
    picture data.
    """
    if not header.ended:
        return not _fits(data[:-2])
    if header.progressive or not (luma[-1:, -1:] == 128).all():
        return False
    padded = data[: header.end - 2] + bytes(4096) + data[header.end - 2 : header.end]
    return not np.array_equal(_jpeg_luma(padded) if header.components != 4 else luma, luma)


def _ended(data: bytes, header: JpegHeader) -> bytes:
    """Return a JPEG up to the last scan's data, with the end marker that it lacks."""
    return data[: header.end].rstrip(b"\xff") + _END_OF_JPEG


def _fits(data: bytes) -> bool:
    """Return whether the last scan of a JPEG without its end marker holds all data and no more.

    Then bytes put behind them change nothing, and the last two cannot be spared.
    """
    pixels = _jpeg_pixels(data)
    longer, shorter = _jpeg_pixels(data + b"\xff\0" * 2048), _jpeg_pixels(data[:-2])
    return np.array_equal(pixels, longer) and not np.array_equal(pixels, shorter)


def _jpeg_pixels(data: bytes) -> np.ndarray:
    """Return the pixels of a JPEG without its end marker."""
    return np.asarray(JpegImagePlugin.JpegImageFile(io.BytesIO(data + _END_OF_JPEG)))
