"""The statistics by which photographs are told: their form, and what they depend on."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from forgery_pyfunc.imaging.decoding import decode, from_pillow
from forgery_pyfunc.picture_statistics import NAMES, TILE, TILES, Sample, statistics
from tests.conftest import encoded, picture


def of(pixels):
    found = statistics(Sample.of(from_pillow(Image.fromarray(pixels))))
    return dict(zip(NAMES, found, strict=True))


def drawing(width=320, height=240):
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((40, 40, width - 60, height - 50), fill="red", outline="black", width=3)
    pen.text((60, 60), "some words in a picture", fill="black")
    return np.asarray(image)


@pytest.mark.parametrize(
    "size", [(64, 64), (65, 71), (4000, 64), (64, 4000), (384, 256), (3000, 2000)]
)
def test_they_are_finite_and_of_one_form_for_every_size(size):
    flat = np.full((size[1], size[0], 3), 255, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, flat.shape, np.uint8)
    for pixels in (flat, noise):
        found = statistics(Sample.of(from_pillow(Image.fromarray(pixels))))
        assert found.shape == (len(NAMES),)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()


@pytest.mark.parametrize("size", [(384, 256), (3000, 2000), (1000, 70), (32, 32)])
def test_a_sample_is_of_a_fixed_size_and_spans_the_picture(size):
    width, height = size
    rows = np.repeat(np.linspace(0, 255, height).astype(np.uint8)[:, None], width, 1)
    sample = Sample.of(from_pillow(Image.fromarray(rows)))
    assert 1 <= len(sample.tiles) <= TILES
    assert sample.tiles.shape[1:] == (TILE, TILE)
    assert sample.grid.size <= 4 * 2**14
    for tones in (sample.tiles, sample.grid):
        assert tones.min() <= 20
        assert tones.max() >= 225


def test_the_file_around_the_pixels_does_not_count():
    saved = decode(encoded(picture(), quality=80))
    as_png = decode(encoded(saved.pixels, "PNG"))
    assert (statistics(Sample.of(saved)) == statistics(Sample.of(as_png))).all()


def test_what_is_drawn_is_flat_sharp_and_of_few_colours():
    drawn, seen = of(drawing()), of(picture(320, 240))
    more = (
        "tiles.step.0", "tiles.contrast.none", "tiles.colours.4", "grid.tones.1",
        "tiles.edge.along_axis", "tiles.tones.roughness",
    )  # fmt: skip
    for name in more:
        assert drawn[name] > seen[name], name
    for name in ("tiles.noise.50", "tiles.contrast.25", "grid.tones.entropy"):
        assert drawn[name] < seen[name], name
