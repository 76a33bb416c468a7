import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import ZIGZAG, estimate_quality, read_header, standard_table


def picture() -> np.ndarray:
    rows, columns = np.mgrid[:64, :96]
    wave = 40 + rows * columns * 5 % 97 + np.abs(columns % 40 - 20) * 4
    return np.stack([wave, 255 - wave, (rows * columns) % 256], -1).astype(np.uint8)


def test_zigzag_begins_and_ends_as_the_standard_says():
    assert ZIGZAG[:10].tolist() == [0, 1, 8, 16, 9, 2, 3, 10, 17, 24]
    assert ZIGZAG[-4:].tolist() == [47, 55, 62, 63]
    assert sorted(ZIGZAG) == list(range(64))


@pytest.mark.parametrize("quality", [1, 30, 50, 75, 92, 100])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_header_says_how_it_was_saved(quality, subsampling):
    header = read_header(encode(picture(), quality=quality, subsampling=subsampling))
    assert (header.width, header.height, header.components) == (96, 64, 3)
    assert (header.quality, header.standard) == (quality, True)
    assert header.subsampling == subsampling
    assert np.array_equal(header.luma_table, standard_table(quality))
    assert np.array_equal(header.chroma_table, standard_table(quality, chroma=True))
    assert header.complete
    assert not header.progressive
    assert header.markers == ("JFIF",)


def test_markers_progressive_and_grey():
    exif = Image.Exif()
    exif[0x010F] = "maker"
    output = io.BytesIO()
    Image.fromarray(picture()[..., 0]).save(
        output, "JPEG", progressive=True, exif=exif, icc_profile=b"x" * 200, comment=b"hello"
    )
    header = read_header(output.getvalue())
    assert header.progressive
    assert header.scans > 1
    assert header.subsampling == "grey"
    assert header.chroma_table is None
    assert set(header.markers) >= {"EXIF", "ICC", "COM"}


def test_own_tables_come_back_and_are_not_standard():
    luma, chroma = list(range(1, 65)), list(range(64, 0, -1))
    header = read_header(encode(picture(), tables=[luma, chroma]))
    assert [list(table) for table in header.tables] == [luma, chroma, chroma]
    assert not header.standard
    again = read_header(encode(255 - picture(), tables=[luma, chroma], subsampling="4:4:4"))
    assert again.table_hash == header.table_hash
    assert again.table_hash != read_header(encode(picture(), quality=90)).table_hash


def test_quality_of_a_nearby_table():
    table = standard_table(85).ravel().copy()
    table[20:30] += 1
    assert estimate_quality(table) == (85, False)


def test_thumbnail_tables_are_not_taken_for_the_image_s():
    exif = Image.Exif()
    exif[0x927C] = encode(picture(), quality=20)
    output = io.BytesIO()
    Image.fromarray(picture()).save(output, "JPEG", quality=90, exif=exif)
    assert read_header(output.getvalue()).quality == 90


def test_a_table_that_ends_within_a_number_is_an_image_error():
    data = bytearray(encode(picture(), quality=60))
    place = data.index(b"\xff\xdb")
    data[place + 4] |= 0x10  # numbers of 16 bits, where half as many bytes follow
    with pytest.raises(ImageError):
        read_header(bytes(data))
    data[place + 2 : place + 4] = (66).to_bytes(2, "big")
    with pytest.raises(ImageError):
        read_header(bytes(data))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(2, 2000), st.lists(st.tuples(st.integers(2, 700), st.integers(0, 255)), max_size=6)
)
def test_damaged_headers_give_a_header_or_an_image_error(kept, changes):
    data = bytearray(encode(picture(), quality=60))
    for place, value in changes:
        data[place] = value
    header = None
    with contextlib.suppress(ImageError):
        header = read_header(bytes(data[:kept]))
    assert header is None or len(header.tables) == header.components
