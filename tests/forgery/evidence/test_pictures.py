import base64
import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from forgery.evidence.pictures import (
    decode_levels,
    heat_overlay,
    mask_overlay,
    on_common_scale,
    stretched,
)
from tests.webui.pictures import encode


def test_levels_are_stretched_to_white_without_large_copies():
    levels = np.tile(np.arange(52, dtype=np.uint8), (1000, 20))
    tracemalloc.start()
    found = stretched(levels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(found[0, :52], 5 * np.arange(52))
    assert peak < 4 * levels.nbytes


@pytest.mark.filterwarnings("error")
def test_a_map_may_be_larger_than_pillows_own_limit(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    png = base64.b64encode(encode(np.full((30, 20), 7, np.uint8), "PNG")).decode()
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(base64.b64decode(png)))
    assert decode_levels(png).tolist() == [[7] * 20] * 30


def test_the_map_of_a_picture_without_signs_stays_without_colours():
    levels = np.tile(np.arange(256, dtype=np.uint8), (8, 1))
    calm = on_common_scale(levels, 0.15)
    assert opacities(heat_overlay(calm)).max() == opacities(mask_overlay(calm)).max() == 0
    forged = on_common_scale(levels, 0.9)
    assert forged[0, 255] == round(0.9 * 255)
    heat, mask = opacities(heat_overlay(forged)), opacities(mask_overlay(forged))
    assert heat[0, :84].max() == 0 < heat[0, 90]  # 30 % is a third of 90 %
    assert (np.diff(heat[0].astype(int)) >= 0).all()
    assert np.array_equal(mask[0] > 0, forged[0] >= 128)


def opacities(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[..., 3]
