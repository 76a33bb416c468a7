import io

import numpy as np
import pytest
from PIL import Image

from forgery_pyfunc.evidence import block_grid, jpeg_ghosts, noise_residual
from forgery_pyfunc.jpeg import encode


def scene(seed: int = 3, size: int = 256) -> np.ndarray:
    """uint8[size, size] with detail at several scales, like a photograph."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size, size))
    for cells in (7, 27, 101):
        layer = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32))
        total += np.asarray(layer.resize((size, size), Image.Resampling.BICUBIC)) * 160 / cells**0.6
    return np.clip(128 + total + rng.normal(scale=2, size=total.shape), 0, 255).astype(np.uint8)


def saved(luma: np.ndarray, quality: int) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(encode(luma, quality))))


def test_noise_residual_is_mid_grey_where_there_is_none_and_shows_a_smoothed_patch():
    assert (noise_residual(np.full((40, 50), 77, np.uint8)) == 128).all()
    luma = scene()
    luma[64:128, 64:128] = 120
    residual = noise_residual(luma)
    assert residual.shape == luma.shape
    assert residual[66:126, 66:126].std() < residual[160:, 160:].std() / 10


def test_ghosts_show_the_quality_of_an_earlier_save():
    twice = jpeg_ghosts(saved(saved(scene(), 60), 95))
    assert twice.earlier_quality(last_quality=95) == 60
    assert jpeg_ghosts(saved(scene(), 75)).earlier_quality(last_quality=75) is None
    assert jpeg_ghosts(scene()).earlier_quality() is None


def test_ghosts_stand_out_where_only_a_part_was_saved_before():
    luma = scene()
    luma[96:192, 96:192] = saved(luma, 50)[96:192, 96:192]
    ghosts = jpeg_ghosts(saved(luma, 95))
    inside = np.zeros(ghosts.deviation.shape, bool)
    inside[6:12, 6:12] = True
    assert ghosts.deviation.shape == (16, 16)
    assert np.median(ghosts.deviation[inside]) > 2 * np.median(ghosts.deviation[~inside])
    assert abs(int(np.median(ghosts.best[inside])) - 50) <= 5


def test_the_grid_is_found_where_a_crop_put_it():
    luma = saved(scene(), 60)
    whole, cropped = block_grid(luma), block_grid(luma[3:, 5:])
    assert whole.offset == (0, 0)
    assert cropped.offset == (3, 5)
    assert whole.strength > 0.5
    assert block_grid(scene()).strength < 0.2


def test_a_displaced_grid_shows_in_its_cells():
    luma = saved(scene(), 60)
    host = luma.copy()
    host[96:192, 96:192] = luma[99:195, 101:197]
    displaced = block_grid(host).displaced
    inside = np.zeros(displaced.shape, bool)
    inside[3:6, 3:6] = True
    assert displaced.shape == (8, 8)
    assert displaced[inside].mean() > 4 * displaced[~inside].mean()


@pytest.mark.parametrize("evidence", [jpeg_ghosts, block_grid])
def test_too_small_images_are_refused(evidence):
    with pytest.raises(ValueError, match="needed are at least"):
        evidence(np.zeros((12, 12), np.uint8))
