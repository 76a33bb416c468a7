"""Why a file cannot be read, found without the scoring server."""

from forgery_pyfunc.decoding import Limits, decode
from forgery_pyfunc.errors import ImageError


def explain(data: bytes, limits: Limits) -> str | None:
    """Return `code: message` for bytes that are no readable image, None for a sound image."""
    try:
        decode(data, limits)
    except ImageError as error:
        return f"{error.code}: {error}"
    return None
