import pytest

from forgery_pyfunc.imaging.sniffing import sniff
from tests.pyfunc.imaging.images import refusal


@pytest.mark.parametrize(
    ("data", "name", "code", "word"),
    [
        (b"GIF89a" + bytes(50), "GIF", "unsupported_format", "GIF"),
        (b"\0\0\0\x18ftypheic" + bytes(50), "HEIC", "unsupported_format", "HEIC"),
        (b"\0\0\0\x18ftypavif" + bytes(50), "AVIF", "unsupported_format", "AVIF"),
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
    assert "JPEG, PNG, TIFF, BMP and WebP" in str(error)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("end", ["x", "<html>"])
@pytest.mark.parametrize("filling", ["<!---->", "<!-- -->\n", "<!--"])
def test_many_comments_are_told_apart_at_once(filling, end):
    named = "HTML" if end == "<html>" and "-->" in filling else "text"
    assert sniff((filling * 100 + end).encode()) == named
