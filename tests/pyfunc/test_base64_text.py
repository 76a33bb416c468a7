import base64

import pytest

from forgery_pyfunc import base64_text
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.model import to_bytes

DATA = bytes(range(256)) * 3
TEXT = base64.b64encode(DATA).decode()


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r", "\n\n"])
def test_line_breaks_count_for_nothing(end):
    broken = end.join([TEXT[:7], TEXT[7:76], TEXT[76:]]) + end
    for read in (base64_text.decode, to_bytes):
        assert read(broken) == read(broken.encode()) == DATA
    assert base64_text.decode("") == b""


@pytest.mark.parametrize(
    "odd", [" ", "\t", "\f", "\0", "*", "-", "_", "=", "ä", "\u2028", "\x85", "."]
)
def test_other_characters_are_refused(odd):
    for text in (TEXT + odd, odd + TEXT, TEXT[:8] + odd + TEXT[8:]):
        for encoded in (text, text.encode()):
            with pytest.raises(ImageError) as refusal:
                base64_text.decode(encoded)
            assert refusal.value.code == "bad_base64"
        with pytest.raises(ImageError):
            to_bytes(text)


@pytest.mark.parametrize(
    "text", ["QUJDRA", "QUJDRA=", "QUJDRA===", "QUJD====", "QUJD=", "====", "Q"]
)
def test_false_padding_is_refused(text):
    with pytest.raises(ImageError):
        base64_text.decode(text)
