"""Reading multipart forms: which files came, which of them are worth sending on."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from flask import request
from werkzeug.exceptions import RequestTimeout

from forgery_pyfunc.decoding import Limits, check
from forgery_pyfunc.errors import ImageError
from webui.errors import ApiError
from webui.settings import Settings

FIELD = "file"
GRACE_SECONDS = 30
TOO_SLOW = "The upload stalled; please send it again."
MAX_NAME = 120


@dataclass(frozen=True)
class Upload:
    """One file of a form: its bytes, or why it is refused (`code: message`)."""

    filename: str
    data: bytes
    refusal: str | None


def read_uploads(settings: Settings) -> list[Upload]:
    """Return the files of the current request, in order, checked by size and magic bytes.

    Raises:
        ApiError: the form holds no file, too many, or files in other fields.
    """
    if request.mimetype != "multipart/form-data":
        message = 'Send a multipart form with one or more files in the field "file".'
        raise ApiError("bad_request", message)
    if set(request.files) - {FIELD}:
        raise ApiError("bad_request", 'Files are read from the field "file" only.')
    files = [file for file in request.files.getlist(FIELD) if file.filename]
    if not files:
        raise ApiError("missing_file", "Choose at least one picture first.")
    if len(files) > settings.max_files:
        message = f"{len(files)} files in one request; at most {settings.max_files} are allowed."
        raise ApiError("too_many_files", message)
    return [_read(file.stream, file.filename or "", settings.limits) for file in files]


def _read(stream: Any, filename: str, limits: Limits) -> Upload:
    data = stream.read(limits.max_bytes + 1)
    return Upload(plain_name(filename), data, refusal(data, limits))


def refusal(
    data: bytes, limits: Limits, read: Callable[[bytes, Limits], object] = check
) -> str | None:
    """Return why these bytes are no readable image (`code: message`), None where they are.

    Args:
        data: the file.
        limits: of size.
        read: `check` judges without decoding; `decode` finds damage inside the pixel data too.
    """
    try:
        read(data, limits)
    except ImageError as error:
        return f"{error.code}: {error}"
    return None


def plain_name(filename: str) -> str:
    """Return a file name without folders and control characters, cut to a sensible length."""
    name = filename.replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(character for character in name if character.isprintable()).strip()
    if len(name) > MAX_NAME:
        name = f"{name[: MAX_NAME - 20]}…{name[-19:]}"
    return name or "picture"


class PacedInput:
    """A request body that gives up on senders slower than a floor.

    Silence is bounded by the socket's own timeout (see `gunicorn_settings`); this bounds those
    who send a byte now and then.
    """

    def __init__(self, body: BinaryIO, floor_bytes_per_second: float) -> None:
        self.body = body
        self.floor = floor_bytes_per_second
        self.started = time.monotonic()
        self.received = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; raise RequestTimeout when the sender is too slow."""
        return self._receive(self.body.read, size)

    def readline(self, size: int = -1) -> bytes:
        """Return one line of at most `size` bytes."""
        return self._receive(self.body.readline, size)

    def _receive(self, read: Callable[[int], bytes], size: int) -> bytes:
        try:
            chunk = read(size)
        except (TimeoutError, BlockingIOError) as error:  # as sockets report a long silence
            raise RequestTimeout(TOO_SLOW) from error
        self.received += len(chunk)
        seconds = time.monotonic() - self.started - GRACE_SECONDS
        if seconds > 0 and self.received < seconds * self.floor:
            raise RequestTimeout(TOO_SLOW)
        return chunk


class Pacing:
    """WSGI middleware that puts a `PacedInput` under every request."""

    def __init__(self, application: Any, settings: Settings) -> None:
        self.application = application
        self.floor = settings.upload_floor_kb * 1024

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request."""
        environ["wsgi.input"] = PacedInput(environ["wsgi.input"], self.floor)
        return self.application(environ, start_response)
