import io

import numpy as np
import pytest
from PIL import Image
from threadpoolctl import threadpool_info, threadpool_limits

from forgery_pyfunc import features
from forgery_pyfunc.features.one_thread import OneThread
from forgery_pyfunc.imaging.decoding import DecodedImage, decode
from forgery_pyfunc.imaging.ela import error_levels
from forgery_pyfunc.imaging.jpeg_encoder import encode

ON_BLOCKS = [name for name, family in features.FAMILIES.items() if family.on_blocks]
RNG = np.random.default_rng(5)
NOISE = RNG.integers(0, 256, (120, 200, 3), np.uint8)


def png(pixels: np.ndarray) -> DecodedImage:
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "PNG")
    return decode(output.getvalue())


@pytest.mark.parametrize(
    "image",
    [
        png(NOISE),
        decode(encode(NOISE, quality=75)),
        decode(encode(NOISE[..., 0], quality=75)),
        png(np.full((70, 90, 3), 137, np.uint8)),
        png(np.zeros((64, 64, 3), np.uint8)),
        png(np.full((64, 64, 3), 255, np.uint8)),
        png(
            np.where(np.indices((80, 96)).sum(0)[..., None] % 2, 255, 0)
            .repeat(3, 2)
            .astype(np.uint8)
        ),
        png(np.tile(NOISE[:64, :1], (1, 9000, 1))),
        png(RNG.integers(0, 256, (9000, 64, 3), np.uint8)),
    ],
    ids=["noise", "jpeg", "grey jpeg", "constant", "black", "white", "checkers", "wide", "tall"],
)
@pytest.mark.parametrize("family", list(features.FAMILIES))
def test_every_image_gives_finite_small_numbers(image, family):
    values = features.extract(image, [family])
    size = (image.height // 8, image.width // 8) if family in ON_BLOCKS else (128, 128)
    assert values.shape == (*size, len(features.channels([family])))
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert np.abs(values).max() < 16
    assert np.array_equal(values, features.extract(image, [family]))


def test_the_features_are_the_same_on_every_number_of_cores():
    """Products that several threads share are rounded in another way, which quantisation shows."""
    image = png(RNG.integers(0, 256, (1024, 1024, 3), np.uint8))
    of_threads = []
    for threads in (1, 2, 3, 4):
        with threadpool_limits(threads, user_api="blas"):
            of_threads.append(features.extract(image, ["residual"]))
            assert blas_threads() == {threads}
    assert all(np.array_equal(of_threads[0], others) for others in of_threads[1:])


def test_the_limit_lasts_until_the_last_extraction_ends():
    limit = OneThread()
    with threadpool_limits(2, user_api="blas"):
        with limit:
            with limit:
                assert blas_threads() == {1}
            assert blas_threads() == {1}
        assert blas_threads() == {2}


def blas_threads() -> set[int]:
    """Return how many threads matrix products may use, of all libraries that are loaded."""
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_families_stand_in_the_order_asked_for():
    image = png(NOISE)
    both = features.extract(image, ON_BLOCKS)
    names = features.channels(ON_BLOCKS)
    assert len(set(names)) == len(names) == both.shape[2]
    turned = features.extract(image, ON_BLOCKS[::-1])
    assert np.array_equal(
        turned, both[..., [names.index(name) for name in features.channels(ON_BLOCKS[::-1])]]
    )


@pytest.mark.parametrize(
    ("families", "message"),
    [
        (["residuals"], "got 'residuals', allowed: residual"),
        ([], "each name may appear only once"),
        (["residual", "residual"], "each name may appear only once"),
        (["ela", "residual"], "must be the only one"),
    ],
)
def test_bad_families_are_named(families, message):
    for call in (features.channels, lambda names: features.extract(png(NOISE), names)):
        with pytest.raises(ValueError, match=message):
            call(families)


def test_too_small_images_are_refused():
    with pytest.raises(ValueError, match="got 200 × 63"):
        features.extract(png(NOISE[:63]), ["residual"])


def test_classic_features_are_the_pixel_ela():
    square = np.clip(NOISE[:, :120].astype(int) // 4 + 90, 0, 255).astype(np.uint8)[:112, :112]
    levels = error_levels(square, 90)
    values = features.extract(png(square), ["ela"])
    assert np.allclose(values.mean((0, 1)) * 32, levels.mean((0, 1)), rtol=0.02)
