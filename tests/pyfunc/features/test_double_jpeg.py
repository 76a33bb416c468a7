import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft
from scipy.ndimage import uniform_filter

from forgery_pyfunc import features
from forgery_pyfunc.features import double_jpeg
from forgery_pyfunc.imaging.decoding import DecodedImage, decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG, standard_table


def scene(height: int = 256, width: int = 384, seed: int = 5) -> np.ndarray:
    """uint8[height, width, 3]: clouds with fine grain, as a photograph that was never saved."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.normal(128, 40, (height // 16, width // 16)).astype(np.float32))
    clouds = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    grain = uniform_filter(rng.normal(0, 12, (height, width)), 2)
    return np.clip(clouds + grain, 0, 255).astype(np.uint8)[..., None].repeat(3, 2)


def evidence(image: DecodedImage) -> np.ndarray:
    """float[h, w]: all ratios of a block added up."""
    ratios = features.extract(image, ["double_jpeg"])[..., : double_jpeg.FREQUENCIES]
    return ratios.sum(2)


@pytest.mark.parametrize("moved", [(0, 0), (3, 5)])
@pytest.mark.parametrize(("before", "last"), [(60, 90), (70, 85), (85, 95)])
def test_a_part_that_was_not_saved_with_the_rest_stands_out(before, last, moved):
    once = decode(encode(scene(), quality=before)).pixels.copy()
    pasted = scene(seed=6)
    if moved != (0, 0):  # saved before, too, but on another grid
        pasted = np.roll(decode(encode(pasted, quality=before)).pixels, moved, (0, 1))
    once[64:160, 128:256] = pasted[64:160, 128:256]
    seen = evidence(decode(encode(once, quality=last)))
    inside = np.zeros(seen.shape, bool)
    inside[8:20, 16:32] = True
    assert seen[~inside].mean() > seen[inside].mean() + 2
    smooth = uniform_filter(seen, 3)
    assert (smooth[inside][:, None] < smooth[~inside]).mean() > 0.9


@pytest.mark.parametrize(("before", "last"), [(60, 90), (70, 85), (85, 95)])
def test_an_image_saved_once_shows_little(before, last):
    once = evidence(decode(encode(scene(), quality=last)))
    twice = evidence(decode(encode(decode(encode(scene(), quality=before)).pixels, quality=last)))
    assert abs(once.mean()) < twice.mean() / 8


@pytest.mark.parametrize("cut", [(4, 4), (2, 3)])
def test_an_earlier_save_on_another_grid_shows_little_wherever_that_lay(cut):
    earlier = decode(encode(scene(), quality=70)).pixels
    together = evidence(decode(encode(earlier, quality=90)))
    apart = evidence(decode(encode(earlier[cut[0] :, cut[1] :], quality=90)))
    assert abs(apart.mean()) < together.mean() / 8


@pytest.mark.parametrize("size", [(64, 64), (96, 128), (256, 384)])
def test_an_image_that_was_saved_once_has_its_own_moved_grid_for_comparison(size, monkeypatch):
    seen = []
    sizes = double_jpeg._sizes
    monkeypatch.setattr(double_jpeg, "_sizes", lambda *given: seen.append(1) or sizes(*given))
    images = [encode(scene(*size, seed=seed), quality=80) for seed in range(10)]
    for data in images:
        double_jpeg.extract(decode(data))
    assert len(seen) <= 2 * len(images) + 1


def test_equals_the_slow_reference():
    image = decode(encode(decode(encode(scene(), quality=70)).pixels, quality=90))
    table = standard_table(90).ravel()[ZIGZAG[1:41]]

    def sizes(luma: np.ndarray) -> np.ndarray:
        rows, columns = (length // 8 for length in luma.shape)
        parts = luma.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3).astype(np.float32)
        levels = fft.dctn(parts, axes=(2, 3), norm="ortho").reshape(rows, columns, 64)
        return np.minimum(np.abs(np.rint(levels[..., ZIGZAG[1:41]] / table)), 15).astype(int)

    here, moved = sizes(image.luma), sizes(image.luma[4:-4, 4:-4])
    ratios = np.zeros((40, 16))
    for f in range(40):
        seen = np.bincount(here[..., f].ravel(), minlength=16)
        bare = np.bincount(moved[..., f].ravel(), minlength=16).astype(float)
        logs = np.log(bare * seen.sum() / bare.sum() + 2)
        smooth = logs.copy()
        for size in range(1, 15):
            others = np.arange(1, 15)
            gauss = np.exp(-0.5 * ((others - size) / (0.6 + 0.3 * size)) ** 2)
            line = np.polynomial.Polynomial.fit(others - size, logs[1:15], 1, w=gauss**0.5)
            smooth[size] = line(0)
        ratios[f] = np.clip(np.log(seen + 2) - smooth, -4, 4)
    ratios[:, 15] = 0
    values = features.extract(image, ["double_jpeg"])
    assert values.shape == (32, 48, 44)
    for i, j in ((0, 0), (31, 47), (5, 40), (16, 16)):
        wanted = ratios[np.arange(40), here[i, j]]
        assert np.mean(np.abs(values[i, j, :40] - wanted) < 0.02) > 0.9
    i, j = 10, 20
    around = [moved[i + di, j + dj] for di in (-1, 0) for dj in (-1, 0)]
    totals = np.mean([ratios[np.arange(40), size] for size in around], 0)
    for band, (first, last) in enumerate(((0, 5), (5, 14), (14, 27), (27, 40))):
        assert values[i, j, 40 + band] == pytest.approx(totals[first:last].sum(), abs=0.2)


def test_a_lossless_copy_of_a_jpeg_says_what_the_jpeg_says():
    first = decode(encode(scene(), quality=60)).pixels
    jpeg = decode(encode(first, quality=85))
    output = io.BytesIO()
    Image.fromarray(jpeg.pixels).save(output, "PNG")
    values = features.extract(decode(output.getvalue()), ["double_jpeg"])
    expected = features.extract(jpeg, ["double_jpeg"])
    assert np.corrcoef(values[..., :40].ravel(), expected[..., :40].ravel())[0, 1] > 0.99


def test_the_smallest_and_a_large_image():
    small = decode(encode(scene(64, 64), quality=80))
    assert features.extract(small, ["double_jpeg"]).shape == (8, 8, 44)
    large = decode(encode(scene(8 * 40, 8 * 150), quality=80))  # more than one tile
    assert features.extract(large, ["double_jpeg"]).shape == (40, 150, 44)
