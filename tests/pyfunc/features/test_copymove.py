import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft

from forgery_pyfunc import features
from forgery_pyfunc.features import copymove
from forgery_pyfunc.imaging.decoding import DecodedImage, decode
from forgery_pyfunc.imaging.jpeg_encoder import encode


def scene(height: int, width: int, seed: int = 3) -> np.ndarray:
    """uint8[height, width, 3]: clouds that nowhere repeat, finer ones fainter as in photographs."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width))
    for cell in (4, 8, 16, 48):
        coarse = rng.normal(0, 20 * cell**0.5, (height // cell + 2, width // cell + 2))
        picture += np.asarray(
            Image.fromarray(coarse.astype(np.float32)).resize(
                (width, height), Image.Resampling.BICUBIC
            )
        )
    return np.repeat(np.clip(128 + picture / 2, 0, 255).astype(np.uint8)[..., None], 3, 2)


def with_copy(pixels: np.ndarray, size: int, source: tuple, target: tuple) -> np.ndarray:
    forged = pixels.copy()
    (y, x), (v, u) = source, target
    forged[v : v + size, u : u + size] = pixels[y : y + size, x : x + size]
    return forged


def channel(image: DecodedImage, name: str) -> np.ndarray:
    return features.extract(image, ["copymove"])[..., copymove.CHANNELS.index(name)]


def inner_blocks(shape: tuple, size: int, *corners: tuple, scale: int = 8) -> np.ndarray:
    """The blocks whose patches lie wholly inside one of the squares."""
    mask = np.zeros(shape, bool)
    for y, x in corners:
        mask[
            -(-y // scale) + 1 : (y + size) // scale - 1,
            -(-x // scale) + 1 : (x + size) // scale - 1,
        ] = 1
    return mask


@pytest.mark.parametrize("target", [(120, 240), (121, 243), (118, 245)])
@pytest.mark.parametrize("quality", [95, 70])
def test_a_copy_lights_up_at_both_places_and_nowhere_else(target, quality):
    source = (32, 40)
    forged = with_copy(scene(256, 384), 80, source, target)
    image = decode(encode(forged, quality=quality))
    inside = inner_blocks((32, 48), 80, source, target)
    outside = ~inner_blocks((32, 48), 112, (16, 24), (target[0] - 16, target[1] - 16))
    agreement = channel(image, "agree.5")
    assert agreement[inside].mean() > 3
    assert agreement[outside].mean() < 0.4
    assert channel(image, "votes")[inside].mean() > np.log(50)
    assert channel(image, "mutual")[inside].mean() > 0.6
    assert channel(image, "texture")[inside].mean() < -0.8
    length = np.expm1(channel(image, "length")[inside]) * 64
    expected = np.hypot(target[0] - source[0], target[1] - source[1])
    assert np.median(np.abs(length - expected)) < 2


def test_an_untouched_image_agrees_on_nothing():
    image = decode(encode(scene(256, 384), quality=85))
    assert channel(image, "agree.5").mean() < 0.4
    assert channel(image, "votes").max() < np.log(25)


def test_large_image_is_searched_at_a_smaller_scale():
    source, target = (400, 300), (900, 1500)
    forged = with_copy(scene(1600, 2400), 480, source, target)
    image = decode(encode(forged, quality=85))
    agreement = channel(image, "agree.5")
    inside = inner_blocks((200, 300), 448, (416, 316), (916, 1516))
    assert agreement.shape == (200, 300)
    assert agreement[inside].mean() > 3
    assert agreement[~inner_blocks((200, 300), 560, (360, 260), (860, 1460))].mean() < 0.5


def test_long_strip_is_searched_in_pieces():
    strip = np.concatenate([scene(64, 2000, seed) for seed in range(12)], 1)
    forged = strip.copy()
    forged[4:60, 1000:1128] = strip[4:60, 400:528]
    output = io.BytesIO()
    Image.fromarray(forged).save(output, "PNG")
    agreement = channel(decode(output.getvalue()), "agree.3")
    assert agreement.shape == (8, 3000)
    assert agreement[2:6, 53:64].mean() > 1.2
    assert agreement[:, 300:].mean() < 0.7


def test_flat_parts_have_no_twins():
    pixels = scene(128, 256)
    pixels[:, 128:] = 200
    image = decode(encode(pixels, quality=90))
    assert not channel(image, "agree.5")[:, 18:].any()
    assert not channel(image, "texture")[:, 18:].any()


def test_descriptors_are_the_low_frequencies_of_each_patch():
    plane = np.random.default_rng(0).normal(size=(43, 21)).astype(np.float32)
    for size in (4, 8):
        fast = copymove._low_frequencies(plane, size)
        assert fast.shape == (44 - size, 22 - size, 10)
        for y, x in ((0, 0), (35, 13), (20, 7)):
            slow = fft.dctn(plane[y : y + size, x : x + size], norm="ortho")[:4, :4] / size
            lowest = np.add.outer(range(4), range(4)) < 4
            assert np.allclose(fast[y, x], slow[lowest], atol=1e-5)


def test_finds_as_much_as_comparing_every_patch_with_every_other():
    """Blocks of a noisy, re-saved copy: the share that the full search finds, less a little."""
    source, target = (32, 40), (121, 243)
    forged = with_copy(scene(256, 384), 80, source, target)
    noise = np.random.default_rng(1).normal(0, 3, forged.shape)
    forged = np.clip(forged + noise, 0, 255).astype(np.uint8)
    image = decode(encode(forged, quality=70))
    halved = copymove._halve(image.luma.astype(np.float32))
    patches = copymove._patches(halved, 8)
    found = copymove._matches(patches)
    inside = np.argwhere(inner_blocks((32, 48), 80, target))
    rows, columns = np.mgrid[: patches.all.shape[0], : patches.all.shape[1]]
    exact = fast = 0
    for i, j in inside:
        row, column = patches.rows[i], patches.columns[j]
        distance = ((patches.all - patches.blocks[i, j]) ** 2).sum(2)
        distance[(rows - row) ** 2 + (columns - column) ** 2 < 64] = np.inf
        best = np.unravel_index(distance.argmin(), distance.shape)
        truth = np.array([source[0] - target[0], source[1] - target[1]]) / 2
        exact += np.abs(np.array(best) - (row, column) - truth).max() <= 1
        fast += np.abs(np.array([found.down[i, j], found.right[i, j]]) - truth).max() <= 1
    assert fast >= 0.95 * exact > 0
