import numpy as np
import pytest
from PIL import Image

from forgery_lab.forgeries.cutting import Part
from forgery_lab.forgeries.fitting import Geometry, transformed
from forgery_lab.forgeries.scenes import CATEGORIES, render
from forgery_pyfunc.copies import SMALLEST_SIDE, find_copies, region
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode

SIZE, FROM, TO = 72, (24, 20), (140, 230)


def saved(pixels: np.ndarray, quality: int = 88) -> np.ndarray:
    return decode(encode(pixels, quality=quality)).luma


def meadow(seed: int = 3) -> np.ndarray:
    return render("nat", np.random.default_rng(seed))


def forged(scene: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """The scene with a square of it again elsewhere, and the mask of the copy."""
    part = scene[FROM[0] : FROM[0] + SIZE, FROM[1] : FROM[1] + SIZE].astype(np.float32)
    alpha = np.ones((SIZE, SIZE), np.float32)
    moved = transformed(Part(part, alpha, FROM, "polygon", False), scene, geometry, [])
    height, width = moved.alpha.shape
    here = np.s_[TO[0] : TO[0] + height, TO[1] : TO[1] + width]
    result, mask = scene.copy(), np.zeros(scene.shape[:2], bool)
    height, width = mask[here].shape
    mask[here] = moved.alpha[:height, :width] > 0.5
    result[here] = np.where(mask[here][..., None], moved.pixels[:height, :width], result[here])
    return result, mask


def share(one: np.ndarray, other: np.ndarray) -> float:
    """F1 of two masks."""
    return 2 * (one & other).sum() / (one.sum() + other.sum())


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry(),
        Geometry(mirror=True),
        Geometry(degrees=30),
        Geometry(degrees=90),
        Geometry(scale=1.3),
        Geometry(scale=0.75),
        Geometry(scale=1.2, degrees=-140, mirror=True),
    ],
)
def test_copy_is_found_with_its_transformation(geometry):
    pixels, mask = forged(meadow(), geometry)
    found = find_copies(saved(pixels))
    assert len(found) == 1
    copy = found[0]
    assert copy.matches >= 3
    assert copy.correlation > 0.85
    assert copy.mirrored == geometry.mirror
    assert max(share(copy.source, mask), share(copy.target, mask)) > 0.7
    forward = share(copy.target, mask) > 0.5
    assert copy.scale == pytest.approx(geometry.scale if forward else 1 / geometry.scale, rel=0.05)
    turn = geometry.degrees if forward or geometry.mirror else -geometry.degrees
    assert abs((copy.degrees - turn + 180) % 360 - 180) < 3


def test_map_leads_from_source_to_target_in_pixels_of_the_picture():
    pixels, _ = forged(meadow(), Geometry())
    large = np.asarray(Image.fromarray(pixels).resize((1536, 1024), Image.Resampling.BICUBIC))
    (copy,) = find_copies(saved(large))
    assert copy.source.size <= 2**18
    assert region(copy.source, 1024, 1536).shape == (1024, 1536)
    moved = np.abs(copy.map[:, :2] @ [4 * 60, 4 * 56] + copy.map[:, 2] - [4 * 60, 4 * 56])
    if moved[0] < 100:  # the map leads from the copy to the original
        moved = np.abs(copy.map[:, :2] @ [4 * 266, 4 * 176] + copy.map[:, 2] - [4 * 266, 4 * 176])
    assert moved == pytest.approx([4 * (TO[1] - FROM[1]), 4 * (TO[0] - FROM[0])], abs=6)


def test_words_say_what_was_done():
    def words(geometry):
        (copy,) = find_copies(saved(forged(meadow(), geometry)[0]))
        return copy.in_words()

    assert words(Geometry()) == "as it is"
    assert words(Geometry(mirror=True)) == "mirrored"
    assert words(Geometry(degrees=90)).startswith("turned by 90 degrees ")
    assert words(Geometry(scale=1.3)) in ("enlarged by 1.3", "reduced to 0.77")


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("seed", [0, 2])
def test_nothing_is_found_in_scenes(category, seed):
    assert find_copies(saved(render(category, np.random.default_rng(seed)))) == []


def _noise() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (256, 384), np.uint8)


def _checks() -> np.ndarray:
    return (np.indices((256, 384)) // 16).sum(0).astype(np.uint8) % 2 * np.uint8(200)


def _tiles() -> np.ndarray:
    noise = np.random.default_rng(2).normal(0, 3, (256, 384))
    tile = meadow()[:64, :64].mean(2)
    return np.clip(np.tile(tile, (4, 6)) + noise, 0, 255).astype(np.uint8)


def _ramp() -> np.ndarray:
    return np.add.outer(np.arange(256), np.arange(384)).astype(np.uint8) // 4


def _flat() -> np.ndarray:
    return np.full((200, 300), 9, np.uint8)


@pytest.mark.parametrize("picture", [_noise, _checks, _tiles, _ramp, _flat])
def test_nothing_is_found_in_patterns_noise_and_flat_pictures(picture):
    luma = picture()
    assert find_copies(luma) == []
    assert find_copies(saved(luma)) == []


def test_flat_part_is_no_copy():
    scene = meadow()
    scene[FROM[0] : FROM[0] + SIZE, FROM[1] : FROM[1] + SIZE] = 120
    scene[TO[0] : TO[0] + SIZE, TO[1] : TO[1] + SIZE] = 120
    assert find_copies(saved(scene)) == []


def test_same_pixels_give_the_same_copies():
    luma = saved(forged(meadow(), Geometry(degrees=30))[0])
    (one,), (other,) = find_copies(luma), find_copies(luma.copy())
    assert (one.map == other.map).all()
    assert (one.target == other.target).all()
    assert (one.matches, one.correlation) == (other.matches, other.correlation)


def test_too_small_a_picture_has_none():
    assert find_copies(np.zeros((SMALLEST_SIDE - 1, 300), np.uint8)) == []


@pytest.mark.parametrize("shape", [(64, 64), (64, 2000), (3000, 65)])
def test_extreme_shapes_are_searched(shape):
    luma = np.random.default_rng(4).integers(0, 256, shape).astype(np.uint8)
    assert find_copies(luma) == []
