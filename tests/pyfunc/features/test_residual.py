import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft, ndimage

from forgery_pyfunc import features
from forgery_pyfunc.features import residual
from forgery_pyfunc.imaging.decoding import DecodedImage, decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import standard_table


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """uint8[height, width, 3]: smooth shapes, edges and noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (height // 16 + 2, width // 16 + 2, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noisy = smooth + rng.normal(0, 4, smooth.shape)
    noisy[height // 3 : height // 2, width // 4 : width // 2] += 40
    return np.clip(noisy, 0, 255).astype(np.uint8)


def reference(image: DecodedImage) -> dict[str, np.ndarray]:
    """Slow and plain: every channel from its description, block by block."""
    rows, columns = image.height // 8, image.width // 8
    luma = image.luma[: 8 * rows, : 8 * columns].astype(float)
    second = [1, -2, 1]
    across = ndimage.correlate1d(luma, second, 1, mode="mirror")
    down = ndimage.correlate1d(luma, second, 0, mode="mirror")
    kv = [
        [-1, 2, -2, 2, -1],
        [2, -6, 8, -6, 2],
        [-2, 8, -12, 8, -2],
        [2, -6, 8, -6, 2],
        [-1, 2, -2, 2, -1],
    ]
    noise = {
        "second": [across / 2, down / 2],
        "square": [ndimage.correlate1d(across, second, 0, mode="mirror") / 4],
        "kv": [ndimage.correlate(luma, np.array(kv) / 12, mode="mirror")],
    }
    step_across = np.abs(ndimage.correlate1d(luma, [-1, 3, -3, 1], 1, mode="mirror"))
    step_down = np.abs(ndimage.correlate1d(luma, [-1, 3, -3, 1], 0, mode="mirror"))
    padded = np.pad(image.pixels[: 8 * rows, : 8 * columns], ((0, 8), (0, 8), (0, 0)), mode="edge")
    rgb = padded.astype(float)
    chroma = {
        "cb": -0.168736 * rgb[..., 0] - 0.331264 * rgb[..., 1] + 0.5 * rgb[..., 2],
        "cr": 0.5 * rgb[..., 0] - 0.418688 * rgb[..., 1] - 0.081312 * rgb[..., 2],
    }
    band = np.digitize(np.add.outer(range(8), range(8)), [4, 7])

    maps: dict[str, np.ndarray] = {}

    def put(name: str, i: int, j: int, value: float) -> None:
        maps.setdefault(name, np.zeros((rows, columns)))[i, j] = value

    def put_errors(name: str, i: int, j: int, block: np.ndarray, table: np.ndarray) -> None:
        coefficients = fft.dctn(block, norm="ortho")
        error = coefficients - np.rint(coefficients / table) * table
        for b, band_name in enumerate(residual.BANDS):
            share = (error[band == b] ** 2).mean() / (table[band == b] ** 2 / 12).mean()
            put(f"{name}.{band_name}", i, j, np.log(share + 0.03**2) / 2)

    for i in range(rows):
        for j in range(columns):
            here = np.s_[8 * i : 8 * i + 8, 8 * j : 8 * j + 8]
            coefficients = fft.dctn(luma[here] - 128, norm="ortho")
            for quality in residual.LUMA_QUALITIES:
                put_errors(f"ela.{quality}", i, j, luma[here] - 128, standard_table(quality))
            for name, plane in chroma.items():
                of_four = np.s_[i // 2 * 16 : i // 2 * 16 + 16, j // 2 * 16 : j // 2 * 16 + 16]
                half = plane[of_four].reshape(8, 2, 8, 2).mean((1, 3))
                for quality in residual.CHROMA_QUALITIES:
                    put_errors(f"ela.{name}.{quality}", i, j, half, standard_table(quality, True))
            put("brightness", i, j, coefficients[0, 0] / 256)
            for place in ("01", "10", "11"):
                size = abs(coefficients[int(place[0]), int(place[1])])
                put(f"coefficient.{place}", i, j, np.log(size + 0.5))
            coefficients[0, 0] = np.nan
            for b, name in enumerate(residual.BANDS):
                power = np.nanmean(coefficients[band == b] ** 2)
                put(f"energy.{name}", i, j, np.log(power + 0.01) / 2)
            for name, planes in noise.items():
                values = np.stack([plane[here] for plane in planes])
                put(f"noise.{name}.mean", i, j, np.log(np.abs(values).mean() + 0.05))
                put(f"noise.{name}.power", i, j, np.log((values**2).mean() + 0.05**2) / 2)
                put(f"noise.{name}.max", i, j, np.log(np.abs(values).max() + 0.05))
            for name, steps in (
                ("column", step_across[here].mean(0)),
                ("row", step_down[here].mean(1)),
            ):
                logs = np.log(steps + 0.25)
                for k in range(8):
                    put(f"grid.{name}.{k}", i, j, logs[k] - logs.mean())
    return maps


@pytest.mark.parametrize(("height", "width"), [(72, 104), (131, 1100)])
def test_equals_the_slow_reference(height, width):
    """The second size takes more than one tile each way, and has a remainder."""
    image = decode(encode(scene(height, width), quality=85))
    fast = features.extract(image, ["residual"])
    slow = reference(image)
    assert fast.shape == (height // 8, width // 8, 74)
    assert list(slow) != []
    assert set(slow) == set(residual.CHANNELS)
    for index, name in enumerate(residual.CHANNELS):
        difference = np.abs(fast[..., index] - slow[name])
        # Where a quotient lies between two steps, single precision may round the other way.
        assert np.quantile(difference, 0.99) < 2e-3, name
        assert difference.max() < 0.1, name


def test_ela_channel_falls_to_its_floor_at_the_quality_of_the_last_save():
    image = decode(encode(scene(128, 160), quality=80, subsampling="4:4:4"))
    mean = dict(
        zip(residual.CHANNELS, features.extract(image, ["residual"]).mean((0, 1)), strict=True)
    )
    assert mean["ela.80.low"] < min(mean["ela.87.low"], mean["ela.75.low"]) - 1


def test_grid_channels_show_where_the_grid_lies():
    pixels = decode(encode(scene(256, 256), quality=50)).pixels
    shifted = decode(_png(pixels[3:, 5:]))
    mean = features.extract(shifted, ["residual"]).mean((0, 1))
    columns = [mean[residual.CHANNELS.index(f"grid.column.{k}")] for k in range(8)]
    rows = [mean[residual.CHANNELS.index(f"grid.row.{k}")] for k in range(8)]
    assert np.argmax(columns) == 3
    assert np.argmax(rows) == 5


def test_smoothed_patch_lights_up_in_the_noise_channels():
    pixels = scene(128, 128)
    blurred = pixels.copy()
    blurred[32:96, 32:96] = ndimage.uniform_filter(pixels, (3, 3, 1))[32:96, 32:96]
    channel = residual.CHANNELS.index("noise.kv.power")
    noise = features.extract(decode(_png(blurred)), ["residual"])[..., channel]
    inside = np.zeros((16, 16), bool)
    inside[4:12, 4:12] = True
    assert noise[inside].mean() < noise[~inside].mean() - 0.5


def _png(pixels: np.ndarray) -> bytes:
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "PNG")
    return output.getvalue()


def test_the_steps_of_the_grid_alone_are_those_of_the_family():
    image = decode(encode(scene(200, 264), quality=80))
    features_of_all = residual.extract(image)
    start = residual.CHANNELS.index("grid.column.0")
    of_columns, of_rows = residual.grid_steps(image.luma)
    assert np.array_equal(of_columns, features_of_all[..., start : start + 8])
    assert np.array_equal(of_rows, features_of_all[..., start + 8 : start + 16])
