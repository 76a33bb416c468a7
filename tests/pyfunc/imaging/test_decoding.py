import concurrent.futures
import contextlib
import io
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps, TiffImagePlugin

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import check, decode, oriented
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.pyfunc.imaging.images import file, picture, refusal


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats_give_the_very_pixels(format_name):
    options = {"lossless": True} if format_name == "WEBP" else {}
    decoded = decode(file(Image.fromarray(picture()), format_name, **options))
    assert np.array_equal(decoded.pixels, picture())
    assert (decoded.format, decoded.width, decoded.height) == (format_name, 80, 60)
    assert (decoded.mode, decoded.orientation, decoded.frames, decoded.jpeg) == ("RGB", 1, 1, None)
    assert np.abs(decoded.luma - picture() @ [0.299, 0.587, 0.114]).max() < 1


def test_jpeg_luma_is_the_stored_component():
    data = encode(picture(), quality=75)
    decoded = decode(data)
    stored = Image.open(io.BytesIO(data))
    stored.draft("YCbCr", None)
    assert np.array_equal(decoded.luma, np.asarray(stored)[..., 0])
    assert decoded.jpeg is not None
    assert decoded.jpeg.quality == 75


def test_grey_is_repeated():
    grey = picture()[..., 0]
    for data in (file(Image.fromarray(grey), "PNG"), encode(grey, quality=100)):
        decoded = decode(data)
        assert decoded.mode == "L"
        assert np.ptp(decoded.pixels.astype(int), axis=2).max() == 0
        assert np.array_equal(decoded.luma, decoded.pixels[..., 0])


def test_bilevel_is_black_and_white():
    decoded = decode(file(Image.fromarray(picture()[..., 0] > 99), "PNG"))
    assert set(np.unique(decoded.pixels)) == {0, 255}


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(format_name):
    deep = np.linspace(0, 65535, 80 * 60).reshape(60, 80).astype(np.uint16)
    decoded = decode(file(Image.fromarray(deep), format_name))
    assert decoded.mode.startswith("I;16")
    assert np.abs(decoded.pixels[..., 1] - deep / 257).max() <= 0.5


def test_fractions_and_dark_integers_keep_their_scale():
    fractions = np.linspace(0, 1, 4800, dtype=np.float32).reshape(60, 80)
    assert (
        np.abs(decode(file(Image.fromarray(fractions), "TIFF")).luma - fractions * 255).max() <= 0.5
    )
    dark = np.full((60, 80), 300, np.int32)
    assert (decode(file(Image.fromarray(dark), "TIFF")).luma == 1).all()


def test_alpha_lies_on_white():
    colours = Image.fromarray(picture())
    colours.putalpha(Image.fromarray(np.repeat(np.uint8([[0, 255]]), 40, 1).repeat(60, 0)))
    pixels = decode(file(colours, "PNG")).pixels
    assert (pixels[:, :40] == 255).all()
    assert np.array_equal(pixels[:, 40:], picture()[:, 40:])


def test_palette_with_transparency_lies_on_white():
    palette = Image.fromarray(np.repeat(np.uint8([[0, 1]]), 40, 1).repeat(60, 0), "P")
    palette.putpalette([255, 0, 0, 0, 0, 255])
    pixels = decode(file(palette, "PNG", transparency=0)).pixels
    assert (pixels[:, :40] == 255).all()
    assert (pixels[:, 40:] == [0, 0, 255]).all()


def test_cmyk_of_both_kinds_gives_the_same_colours():
    colours = Image.fromarray(picture()).convert("CMYK")
    expected = np.asarray(colours.convert("RGB")).astype(int)
    adobe = file(colours, "JPEG", quality=100, subsampling=0)
    position = adobe.index(b"\xff\xee")
    length = struct.unpack_from(">H", adobe, position + 2)[0]
    bare = file(
        Image.fromarray(255 - np.asarray(colours), "CMYK"), "JPEG", quality=100, subsampling=0
    )
    bare = bare[:position] + bare[position + 2 + length :]
    for data in (adobe, bare, file(colours, "TIFF")):
        decoded = decode(data)
        assert decoded.mode == "CMYK"
        assert np.abs(decoded.pixels - expected).mean() < 1.5


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_rotated_images_stay_as_stored(format_name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100, "subsampling": 0}}
    data = file(Image.fromarray(picture()), format_name, exif=exif, **options.get(format_name, {}))
    decoded = decode(data)
    assert decoded.orientation == orientation
    assert decoded.pixels.shape == (60, 80, 3)
    assert np.abs(decoded.pixels.astype(int) - picture()).max() <= 4
    with Image.open(io.BytesIO(data)) as opened:
        shown = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    assert np.abs(oriented(decoded.pixels, orientation).astype(int) - shown).max() <= 1


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_several_is_read(format_name):
    frames = [Image.fromarray(picture()), Image.fromarray(255 - picture())]
    options = {"lossless": True} if format_name == "WEBP" else {}
    decoded = decode(
        file(frames[0], format_name, save_all=True, append_images=frames[1:], **options)
    )
    assert decoded.frames == 2
    assert np.array_equal(decoded.pixels, picture())


@pytest.mark.parametrize("big", [False, True], ids=["TIFF", "BigTIFF"])
def test_the_pages_of_a_tiff_are_counted_to_a_hundred(big):
    page = Image.fromarray(picture())
    for pages, counted in ((3, 3), (120, 100)):
        options = {"append_images": [page] * (pages - 1), "big_tiff": big}
        assert decode(file(page, "TIFF", save_all=True, **options)).frames == counted


def test_files_cut_off_are_broken():
    for format_name in ("JPEG", "PNG", "TIFF", "BMP", "WEBP"):
        data = file(Image.fromarray(picture(200, 300)), format_name)
        for fraction in (0.3, 0.6, 0.95):
            error = refusal(data[: int(len(data) * fraction)])
            assert error.code == "broken_image", format_name


def test_jpeg_cut_off_with_a_false_end_is_broken():
    rng = np.random.default_rng(0)
    data = encode(rng.integers(0, 256, (200, 300, 3), np.uint8), quality=80)
    decode(data)
    for fraction in (0.3, 0.6, 0.95):
        assert refusal(data[: int(len(data) * fraction)] + b"\xff\xd9").code == "broken_image"
        assert refusal(data[: int(len(data) * fraction)] + bytes(9000)).code == "broken_image"


def test_progressive_jpeg_without_its_last_scan_is_broken():
    data = file(Image.fromarray(picture()), "JPEG", progressive=True)
    assert decode(data).jpeg.progressive
    assert refusal(data[: data.rindex(b"\xff\xda")] + b"\xff\xd9").code == "broken_image"


def test_mid_grey_jpegs_are_whole():
    for shape in ((64, 64, 3), (64, 64)):
        assert (decode(encode(np.full(shape, 128, np.uint8), quality=90)).luma == 128).all()


def test_camera_raw_is_refused_rather_than_its_preview_read():
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[50706] = b"\1\4\0\0"
    error = refusal(file(Image.fromarray(picture()), "TIFF", tiffinfo=tags))
    assert error.code == "unsupported_format"
    assert "raw" in str(error)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["JPEG", "PNG", "TIFF", "BMP", "WEBP"]),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), max_size=12),
    st.floats(0.01, 1),
)
def test_damaged_files_give_an_image_or_an_image_error(format_name, changes, kept):
    data = bytearray(file(Image.fromarray(picture(24, 40)), format_name))
    for place, value in changes:
        data[int(place * len(data))] = value
    decoded = None
    with contextlib.suppress(ImageError), warnings.catch_warnings(action="ignore"):
        decoded = decode(bytes(data[: max(1, int(kept * len(data)))]), Limits(max_pixels=10**6))
    if decoded is not None:
        assert decoded.pixels.dtype == decoded.luma.dtype == np.uint8
        assert decoded.pixels.shape == (*decoded.luma.shape, 3)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_an_image_error(data):
    with pytest.raises(ImageError):
        decode(data)


def test_threads_do_not_disturb_each_other():
    files = [file(Image.fromarray(np.roll(picture(), n, 1)), "PNG") for n in range(8)]
    broken = files[0][: len(files[0]) // 2]

    def once(n: int) -> bool:
        if n % 3 == 0:
            return refusal(broken).code == "broken_image"
        return np.array_equal(decode(files[n % 8]).pixels, np.roll(picture(), n % 8, 1))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert all(pool.map(once, range(60)))


@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_check_refuses_by_the_header_alone(name):
    buffer = io.BytesIO()
    Image.new("RGB", (200, 100)).save(buffer, name)
    check(buffer.getvalue())
    with pytest.raises(ImageError) as refusal:
        check(buffer.getvalue(), Limits(max_pixels=19_999))
    assert refusal.value.code == "too_many_pixels"
    reads_more = decode if name == "WEBP" else check  # of WebP the size alone is read here
    with pytest.raises(ImageError):
        reads_more(buffer.getvalue()[:16])
