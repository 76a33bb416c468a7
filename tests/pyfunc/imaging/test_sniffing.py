import pytest

from forgery_pyfunc.imaging.sniffing import sniff
from tests.pyfunc.imaging.images import refusal


@pytest.mark.parametrize(
    ("data", "name", "code", "word"),
    [
        (b"GIF89a" + bytes(50), "GIF", "unsupported_format", "GIF"),
        (
            b"\xef\xbb\xbf <?xml version='1.0'?>\n<svg xmlns=''/>",
            "SVG",
            "unsupported_format",
            "SVG",
        ),
        (b"%PDF-1.7\n", "PDF", "unsupported_format", "PDF"),
        (b"8BPS\0\1" + bytes(50), "PSD", "unsupported_format", "Photoshop"),
        (b"<!DOCTYPE html><html><svg></svg>", "HTML", "not_an_image", "HTML"),
        ("<html><p>Grüße".encode(), "HTML", "not_an_image", "HTML"),
        (b"PK\3\4" + bytes(50), "ZIP", "not_an_image", "ZIP"),
        ("Grüße aus Köln".encode(), "text", "not_an_image", "text"),
        (b"\0\0\0\x18ftypisom" + bytes(50), "MP4", "not_an_image", "video"),
        (bytes(range(255, 0, -1)), None, "not_an_image", "Unrecognised image format"),
    ],
)
def test_what_is_not_read_is_named(data, name, code, word):
    assert sniff(data) == name
    error = refusal(data)
    assert error.code == code
    assert word in str(error)
    assert "JPEG, PNG, TIFF, BMP, WebP, HEIC and AVIF" in str(error)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("end", ["x", "<html>"])
@pytest.mark.parametrize("filling", ["<!---->", "<!-- -->\n", "<!--"])
def test_many_comments_are_told_apart_at_once(filling, end):
    named = "HTML" if end == "<html>" and "-->" in filling else "text"
    assert sniff((filling * 100 + end).encode()) == named


def header(*brands: bytes) -> bytes:
    """Return the start of a file in ISO's container, with its main brand and compatible ones."""
    first, *others = brands
    box = b"ftyp" + first + bytes(4) + b"".join(others)
    return (len(box) + 4).to_bytes(4, "big") + box + bytes(50)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (header(b"crx ", b"crx ", b"isom"), "RAW"),
        (header(b"qt  "), "MP4"),
        (header(b"mp42", b"isom"), "MP4"),
        (b"\0\0\0\x08wide" + bytes(50), "MP4"),
        (b"\x1aE\xdf\xa3" + bytes(50), "MP4"),
        (b"RIFF\0\0\0\0AVI " + bytes(50), "MP4"),
        (b"RIFF\0\0\0\0WAVE" + bytes(50), "sound"),
        (b"\0\0\2\0\1\0\x20\x20" + bytes(50), "ICO"),
        (b"\0\0\2" + bytes(9) + b"\x20\0\x20\0\x18\0" + bytes(50), "TGA"),
        (b"II\x1a\0\0\0HEAPCCDR" + bytes(50), "RAW"),
        (b"II*\0\x10\0\0\0CR" + bytes(50), "RAW"),
        (b"P6\n20 20\n255\n" + bytes(1200), "Netpbm"),
        (b"P6 a poem", "text"),
        (bytes(128) + b"DICM" + bytes(50), "DICOM"),
        (b"BM" + bytes(12) + (16).to_bytes(4, "little") + bytes(50), "OS/2"),
        (b"II\xbc\1" + bytes(50), "JPEG XR"),
        (b"\xff\x4f\xff\x51" + bytes(50), "JPEG 2000"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"/* XPM */ static char", "XPM"),
        (b"gimp xcf v011" + bytes(9), "XCF"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(9), "ZIP"),
    ],
)
def test_kinds_are_told_apart(data, name):
    assert sniff(data) == name
    assert "JPEG, PNG, TIFF, BMP, WebP, HEIC and AVIF" in str(refusal(data))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (header(b"heic"), "HEIC"),
        (header(b"avif"), "AVIF"),
        (header(b"mif1", b"mif1", b"heic"), "HEIC"),
        (header(b"mif1", b"mif1", b"avif", b"miaf"), "AVIF"),
        (header(b"msf1", b"avis"), "AVIF"),
    ],
)
def test_brands_tell_heic_and_avif_apart(data, name):
    assert sniff(data) == name
    assert refusal(data).code == "broken_image"
