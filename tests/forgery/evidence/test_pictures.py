import base64
import io
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from forgery.evidence.pictures import decode_levels, stretched
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
