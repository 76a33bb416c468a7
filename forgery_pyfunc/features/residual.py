"""Family "residual": what compression and filtering leave behind, per 8×8 block.

74 channels, all logarithms (natural) or differences with a fixed scale; none is divided by a
statistic of the image, so equal values mean the same in every image.

- `ela.QQ.BAND`: error level analysis in the DCT domain: mean squared error of quantising the luma
  block anew with the IJG table of quality QQ, in one of three bands, relative to a uniform error.
  By Parseval the sum over bands is the block's pixel ELA (Krawetz 2007) but for rounding.
- `ela.cb.QQ.BAND`, `ela.cr.QQ.BAND`: the same of chroma at half size, as 4:2:0 files store it.
- `energy.BAND`: root mean square of the coefficients without the mean.
- `noise.KERNEL.mean|power|max`: high-pass residuals (Fridrich & Kodovský, *Rich Models for
  Steganalysis*, IEEE TIFS 2012): second difference, its square 3×3, and the 5×5 kernel "KV".
- `grid.column.K`, `grid.row.K`: strength of a step K pixels right of (below) the block's edge,
  against the mean of the eight: a JPEG grid at its place shows in 0, a displaced one elsewhere
  (after Li, Yuan & Yu, *Passive detection of doctored JPEG image via block artifact grid
  extraction*, Signal Processing 2009).
- `brightness`, `coefficient.01|10|11`: mean luma, and size of the three lowest frequencies.
"""

import functools

import numpy as np

from forgery_pyfunc.features import blocks
from forgery_pyfunc.features.family import Family
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.jpeg_header import standard_table

LUMA_QUALITIES = (98, 95, 92, 90, 87, 84, 80, 75, 68, 60)
CHROMA_QUALITIES = (92, 80)
BANDS = ("low", "middle", "high")
KERNELS = ("second", "square", "kv")

CHANNELS = [
    *(f"ela.{quality}.{band}" for quality in LUMA_QUALITIES for band in BANDS),
    *(
        f"ela.{c}.{quality}.{band}"
        for c in ("cb", "cr")
        for quality in CHROMA_QUALITIES
        for band in BANDS
    ),
    *(f"energy.{band}" for band in BANDS),
    *(f"noise.{kernel}.{of}" for kernel in KERNELS for of in ("mean", "power", "max")),
    *(f"grid.column.{k}" for k in range(8)),
    *(f"grid.row.{k}" for k in range(8)),
    "brightness",
    *(f"coefficient.{place}" for place in ("01", "10", "11")),
]

_HALO = 2
# Three bands by diagonals of the block: 10, 18 and 36 coefficients.
_DIAGONAL = np.add.outer(np.arange(8), np.arange(8)).ravel()
_BAND_OF = np.digitize(_DIAGONAL, [4, 7])
# Coefficients times these: mean per band, with and without the block's own mean.
_IN_BAND = np.equal.outer(_BAND_OF, np.arange(3)).astype(np.float32)
_BAND_MEANS = _IN_BAND / _IN_BAND.sum(0)
_CHANGE_MEANS = _BAND_MEANS * (_DIAGONAL > 0)[:, None] * np.array([10 / 9, 1, 1], np.float32)

# ITU-R BT.601 chroma; of two neighbouring pixels whose rows were summed, averaged over the four.
_CHROMA = np.array([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32).T
_CHROMA_OF_FOUR = np.concatenate([_CHROMA, _CHROMA]) / 4


def extract(image: DecodedImage) -> np.ndarray:
    """Return float32[H // 8, W // 8, 74], the channels named in `CHANNELS`, tile by tile."""
    rows, columns = blocks.grid(image.height, image.width)
    luma = np.pad(image.luma[: 8 * rows, : 8 * columns], _HALO, mode="reflect")
    features = np.empty((rows, columns, len(CHANNELS)), np.float32)
    for down, across in blocks.tiles(rows, columns):
        around = luma[blocks.in_pixels(down, 0, 2 * _HALO), blocks.in_pixels(across, 0, 2 * _HALO)]
        pixels = image.pixels[blocks.in_pixels(down), blocks.in_pixels(across)]
        features[down, across] = _tile(around.astype(np.int16), pixels)
    return features


def grid_steps(luma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the channels `grid.column.K` and `grid.row.K` alone, float32[H // 8, W // 8, 8] each.

    Args:
        luma: uint8[H, W].
    """
    rows, columns = blocks.grid(*luma.shape)
    padded = np.pad(luma[: 8 * rows, : 8 * columns], _HALO, mode="reflect")
    of_columns, of_rows = np.empty((2, rows, columns, blocks.SIZE), np.float32)
    for down, across in blocks.tiles(rows, columns):
        inside = blocks.in_pixels(down, 0, 2 * _HALO), blocks.in_pixels(across, 0, 2 * _HALO)
        around = padded[inside].astype(np.int16)
        steps = _grid(_second(around, 1), _second(around, 0))
        of_columns[down, across], of_rows[down, across] = steps
    return of_columns, of_rows


def _tile(around: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Return float32[h, w, 74] of luma int16[8h + 4, 8w + 4], with a margin, and of its pixels."""
    rows, columns = blocks.grid(*pixels.shape[:2])
    coefficients = blocks.dct(around[_HALO:-_HALO, _HALO:-_HALO].astype(np.float32) - 128)
    parts = [
        _requantisation_errors(coefficients, LUMA_QUALITIES, chroma=False).reshape(
            rows, columns, -1
        ),
        _chroma_errors(pixels),
        _log_root((coefficients**2 @ _CHANGE_MEANS).reshape(rows, columns, -1), 0.1),
        *_noise_and_grid(around),
        (coefficients[:, :1] / 256).reshape(rows, columns, 1),
        np.log(np.abs(coefficients[:, [1, 8, 9]]) + 0.5).reshape(rows, columns, 3),
    ]
    return np.concatenate(parts, 2)


def _log_root(power: np.ndarray, floor: float) -> np.ndarray:
    """Return the logarithm of root mean squares, levelled off at `floor`."""
    return np.log(power + np.float32(floor**2)) / 2


@functools.cache
def _quantiser(quality: int, chroma: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return float32[64] of one over each step, and float32[64, 3] from squared errors to bands."""
    table = standard_table(quality, chroma).ravel().astype(np.float32)
    weights = (table**2)[:, None] * _BAND_MEANS
    return 1 / table, weights / (weights.sum(0) / 12)


def _requantisation_errors(
    coefficients: np.ndarray, qualities: tuple[int, ...], chroma: bool
) -> np.ndarray:
    """Return float32[n, 3 * qualities], log errors per band; 0: uniform over the steps."""
    errors = np.empty((len(coefficients), len(qualities), len(BANDS)), np.float32)
    steps = np.empty_like(coefficients)
    nearest = np.empty_like(coefficients)
    for index, quality in enumerate(qualities):
        per_step, weights = _quantiser(quality, chroma)
        np.multiply(coefficients, per_step, out=steps)
        np.rint(steps, out=nearest)
        np.subtract(steps, nearest, out=steps)
        np.multiply(steps, steps, out=steps)
        np.matmul(steps, weights, out=errors[:, index])
    return _log_root(errors.reshape(len(coefficients), -1), 0.03)


def _chroma_errors(pixels: np.ndarray) -> np.ndarray:
    """Return float32[h, w, 12], errors of requantised half-size Cb and Cr, each of four blocks."""
    rows, columns = blocks.grid(*pixels.shape[:2])
    if rows % 2 or columns % 2:
        pixels = np.pad(pixels, ((0, rows % 2 * 8), (0, columns % 2 * 8), (0, 0)), mode="edge")
    height, width = pixels.shape[:2]
    pairs = np.add(pixels[0::2], pixels[1::2], dtype=np.float32).reshape(-1, 6)
    halves = (pairs @ _CHROMA_OF_FOUR).reshape(height // 2, width // 2, 2)
    errors = [
        _requantisation_errors(blocks.dct(halves[..., c]), CHROMA_QUALITIES, chroma=True)
        for c in range(2)
    ]
    small = np.concatenate(errors, 1).reshape(height // 16, width // 16, -1)
    return small.repeat(2, 0).repeat(2, 1)[:rows, :columns]


def _noise_and_grid(around: np.ndarray) -> list[np.ndarray]:
    """Return the nine noise channels, then eight column and eight row channels of the grid.

    Filters are taken in whole numbers, which int16 holds: those of the KV kernel reach 12,240.
    """
    across = _second(around, 1)  # [H + 4, W + 2]
    down = _second(around, 0)  # [H + 2, W + 4]
    both = _second(across, 0)  # [H + 2, W + 2]
    horizontal, vertical = across[2:-2, 1:-1], down[1:-1, 2:-2]
    noise = [
        *_moments([horizontal, vertical], 2),
        *_moments([both[1:-1, 1:-1]], 4),
        *_moments([_kv(both)], 12),
    ]
    return [np.stack(noise, 2), *_grid(across, down)]


def _grid(across: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the eight column and the eight row channels of the grid from second differences."""
    steps_across = np.abs(across[2:-2, 1:-1] - across[2:-2, :-2]).astype(np.float32)
    steps_down = np.abs(down[1:-1, 2:-2] - down[:-2, 2:-2]).astype(np.float32)
    rows, columns = blocks.grid(*steps_down.shape)
    column_steps = blocks.column_sums(steps_across).reshape(rows, columns, 8)
    row_steps = blocks.row_sums(steps_down).reshape(rows, 8, columns).transpose(0, 2, 1)
    return _against_mean(column_steps), _against_mean(row_steps)


def _second(plane: np.ndarray, axis: int) -> np.ndarray:
    """Return the second difference along an axis, two shorter."""
    plane = plane.swapaxes(0, axis)
    second = plane[:-2] + plane[2:]
    second -= plane[1:-1]
    second -= plane[1:-1]
    return second.swapaxes(0, axis)


def _kv(both: np.ndarray) -> np.ndarray:
    """Return the 5×5 kernel KV (times 12, sign turned) from the product of second differences.

    With D the second difference, KV = -(D D + 2 D + 2 D' + 6) D D', D' along the other axis.
    """
    across = _second(both, 1)
    centre = both[:, 1:-1]
    kv = _second(across + 2 * centre, 0)
    kv += 2 * across[1:-1]
    kv += 6 * centre[1:-1]
    return kv


def _moments(planes: list[np.ndarray], scale: float) -> list[np.ndarray]:
    """Return logarithms of mean size, root mean square and maximum per block, over all planes."""
    sizes = [np.abs(plane).astype(np.float32) for plane in planes]
    mean = np.mean([blocks.means(size) for size in sizes], 0) / scale
    power = np.mean([blocks.means(size * size) for size in sizes], 0) / scale**2
    top = np.maximum.reduce([blocks.maxima(size) for size in sizes]) / scale
    return [np.log(mean + 0.05), _log_root(power, 0.05), np.log(top + 0.05)]


def _against_mean(steps: np.ndarray) -> np.ndarray:
    """Return float32[h, w, 8], log strengths of eight positions against their mean."""
    logs = np.log(steps / 8 + 0.25)
    return logs - logs.mean(2, keepdims=True)


def _mirrored(channel: str, axis: int) -> tuple[str, int]:
    """Return the channel of the step 8 - K for that of K pixels right of (below) a block's edge.

    Of a block's two edges the grid's first channel knows one, which becomes the other.
    """
    kind, _, place = channel.rpartition(".")
    if kind == ("grid.row", "grid.column")[axis]:
        return f"{kind}.{-int(place) % blocks.SIZE}", 1
    return channel, 1


PAPER = (
    "J. Fridrich & J. Kodovský, Rich Models for Steganalysis of Digital Images, IEEE TIFS "
    "2012; N. Krawetz, A Picture's Worth, Black Hat 2007; W. Li, Y. Yuan & N. Yu, Passive "
    "detection of doctored JPEG image via block artifact grid extraction, Signal Processing 2009"
)
FAMILY = Family("residual", tuple(CHANNELS), extract, PAPER, mirror=_mirrored)
