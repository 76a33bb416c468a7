import pytest
from PIL import ExifTags, Image

from forgery.evidence.facts.metadata import gps_position, metadata
from forgery.evidence.facts.thumbnail import compare_thumbnail
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode, read_metadata
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.evidence.scenes import exif_with_thumbnail, scene, with_exif, xmp


def test_metadata_names_camera_software_and_dates_but_not_the_place():
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Maker"
    exif[ExifTags.Base.Model] = "Maker M1\0\x07"
    exif[ExifTags.Base.Software] = "Editor 2"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2020:01:02 03:04:05"
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = "N", (48.0, 30.0, 0.0)
    gps[ExifTags.GPS.GPSLongitudeRef], gps[ExifTags.GPS.GPSLongitude] = "W", (9.0, 15.0, 36.0)
    history = "<rdf:Seq><rdf:li stEvt:action='saved' stEvt:softwareAgent='Tool 4'/></rdf:Seq>"
    stated = f"<xmp:ModifyDate>2021</xmp:ModifyDate><xmpMM:History>{history}</xmpMM:History>"
    data = with_exif(scene(64, 64), exif, xmp=xmp(stated, "xmp:CreatorTool='Tool 3'"))
    found = metadata(read_metadata(data), data)
    assert found.camera == "Maker M1"
    assert found.software == ("Editor 2", "Tool 3", "Tool 4")
    assert found.dates == {"taken (EXIF)": "2020:01:02 03:04:05", "changed (XMP)": "2021"}
    assert found.history == ("saved by Tool 4",)
    assert found.has_gps
    assert "48" not in str(found)
    assert gps_position(read_metadata(data)) == pytest.approx((48.5, -9.26))


def test_absent_and_damaged_metadata():
    for data in (
        encode(scene(64, 64), quality=80),
        with_exif(scene(64, 64), b"Exif\0\0II*\0\xff\xff\xff\x7f"),
        with_exif(scene(64, 64), exif_with_thumbnail(b"no picture")),
    ):
        found = metadata(read_metadata(data), data)
        assert (found.camera, found.software, found.dates, found.has_gps) == (None, (), {}, False)
        assert gps_position(read_metadata(data)) is None
        assert compare_thumbnail(read_metadata(data).thumbnail, decode(data)) is None
    with pytest.raises(ImageError):
        read_metadata(b"text")
