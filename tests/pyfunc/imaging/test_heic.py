"""HEIC and AVIF: what is read, what of a file is checked before it is decoded, what is refused."""

import struct
import subprocess
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from forgery_pyfunc.detector import Detector
from forgery_pyfunc.imaging import isobmff
from forgery_pyfunc.imaging.decoding import check, decode, oriented, read_metadata
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.sandbox.pool import Sandbox
from forgery_pyfunc.imaging.sniffing import sniff
from tests.conftest import picture
from tests.pyfunc.imaging.images import file, refusal

pillow_heif.register_heif_opener()
COLOURS = Image.fromarray(picture())
EXIF = Image.Exif()
EXIF[0x0131] = "program"
FILES = {"HEIC": file(COLOURS, "HEIF", quality=90, exif=EXIF),
         "AVIF": file(COLOURS, "AVIF", quality=90, exif=EXIF)}  # fmt: skip


def box(kind: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I4s", 8 + len(joined), kind) + joined


def grid_file(width: int, height: int, declared: tuple[int, int], kind: bytes = b"grid") -> bytes:
    """Return a HEIC file whose picture is a grid of tiles, up to where the tiles would follow."""
    grid = struct.pack(">BBBBHH", 0, 0, 0, 0, width, height)
    infe = box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", 1, 0, kind), b"\0")
    iloc = box(b"iloc", b"\1\0\0\0\x44\0", struct.pack(">HHHHHII", 1, 1, 1, 0, 1, 0, len(grid)))
    meta = box(
        b"meta", bytes(4),
        box(b"pitm", bytes(4), b"\0\1"),
        box(b"iinf", bytes(4), b"\0\1", infe),
        iloc,
        box(b"idat", grid),
        box(b"iprp", box(b"ipco", box(b"ispe", bytes(4), struct.pack(">II", *declared)))),
    )  # fmt: skip
    return box(b"ftyp", b"heic\0\0\0\0mif1heic") + meta


@pytest.mark.parametrize("name", FILES)
def test_a_picture_is_read_with_its_metadata(name):
    image = decode(FILES[name])
    check(FILES[name])
    assert (image.format, image.mode, image.frames, image.jpeg) == (name, "RGB", 1, None)
    assert np.abs(image.pixels.astype(int) - picture()).mean() < 6
    assert read_metadata(FILES[name]).exif[0x0131] == "program"


@pytest.mark.parametrize(("name", "saved_as"), [("HEIC", "HEIF"), ("AVIF", "AVIF")])
@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_grey_and_transparent_pictures(name, saved_as, mode):
    image = COLOURS.convert(mode)
    if mode == "RGBA":
        image.putalpha(0)
    found = decode(file(image, saved_as))
    assert found.format == name
    expected = 255 if mode == "RGBA" else np.asarray(COLOURS.convert("L"))[..., None].astype(int)
    assert np.abs(found.pixels - expected).mean() < 6


def test_an_avif_keeps_its_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6
    image = decode(file(COLOURS, "AVIF", exif=exif))
    assert image.orientation == 6
    assert oriented(image.luma, 6).shape == (192, 128)


@pytest.mark.parametrize("saved_as", ["HEIF", "AVIF"])
def test_of_several_pictures_the_first_is_read(saved_as):
    data = file(COLOURS, saved_as, save_all=True, append_images=[COLOURS.rotate(180)], quality=90)
    image = decode(data)
    assert image.frames == 2
    assert np.abs(image.pixels.astype(int) - picture()).mean() < 6


@pytest.mark.parametrize("name", FILES)
def test_pixels_are_counted_before_anything_is_decoded(name):
    for read in (check, decode):
        with pytest.raises(Exception, match="192 × 128") as caught:
            read(FILES[name], Limits(max_pixels=192 * 128 - 1))
        assert caught.value.code == "too_many_pixels"


def test_what_a_tile_or_a_grid_claims_counts_too():
    limits = Limits(max_pixels=10**6)
    assert refusal(grid_file(30_000, 30_000, (64, 64)), limits).code == "too_many_pixels"
    assert refusal(grid_file(64, 64, (30_000, 30_000)), limits).code == "too_many_pixels"
    assert refusal(grid_file(64, 64, (64, 64)), limits).code == "broken_image"


def test_a_picture_of_another_codec_is_named():
    error = refusal(grid_file(64, 64, (64, 64), b"vvc1"))
    assert error.code == "unsupported_format"
    assert "VVC" in str(error)


def test_a_flood_of_boxes_is_refused():
    data = box(b"ftyp", b"heic\0\0\0\0mif1heic") + box(b"free") * (isobmff.MAX_BOXES + 1)
    assert "more than 10000 boxes" in str(refusal(data))


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_anywhere_is_refused(name):
    data = FILES[name]
    for end in (20, 40, 60, 100, 200, 300, len(data) // 2, len(data) - 30):
        assert refusal(data[:end]).code in ("broken_image", "not_an_image")


@pytest.mark.parametrize("name", FILES)
def test_a_sandbox_decodes_them_to_the_same_pixels(name):
    box = Sandbox(decoders=1)
    try:
        np.testing.assert_array_equal(box.decode(FILES[name]).pixels, decode(FILES[name]).pixels)
    finally:
        box.close()


@pytest.mark.parametrize("name", FILES)
def test_they_are_not_judged(detector_folder, name):
    record = Detector.load(detector_folder).score(FILES[name])
    assert (record.verdict, record.format, record.probability) == ("inconclusive", name, None)
    assert record.reason_code == "untested_format"
    assert name in record.reason


def test_without_the_package_a_heic_picture_is_refused_with_its_name(tmp_path):
    path = tmp_path / "photo.heic"
    path.write_bytes(FILES["HEIC"])
    program = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from forgery_pyfunc.imaging.decoding import check\n"
        "check(open(sys.argv[1], 'rb').read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=False
    )
    assert "pip install 'forgery-detector[heic]'" in done.stderr
    assert sniff(FILES["HEIC"]) == "HEIC"
