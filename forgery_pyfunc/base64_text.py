"""Base64 as requests hold it: one reading of it for model and page."""

import base64

from forgery_pyfunc.errors import ImageError


def decode(text: str | bytes) -> bytes:
    """Return the bytes that base64 text stands for; line breaks in it count for nothing.

    Raises:
        ImageError: `bad_base64` for any other character that is not of the alphabet, and for
            missing or surplus padding.
    """
    try:
        plain = (text.encode("ascii") if isinstance(text, str) else text).translate(None, b"\r\n")
        if len(plain) % 4 or plain.endswith(b"==="):  # which the decoder accepts
            raise ValueError("the padding is not that of the text")
        return base64.b64decode(plain, validate=True)
    except ValueError as error:
        raise ImageError("the image is not valid base64", code="bad_base64") from error
