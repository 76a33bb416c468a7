import numpy as np
from PIL import Image

from forgery.evidence.facts.thumbnail import compare_thumbnail
from forgery_pyfunc.imaging.decoding import decode, read_metadata
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.evidence.scenes import exif_with_thumbnail, scene, with_exif


def test_thumbnail_of_another_picture_is_noticed():
    pixels = scene()
    preview = np.zeros((120, 160, 3), np.uint8)
    preview[7:114] = np.asarray(Image.fromarray(pixels).resize((160, 107)))
    exif = exif_with_thumbnail(encode(preview, quality=85))
    for image, differs in ((pixels, False), (scene(seed=9), True)):
        data = with_exif(image, exif)
        thumbnail = compare_thumbnail(read_metadata(data).thumbnail, decode(data))
        assert thumbnail.preview.shape == (107, 160, 3)
        assert thumbnail.differs == differs
        assert thumbnail.turns == 0


def test_thumbnail_of_a_picture_that_was_turned_or_trimmed_is_no_other_picture():
    pixels = scene()
    small = np.asarray(Image.fromarray(pixels).resize((160, 107)))
    exif = exif_with_thumbnail(encode(small, quality=85))
    for image, turns in (
        (np.rot90(pixels), 3),
        (np.rot90(pixels, 2), 2),
        (np.rot90(pixels, 3), 1),
        (pixels[8:-4, 6:-9], 0),
    ):
        data = with_exif(np.ascontiguousarray(image), exif)
        thumbnail = compare_thumbnail(read_metadata(data).thumbnail, decode(data))
        assert not thumbnail.differs
        assert thumbnail.turns == turns
    data = with_exif(pixels[:, : pixels.shape[1] // 2], exif)
    assert compare_thumbnail(read_metadata(data).thumbnail, decode(data)).differs
