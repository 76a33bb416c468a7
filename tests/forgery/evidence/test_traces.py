import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import ExifTags, Image

from forgery.evidence import traces
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import DecodedImage, decode
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import read_header, standard_table


def scene(height: int = 256, width: int = 384, seed: int = 0) -> np.ndarray:
    """uint8[height, width, 3]: clouds of several scales and a little noise."""
    rng = np.random.default_rng(seed)
    picture = rng.normal(0, 3, (height, width, 3))
    for cell in (6, 12, 24, 48):
        coarse = rng.normal(0, 8 * cell**0.5, (height // cell + 2, width // cell + 2))
        large = Image.fromarray(coarse.astype(np.float32)).resize((width, height), Image.BICUBIC)
        picture += np.asarray(large)[..., None]
    return np.clip(128 + picture, 0, 255).astype(np.uint8)


def png(pixels: np.ndarray) -> DecodedImage:
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "PNG")
    return decode(output.getvalue())


def saved(pixels: np.ndarray, quality: int) -> np.ndarray:
    return decode(encode(pixels, quality=quality)).pixels


def with_exif(pixels: np.ndarray, exif: Image.Exif | bytes, **options) -> bytes:
    output = io.BytesIO()
    Image.fromarray(pixels).save(output, "JPEG", quality=90, exif=exif, **options)
    return output.getvalue()


def exif_with_thumbnail(thumbnail: bytes) -> bytes:
    """A little-endian EXIF block of two directories, the second holding a thumbnail."""
    start = 8 + 2 + 4 + 2 + 2 * 12 + 4

    def entry(tag: int, value: int) -> bytes:
        return b"".join(
            n.to_bytes(size, "little") for n, size in ((tag, 2), (4, 2), (1, 4), (value, 4))
        )

    first = (0).to_bytes(2, "little") + (14).to_bytes(4, "little")
    second = (
        (2).to_bytes(2, "little") + entry(0x201, start) + entry(0x202, len(thumbnail)) + bytes(4)
    )
    return b"Exif\0\0II*\0\x08\0\0\0" + first + second + thumbnail


def test_needs_numpy_and_pillow_only():
    code = (
        "import sys, forgery.evidence.traces; "
        "heavy = {'onnxruntime', 'mlflow', 'pandas', 'scipy', 'tensorflow'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_noise_residual_is_neutral_where_all_is_smooth():
    pixels = np.full((64, 96, 3), 90, np.uint8)
    rng = np.random.default_rng(0)
    pixels[:, 48:] += rng.integers(0, 9, (64, 48, 1), np.uint8)
    values = traces.noise_residual(png(pixels)).values
    assert values.shape == (64, 96)
    assert (values[:, :46] == 128).all()
    assert values[:, 50:].std() > 10


def test_ghost_of_an_earlier_save_shows_in_the_curve_and_of_a_part_in_its_map():
    host = scene()
    once = saved(host, 60)
    host[64:192, 128:256] = once[64:192, 128:256]
    ghosts = traces.jpeg_ghosts(png(host))
    assert ghosts.maps.shape == (9, 32, 48)
    part = ghosts.maps[ghosts.qualities.index(60), 9:23, 17:31]
    rest = ghosts.maps[ghosts.qualities.index(60), :, 34:]
    assert part.mean() < 20 < rest.mean()
    assert 60 in traces.jpeg_ghosts(png(once)).minima
    assert traces.jpeg_ghosts(png(scene())).minima == ()


def test_ghost_quality_outside_the_range_is_refused():
    with pytest.raises(ValueError, match="quality: got 0"):
        traces.jpeg_ghosts(png(scene(64, 64)), [0])


def test_block_grid_is_found_where_it_lies():
    pixels = saved(scene(), 60)
    assert traces.block_grid(png(scene())).offset is None
    assert traces.block_grid(png(pixels)).offset == (0, 0)
    moved = traces.block_grid(png(pixels[3:, 5:]))
    assert moved.offset == (5, 3)
    assert "5 rows and 3 columns" in moved.explanation


def test_part_with_another_grid_is_bright():
    pixels = saved(scene(), 60)
    forged = pixels.copy()
    forged[64:192, 128:256] = pixels[20:148, 163:291]
    grid = traces.block_grid(png(forged))
    assert grid.offset == (0, 0)
    assert grid.map[11:21, 19:29].mean() > grid.map[:, 36:].mean() + 60


@pytest.mark.parametrize(("first", "second"), [(60, 85), (70, 90), (80, 95)])
def test_two_saves_are_told_from_one(first, second):
    twice = traces.compressions(decode(encode(saved(scene(), first), quality=second)))
    assert twice.count == 2
    assert abs(twice.earlier_quality - first) <= 4
    assert traces.compressions(decode(encode(scene(), quality=second))).count == 1


def test_compressions_of_files_without_tables():
    assert traces.compressions(png(scene())).count == 0
    assert traces.compressions(png(saved(scene(), 70))).count == 1


@pytest.mark.parametrize("pixels", [np.full((80, 80, 3), 9, np.uint8), scene(40, 200), scene(7, 5)])
@pytest.mark.parametrize("as_jpeg", [True, False])
def test_plain_and_small_images_get_an_answer(pixels, as_jpeg):
    image = decode(encode(pixels, quality=80)) if as_jpeg else png(pixels)
    assert traces.compressions(image).count in (None, 0)
    assert traces.block_grid(image).offset is None
    ghosts = traces.jpeg_ghosts(image)
    assert np.isfinite(ghosts.curve).all()
    assert ghosts.maps.shape[1:] == (image.height // 8, image.width // 8)
    assert traces.noise_residual(image).values.shape == image.luma.shape


def test_table_origin():
    plain = traces.table_origin(read_header(encode(scene(64, 64), quality=83)))
    assert (plain.program, plain.setting) == ("libjpeg", "quality 83")
    swapped = [standard_table(83, chroma=True).ravel(), standard_table(83).ravel()]
    unknown = traces.table_origin(read_header(encode(scene(64, 64), tables=swapped)))
    assert unknown.program is None
    assert "nearest to standard quality" in unknown.explanation


def test_metadata_names_camera_software_and_dates_but_not_the_place():
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Model] = "Maker M1\0\x07"
    exif[ExifTags.Base.Software] = "Editor 2"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = "N", (48.0, 30.0, 0.0)
    gps[ExifTags.GPS.GPSLongitudeRef], gps[ExifTags.GPS.GPSLongitude] = "W", (9.0, 15.0, 36.0)
    tools = b'xmp:CreatorTool="Tool 3" stEvt:softwareAgent="Tool 4"'
    xmp = b"<x " + tools + b"><xmp:ModifyDate>2021</xmp:ModifyDate></x>"
    data = with_exif(scene(64, 64), exif, xmp=xmp)
    found = traces.metadata(data)
    assert found.camera == "Maker M1"
    assert found.software == ("Editor 2", "Tool 3", "Tool 4")
    assert found.dates == {"taken (EXIF)": "2020:01:02 03:04:05", "changed (XMP)": "2021"}
    assert found.has_gps
    assert "48" not in str(found)
    assert traces.gps_position(data) == pytest.approx((48.5, -9.26))


def test_absent_and_damaged_metadata():
    for data in (
        encode(scene(64, 64), quality=80),
        with_exif(scene(64, 64), b"Exif\0\0II*\0\xff\xff\xff\x7f"),
        with_exif(scene(64, 64), exif_with_thumbnail(b"no picture")),
    ):
        found = traces.metadata(data)
        assert (found.camera, found.software, found.dates, found.has_gps) == (None, (), {}, False)
        assert traces.gps_position(data) is None
        assert traces.embedded_thumbnail(data, decode(data)) is None
    with pytest.raises(ImageError):
        traces.metadata(b"text")


def test_thumbnail_of_another_picture_is_noticed():
    pixels = scene()
    preview = np.zeros((120, 160, 3), np.uint8)
    preview[7:114] = np.asarray(Image.fromarray(pixels).resize((160, 107)))
    exif = exif_with_thumbnail(encode(preview, quality=85))
    for image, differs in ((pixels, False), (scene(seed=9), True)):
        data = with_exif(image, exif)
        thumbnail = traces.embedded_thumbnail(data, decode(data))
        assert thumbnail.embedded.shape == (107, 160, 3)
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
        thumbnail = traces.embedded_thumbnail(data, decode(data))
        assert not thumbnail.differs
        assert thumbnail.turns == turns
    data = with_exif(pixels[:, : pixels.shape[1] // 2], exif)
    assert traces.embedded_thumbnail(data, decode(data)).differs
