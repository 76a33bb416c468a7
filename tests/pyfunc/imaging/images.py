"""Pictures and files for the tests of this folder."""

import io

import numpy as np
import pytest
from PIL import Image

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.guards import Limits


def picture(height: int = 60, width: int = 80) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    return np.stack(
        [columns * 255 // width, rows * 255 // height, (rows + columns) % 256], -1
    ).astype(np.uint8)


def file(image: Image.Image, format_name: str, **options) -> bytes:
    output = io.BytesIO()
    image.save(output, format_name, **options)
    return output.getvalue()


def refusal(data: bytes, limits: Limits | None = None) -> ImageError:
    with pytest.raises(ImageError) as caught:
        decode(data, limits)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return caught.value
