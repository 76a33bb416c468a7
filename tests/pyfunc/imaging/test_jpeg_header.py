import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import check, decode
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


SOUND = encode(picture(), quality=80)
PROGRESSIVE = io.BytesIO()
Image.fromarray(picture()).save(PROGRESSIVE, "JPEG", quality=80, progressive=True)
ROTATED = Image.Exif()
ROTATED[0x0112] = 6


def segment(marker: int, payload: bytes, length: int | None = None) -> bytes:
    length = len(payload) + 2 if length is None else length
    return bytes([0xFF, marker]) + length.to_bytes(2, "big") + payload


ODDITIES = {
    "empty JFIF": segment(0xE0, b"JFIF\0"),
    "JFIF without a version": segment(0xE0, b"JFIF"),
    "JFIF cut off": segment(0xE0, b"JFIF\0\1\2\0"),
    "empty APP0": segment(0xE0, b""),
    "empty APP1": segment(0xE1, b""),
    "length 0": segment(0xE4, b"", length=0),
    "length 1": segment(0xFE, b"", length=1),
    "empty Adobe": segment(0xEE, b"Adobe"),
    "empty profile": segment(0xE2, b"ICC_PROFILE\0"),
    "profile of a wrong count": segment(0xE2, b"ICC_PROFILE\0\1\x09abc") * 3,
    "Photoshop cut off": segment(0xED, b"Photoshop 3.0\x008BIM\4\4"),
    "damaged EXIF": segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff"),
    "many profiles": segment(0xE2, b"ICC_PROFILE\0" + bytes(60_000)) * 100,
    "many EXIFs": segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 100,
    "second start": b"\xff\xd8",
    "stray bytes": segment(0xFE, b"") + b"stray",
    "fill bytes": b"\xff" * 50,
    "several": segment(0xE0, b"JFIF\0") + b"\xff\xd8" + b"stray" + segment(0xE2, b"ICC_PROFILE\0"),
}  # fmt: skip


@pytest.mark.parametrize("sound", [SOUND, PROGRESSIVE.getvalue()], ids=["baseline", "progressive"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("name", ODDITIES)
def test_damage_around_a_sound_picture(sound, name):
    expected = decode(sound)
    for data in (
        sound[:2] + ODDITIES[name] + sound[2:],
        sound[:20] + ODDITIES[name] + sound[20:],
        sound[:20] + ODDITIES[name] + sound[20:] + b"anything",
    ):
        check(data)
        decoded = decode(data)
        assert np.array_equal(decoded.pixels, expected.pixels)
        assert np.array_equal(decoded.luma, expected.luma)


def test_the_orientation_stays_where_another_segment_is_damaged():
    output = io.BytesIO()
    Image.fromarray(picture()).save(output, "JPEG", exif=ROTATED)
    data = output.getvalue()
    assert decode(data[:2] + ODDITIES["empty JFIF"] + data[2:]).orientation == 6


@pytest.mark.parametrize("sound", [SOUND, PROGRESSIVE.getvalue()], ids=["baseline", "progressive"])
@pytest.mark.parametrize("tail", [b"", b"\xff"])
def test_a_missing_end_marker_is_no_harm_where_all_data_are_there(sound, tail):
    decoded = decode(sound[:-2] + tail)
    assert not decoded.jpeg.ended
    assert np.array_equal(decoded.pixels, decode(sound).pixels)
    for cut in (4, 9, 40, 400):
        for filling in (b"", bytes(9000), bytes(cut - 2)):
            with pytest.raises(ImageError) as refusal:
                decode(sound[:-cut] + filling)
            assert refusal.value.code == "broken_image"


def test_a_scan_of_each_component_is_needed():
    output = io.BytesIO()
    Image.fromarray(picture()).save(output, "JPEG", progressive=True)
    data = output.getvalue()
    first = data.index(b"\xff\xda")
    assert not read_header(data[: data.index(b"\xff\xda", first + 2)]).complete


def frame_changed(marker: int = 0xC0, **fields: int) -> bytes:
    """Return a JPEG whose frame has another marker, or other bytes: name to value."""
    data = bytearray(SOUND)
    place = data.index(b"\xff\xc0")
    data[place + 1] = marker
    offsets = {"precision": 4, "height": 5, "count": 9, "first": 11, "second": 14}
    for name, value in fields.items():
        data[place + offsets[name]] = value
        if name == "height":
            data[place + 6] = value
    return bytes(data)


@pytest.mark.parametrize(("data", "words"), [
    (frame_changed(0xC3), "is lossless,"),
    (frame_changed(0xC5), "is hierarchical,"),
    (frame_changed(0xCB), "is lossless arithmetic,"),
    (frame_changed(0xCF), "is hierarchical lossless arithmetic,"),
    (frame_changed(0xDE), "is hierarchical,"),
    (frame_changed(0xF7), "JPEG-LS"),
    (frame_changed(0xC1, precision=12), "12 bits per sample"),
    (frame_changed(height=0), "its height only behind the picture"),
    (frame_changed(count=2), "2 colour components"),
    (frame_changed(first=0x31, second=0x21), "no whole parts"),
])  # fmt: skip
def test_a_kind_that_is_not_read_is_named(data, words):
    for read in (check, decode):
        with pytest.raises(ImageError, match=words) as refusal:
            read(data)
        assert refusal.value.code == "unsupported_format"
