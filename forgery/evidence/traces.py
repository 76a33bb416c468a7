"""What an examiner looks at beside the verdict: views and facts, each with a line that explains it.

None of this is a verdict. Only NumPy and Pillow are needed.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import ExifTags, Image, ImageFilter

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.features import SMALLEST_SIDE, blocks, dct, residual
from forgery_pyfunc.imaging.decoding import DecodedImage, StoredMetadata, decode, read_metadata
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG, JpegHeader, standard_table

GHOST_QUALITIES = tuple(range(55, 100, 5))

_NOISE_GAIN = 8
_LARGEST_SAMPLE = 20_000  # blocks whose coefficients are counted
_EARLIER_QUALITIES = (*range(40, 99, 2), 99, 100)
_CLEARLY_BETTER = 0.6
_LEVELS_COUNTED = 20
_GRID_STANDS_OUT = 0.1
_SAME_PICTURE = 0.82
_PREVIEW_SIDE = 64
_PREVIEW_ZOOMS = (0.9, 0.95, 1.0, 1.05, 1.1, 1.2)
_VALUES_READ = 100  # of a property in XMP
_TURNED = {1: "turned by 90°", 2: "upside down", 3: "turned by 90°"}

# Table hashes of files in which Photoshop itself states the quality (image resource 0x0406).
_PHOTOSHOP_TABLES = {
    "8791564b5e03df2a": 5,
    "55373f16c70a5117": 6,
    "82fc8110c05f7364": 7,
    "24e8c3b3a0e5fdc4": 8,
    "594658bbd03425c5": 9,
    "9ff989f425c91033": 12,
}


@dataclass(frozen=True, eq=False)
class Map:
    """A picture to look at, uint8, in the stored orientation, and what it shows."""

    values: np.ndarray
    explanation: str


@dataclass(frozen=True, eq=False)
class Ghosts:
    """How far the image is from itself saved at each quality.

    `curve`: float32[Q], root mean square difference in grey levels. `maps`: uint8[Q, H // 8,
    W // 8], 0 where a block is nearest to that quality, 255 where farthest. `minima`: qualities at
    which the curve dips; one below the file's own hints at an earlier save.
    """

    qualities: tuple[int, ...]
    curve: np.ndarray
    maps: np.ndarray
    minima: tuple[int, ...]
    explanation: str


@dataclass(frozen=True, eq=False)
class BlockGrid:
    """Where the edges of JPEG blocks lie.

    `rows` and `columns`: float32[8], log strength of a step at each offset from the image's origin.
    `offset`: rows and columns by which the grid is displaced, None when no grid is visible. `map`:
    uint8[H // 8, W // 8], bright where the surroundings show another grid than the whole.
    """

    rows: np.ndarray
    columns: np.ndarray
    offset: tuple[int, int] | None
    map: np.ndarray
    explanation: str


@dataclass(frozen=True)
class Compressions:
    """How many JPEG saves are suspected: at least `count`, None when it cannot be told.

    `earlier_quality`: IJG quality that explains the coefficients best as an earlier save. `ratio`:
    distance of the histograms with that save to the distance without; below 0.6 counts.
    """

    count: int | None
    earlier_quality: int | None
    ratio: float | None
    explanation: str


@dataclass(frozen=True)
class TableOrigin:
    """Which program typically writes these quantisation tables, None when it is not known."""

    program: str | None
    setting: str | None
    explanation: str


@dataclass(frozen=True)
class Metadata:
    """What the file says about its making; all of it can be changed without a trace.

    `dates` by name as they stand in the file. The position is not in here: see `gps_position`.
    """

    camera: str | None
    lens: str | None
    software: tuple[str, ...]
    dates: dict[str, str]
    has_gps: bool
    has_content_credentials: bool
    damaged: bool
    explanation: str


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """The preview embedded in EXIF, uint8[h, w, 3], against the image.

    `likeness`: correlation of the preview's middle with the best place of the image, 1 for the
    same picture. `turns`: quarter turns, counter-clockwise, that make the image stand as the
    preview does. `differs`: the preview shows another picture or a much larger part of it.
    """

    embedded: np.ndarray
    likeness: float
    turns: int
    differs: bool
    explanation: str


def noise_residual(image: DecodedImage) -> Map:
    """What a 3×3 median filter takes away from the luma, 8 times enlarged, 128 being nothing.

    Source: Mahdian & Saic, *Using noise inconsistencies for blind image forensics*, Image and
    Vision Computing 2009 (there with a wavelet filter).
    """
    smooth = np.asarray(Image.fromarray(image.luma).filter(ImageFilter.MedianFilter(3)))
    noise = image.luma.astype(np.int16)
    noise -= smooth
    noise *= _NOISE_GAIN
    noise += 128
    return Map(
        np.clip(noise, 0, 255, out=noise).astype(np.uint8),
        "Fine noise left after smoothing: a pasted part often has a different grain.",
    )


def jpeg_ghosts(image: DecodedImage, qualities: Sequence[int] = GHOST_QUALITIES) -> Ghosts:
    """Difference between the luma and its quantisation with the IJG table of each quality.

    Equal by Parseval to the difference of the saved pixels but for rounding; averaged over 3×3
    blocks. Source: Farid, *Exposing digital forgeries from JPEG ghosts*, IEEE TIFS 2009.

    Raises:
        ValueError: a quality outside 1 … 100.
    """
    rows, columns = blocks.grid(image.height, image.width)
    errors = np.zeros((len(qualities), rows, columns), np.float32)
    tables = [standard_table(quality).ravel().astype(np.float32) for quality in qualities]
    for down, across in blocks.tiles(rows, columns):
        luma = image.luma[blocks.in_pixels(down), blocks.in_pixels(across)]
        coefficients = blocks.dct(luma.astype(np.float32) - 128)
        for index, table in enumerate(tables):
            error = coefficients - np.rint(coefficients / table) * table
            here = errors[index, down, across]
            here[...] = (error**2).mean(1).reshape(here.shape)
    curve = np.sqrt(errors.mean((1, 2))) if errors.size else np.zeros(len(qualities), np.float32)
    errors = np.stack([_smooth(error) for error in errors])
    least, most = errors.min(0), errors.max(0)
    maps = 255 * (errors - least) / np.maximum(most - least, 1e-6)
    minima = tuple(
        qualities[i]
        for i in range(1, len(curve) - 1)
        if curve[i] < 0.95 * min(curve[i - 1], curve[i + 1])
    )
    return Ghosts(
        tuple(qualities),
        curve,
        maps.astype(np.uint8),
        minima,
        "Distance to the image saved anew at each quality: a part that is dark at another quality "
        "than the rest was saved at that quality before.",
    )


def block_grid(image: DecodedImage) -> BlockGrid:
    """Where the 8×8 grid of a JPEG save is visible, by the steps at each of the eight offsets.

    Source: Li, Yuan & Yu, *Passive detection of doctored JPEG image via block artifact grid
    extraction*, Signal Processing 2009; the steps are those of the feature family "residual".
    """
    rows, columns = blocks.grid(image.height, image.width)
    if min(image.height, image.width) < SMALLEST_SIDE:
        nothing = np.zeros(8, np.float32)
        empty = np.zeros((rows, columns), np.uint8)
        return BlockGrid(nothing, nothing, None, empty, "The image is too small to tell.")
    steps = residual.extract(image)
    of_columns = steps[..., [residual.CHANNELS.index(f"grid.column.{k}") for k in range(8)]]
    of_rows = steps[..., [residual.CHANNELS.index(f"grid.row.{k}") for k in range(8)]]
    row_strength, column_strength = of_rows.mean((0, 1)), of_columns.mean((0, 1))
    if not (_stands_out(row_strength) and _stands_out(column_strength)):
        empty = np.zeros((rows, columns), np.uint8)
        explanation = "No grid of JPEG blocks is visible in the whole image."
        return BlockGrid(row_strength, column_strength, None, empty, explanation)
    offset = int(row_strength.argmax()), int(column_strength.argmax())
    other = np.zeros((rows, columns), np.float32)
    for local, place in ((of_rows, offset[0]), (of_columns, offset[1])):
        smooth = np.stack([_smooth(local[..., k], 3) for k in range(8)], 2)
        other += np.delete(smooth, place, 2).max(2) - smooth[..., place]
    explanation = (
        "The grid of JPEG blocks lies at the origin, as after a plain save; bright parts show "
        "another grid."
        if offset == (0, 0)
        else f"The grid of JPEG blocks is displaced by {offset[0]} rows and {offset[1]} columns: "
        "the image was cropped or moved after a JPEG save."
    )
    bright = np.clip(128 * other, 0, 255).astype(np.uint8)
    return BlockGrid(row_strength, column_strength, offset, bright, explanation)


def compressions(image: DecodedImage) -> Compressions:
    """How many JPEG saves are suspected, by double quantisation.

    The image is moved by four pixels, so that its coefficients lose their quantisation; they are
    quantised once as in the file, and twice, first with the IJG table of each of many qualities.
    The histogram nearest to the file's tells. It finds no earlier save of about the same or higher
    quality, with an unusual table, or on a displaced grid.

    Source: Lukáš & Fridrich, *Estimation of primary quantization matrix in double compressed JPEG
    images*, DFRWS 2003.
    """
    if min(image.height, image.width) < SMALLEST_SIDE:
        return Compressions(None, None, None, "The image is too small to tell.")
    if image.jpeg is None or not dct.has_luma_table(image):
        return _compressions_without_tables(image)
    places = ZIGZAG[1:10]
    steps = image.jpeg.luma_table.ravel()[places]
    seen = _level_histograms(_sampled_coefficients(image.luma, places) / steps)
    before = _sampled_coefficients(image.luma[4:, 4:], places)
    once = np.abs(_level_histograms(before / steps) - seen).sum()
    distances = []
    for quality in _EARLIER_QUALITIES:
        first = standard_table(quality).ravel()[places].astype(np.float32)
        twice = _level_histograms(np.rint(before / first) * first / steps)
        distances.append(np.abs(twice - seen).sum())
    if once < 0.1:  # Nearly all levels are 0: nothing to compare.
        return Compressions(None, None, None, "The image is too plain or too coarse to tell.")
    best = int(np.argmin(distances))
    ratio = float(distances[best] / once)
    if ratio < _CLEARLY_BETTER:
        quality = _EARLIER_QUALITIES[best]
        return Compressions(
            2,
            quality,
            ratio,
            f"At least two saves: the coefficients show an earlier one, quality about {quality}.",
        )
    return Compressions(1, None, ratio, "One save: the coefficients show no earlier one.")


def table_origin(header: JpegHeader) -> TableOrigin:
    """Which program typically writes the file's quantisation tables.

    Known are the tables that libjpeg scales from ITU-T T.81, Annex K, and those of Photoshop seen
    in files in which Photoshop itself states its quality setting. Cameras have tables of their own.
    """
    chroma = header.chroma_table
    plain_chroma = chroma is None or np.array_equal(chroma, standard_table(header.quality, True))
    if header.standard and plain_chroma:
        return TableOrigin(
            "libjpeg",
            f"quality {header.quality}",
            "Standard tables: libjpeg and the very many programs, sites and phones built upon it.",
        )
    level = _PHOTOSHOP_TABLES.get(header.table_hash)
    if level is not None:
        return TableOrigin(
            "Adobe Photoshop",
            f"quality {level} of 12",
            "Tables that Photoshop writes: saved by it, or by a program that keeps its tables.",
        )
    return TableOrigin(
        None,
        None,
        f"Tables of the program's own, nearest to standard quality {header.quality}: most cameras "
        "and some editors have such.",
    )


def metadata(data: bytes) -> Metadata:
    """What EXIF and XMP say about camera, software and dates.

    Raises:
        ImageError: the bytes are no image of a format that is read.
    """
    stored = read_metadata(data)
    main, detail = dict(stored.exif), _directory(stored, ExifTags.IFD.Exif)
    xmp = stored.xmp.decode("utf-8", "replace")
    maker, model = _text(main.get(ExifTags.Base.Make)), _text(main.get(ExifTags.Base.Model))
    if maker and model and model.lower().startswith(maker.lower()):
        maker = None
    software = [
        _text(main.get(ExifTags.Base.Software)),
        *_xmp_values(xmp, "xmp:CreatorTool"),
        *_xmp_values(xmp, "stEvt:softwareAgent"),
    ]
    dates = {
        "changed (EXIF)": _text(main.get(ExifTags.Base.DateTime)),
        "taken (EXIF)": _text(detail.get(ExifTags.Base.DateTimeOriginal)),
        "digitised (EXIF)": _text(detail.get(ExifTags.Base.DateTimeDigitized)),
        "created (XMP)": next(iter(_xmp_values(xmp, "xmp:CreateDate")), None),
        "changed (XMP)": next(iter(_xmp_values(xmp, "xmp:ModifyDate")), None),
    }
    return Metadata(
        camera=" ".join(filter(None, (maker, model))) or None,
        lens=_text(detail.get(ExifTags.Base.LensModel)),
        software=tuple(dict.fromkeys(filter(None, software))),
        dates={name: date for name, date in dates.items() if date},
        has_gps=bool(_directory(stored, ExifTags.IFD.GPSInfo)),
        has_content_credentials=b"jumb" in data and b"c2pa" in data,
        damaged=stored.damaged,
        explanation="What the file says of itself: easily changed, and often removed on the way.",
    )


def gps_position(data: bytes) -> tuple[float, float] | None:
    """Latitude and longitude in degrees, north and east positive, None where none is readable.

    Apart from `metadata`, so that it is only asked for on demand.
    """
    directory = _directory(read_metadata(data), ExifTags.IFD.GPSInfo)
    position = []
    for value, reference, negative in (
        (ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S"),
        (ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W"),
    ):
        try:
            degrees, minutes, seconds = (float(part) for part in directory[value])
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return None
        sign = -1 if _text(directory.get(reference)) == negative else 1
        position.append(sign * (degrees + minutes / 60 + seconds / 3600))
    return (position[0], position[1]) if np.isfinite(position).all() else None


def embedded_thumbnail(data: bytes, image: DecodedImage) -> Thumbnail | None:
    """The EXIF thumbnail against the image, None where there is none that can be read.

    Cameras put black bars around a preview of another shape, cut a little off, and programs that
    turn a picture often leave its preview as it was: none of that makes it another picture.
    """
    stored = read_metadata(data)
    directory = _directory(stored, ExifTags.IFD.IFD1)
    start, length = directory.get(0x0201), directory.get(0x0202)
    if not isinstance(start, int) or not isinstance(length, int):
        return None
    try:
        preview = decode(stored.exif_bytes[start : start + length], Limits(2**20, 2**20)).pixels
    except ImageError:
        return None
    luma = _small(image.luma, 4.0).astype(np.uint8)
    found = [_compare_preview(preview, np.rot90(luma, turns)) for turns in range(4)]
    turns = max(range(4), key=lambda k: found[k][1] + (0.05 if k == 0 else 0))
    embedded, likeness = found[turns]
    differs = likeness < _SAME_PICTURE
    if differs:
        turns, (embedded, likeness) = 0, found[0]
        explanation = (
            "The embedded preview shows another picture, or much more of it: the image was "
            "changed afterwards."
        )
    elif turns:
        explanation = (
            f"The embedded preview shows the same picture {_TURNED[turns]}: the image was turned "
            "afterwards."
        )
    else:
        explanation = "The embedded preview shows the same picture."
    return Thumbnail(embedded, likeness, turns, differs, explanation)


def _compare_preview(preview: np.ndarray, luma: np.ndarray) -> tuple[np.ndarray, float]:
    """The preview without the bars around a picture of luma's shape, and how alike both are."""
    height, width = preview.shape[:2]
    scale = min(width / luma.shape[1], height / luma.shape[0])
    size = max(1, round(luma.shape[1] * scale)), max(1, round(luma.shape[0] * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    inner = preview[top : top + size[1], left : left + size[0]]
    template = _middle(_small(inner.mean(2).astype(np.uint8), 1.0))
    picture = np.ascontiguousarray(luma)
    best = max(_best_correlation(_small(picture, zoom), template) for zoom in _PREVIEW_ZOOMS)
    return inner, best


def _small(luma: np.ndarray, zoom: float) -> np.ndarray:
    """float64 of about 64 pixels on the longer side, times `zoom`."""
    factor = zoom * _PREVIEW_SIDE / max(luma.shape)
    size = max(1, round(luma.shape[1] * factor)), max(1, round(luma.shape[0] * factor))
    return np.asarray(Image.fromarray(luma).resize(size, Image.Resampling.BOX), np.float64)


def _middle(plane: np.ndarray) -> np.ndarray:
    """The middle three quarters of each side."""
    rows, columns = (length // 8 for length in plane.shape)
    return plane[rows : plane.shape[0] - rows, columns : plane.shape[1] - columns]


def _best_correlation(plane: np.ndarray, template: np.ndarray) -> float:
    """The highest correlation of `template` with any part of `plane`; 1 where both are plain."""
    if plane.shape[0] < template.shape[0] or plane.shape[1] < template.shape[1]:
        return 0.0
    parts = np.lib.stride_tricks.sliding_window_view(plane, template.shape).reshape(
        -1, template.size
    )
    parts = parts - parts.mean(1, keepdims=True)
    wanted = template.ravel() - template.mean()
    spread = np.sqrt((parts**2).sum(1) * (wanted**2).sum())
    plain = template.size  # a grey level of deviation in both
    if (wanted**2).sum() < plain:
        return 1.0 if ((parts**2).sum(1) < plain).any() else 0.0
    return float((parts @ wanted / np.maximum(spread, plain)).max())


def _smooth(plane: np.ndarray, reach: int = 1) -> np.ndarray:
    """Means over squares of 2 * reach + 1 places, the edge repeated."""
    padded = np.pad(plane, reach, mode="edge") if plane.size else plane
    for axis in (0, 1):
        length = padded.shape[axis] - 2 * reach
        parts = [np.take(padded, range(k, k + length), axis) for k in range(2 * reach + 1)]
        padded = np.mean(parts, 0)
    return padded


def _stands_out(strength: np.ndarray) -> bool:
    """Whether the strongest offset leads every one but its neighbours, which a grid lifts too."""
    turned = np.roll(strength, -int(strength.argmax()))
    return bool(
        turned[0] - turned[2:7].max() > _GRID_STANDS_OUT and turned[0] > turned[[1, 7]].max()
    )


def _sampled_coefficients(luma: np.ndarray, places: np.ndarray) -> np.ndarray:
    """float32[n, places]: coefficients of evenly chosen blocks."""
    rows, columns = blocks.grid(*luma.shape)
    step = max(1, int(np.sqrt(rows * columns / _LARGEST_SAMPLE)))
    chosen = luma[: 8 * rows, : 8 * columns].reshape(rows, 8, columns, 8)[::step, :, ::step]
    plane = chosen.reshape(8 * chosen.shape[0], 8 * chosen.shape[2])
    return blocks.dct(plane.astype(np.float32) - 128)[:, places]


def _level_histograms(levels: np.ndarray) -> np.ndarray:
    """float64[frequencies, 21]: shares of the sizes 0, 1, …, 20 and more of the rounded levels."""
    sizes = np.minimum(np.abs(np.rint(levels)), _LEVELS_COUNTED).astype(np.intp)
    counts = [np.bincount(column, minlength=_LEVELS_COUNTED + 1) for column in sizes.T]
    return np.stack(counts) / len(levels)


def _compressions_without_tables(image: DecodedImage) -> Compressions:
    if block_grid(image).offset is None:
        return Compressions(0, None, None, "The file holds no JPEG, and no trace of one shows.")
    return Compressions(1, None, None, "The file holds no JPEG, but a grid of JPEG blocks shows.")


def _directory(stored: StoredMetadata, which: ExifTags.IFD) -> dict:
    try:
        return dict(stored.exif.get_ifd(which))
    except Exception:  # Pillow meets damaged directories with many kinds of errors.
        return {}


def _text(value: object) -> str | None:
    """The printable part of a tag's value, at most 200 characters, None when nothing is left."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return "".join(c for c in text if c.isprintable()).strip()[:200] or None


def _xmp_values(xmp: str, name: str) -> list[str]:
    """Values of a property in an XMP packet, written as an attribute or as an element."""
    name = re.escape(name)
    found = re.finditer(rf'{name}="([^"<]*)"|<{name}>([^<]*)</', xmp)
    texts = (_text(match[1] or match[2]) for match in found)
    return list(itertools.islice(filter(None, texts), _VALUES_READ))
