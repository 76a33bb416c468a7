import numpy as np
import pytest

from forgery.evidence.facts.compressions import compressions
from forgery.evidence.views.block_grid import block_grid
from forgery.evidence.views.ghosts import jpeg_ghosts
from forgery.evidence.views.noise import noise_residual
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.evidence.scenes import png, scene


@pytest.mark.parametrize("pixels", [np.full((80, 80, 3), 9, np.uint8), scene(40, 200), scene(7, 5)])
@pytest.mark.parametrize("as_jpeg", [True, False])
def test_plain_and_small_images_get_an_answer(pixels, as_jpeg):
    image = decode(encode(pixels, quality=80)) if as_jpeg else png(pixels)
    assert compressions(image).count in (None, 0)
    assert block_grid(image).offset is None
    ghosts = jpeg_ghosts(image)
    assert np.isfinite(ghosts.curve).all()
    assert ghosts.maps.shape[1:] == (image.height // 8, image.width // 8)
    assert noise_residual(image).shape == image.luma.shape
