"""Reading multipart forms: which files came, which of them are worth sending on."""

import contextlib
import errno
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from flask import Request, current_app, request
from werkzeug.exceptions import RequestTimeout
from werkzeug.formparser import FormDataParser

from forgery_pyfunc.contract import CodedMessage
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import Limits, check
from webui.errors import ApiError
from webui.server.deadlines import due
from webui.settings import Settings

FIELD = "file"
GRACE_SECONDS = 30
TOO_SLOW = "The upload took too long; please send it again."
MAX_NAME = 120


class FormRequest(Request):
    """A request whose form is told from a damaged one, and that stops at too many files."""

    def make_form_data_parser(self) -> FormDataParser:
        """Return a parser that raises what it would otherwise take for an empty form."""
        parser = super().make_form_data_parser()
        parser.silent = False
        return parser

    def _load_form_data(self) -> None:
        try:
            super()._load_form_data()
        except ValueError as error:
            message = "The form is cut off or not well-formed; please send it again."
            raise ApiError("bad_request", message) from error
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            message = "There is no room for so many uploads at once; please try again shortly."
            raise ApiError("no_room", message) from error

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> Any:
        self.files_met = getattr(self, "files_met", 0) + bool(filename)
        allowed = current_app.config["SETTINGS"].max_files
        if self.files_met > allowed:
            message = f"More than {allowed} files in one request; at most {allowed} are allowed."
            raise ApiError("too_many_files", message)
        return super()._get_file_stream(
            total_content_length, content_type, filename, content_length
        )


@dataclass(frozen=True)
class Upload:
    """One file of a form: its bytes, or why it is refused."""

    filename: str
    data: bytes
    refusal: CodedMessage | None


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
    return [_read(file.stream, file.filename or "", settings.limits) for file in files]


def _read(stream: Any, filename: str, limits: Limits) -> Upload:
    data = stream.read(limits.max_bytes + 1)
    return Upload(plain_name(filename), data, refusal(data, limits))


def refusal(
    data: bytes, limits: Limits, read: Callable[[bytes, Limits], object] = check
) -> CodedMessage | None:
    """Return why these bytes are no readable image, None where they are.

    Args:
        data: the file.
        limits: of size.
        read: `check` judges without decoding; `decode` finds damage inside the pixel data too.
    """
    try:
        read(data, limits)
    except ImageError as error:
        return CodedMessage.of(error)
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
    who send a byte now and then, and the whole.
    """

    def __init__(
        self, body: BinaryIO, settings: Settings, connection: socket.socket | None = None
    ) -> None:
        """Take over a body, and the connection it comes by, where the server tells."""
        self.body = body
        self.connection = connection
        self.floor = settings.upload_floor_kb * 1024
        self.started = time.monotonic()
        self.last = self.started + settings.upload_seconds
        self.received = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; raise RequestTimeout when the sender is too slow."""
        return self._receive(self.body.read, size)

    def readline(self, size: int = -1) -> bytes:
        """Return one line of at most `size` bytes."""
        return self._receive(self.body.readline, size)

    def _receive(self, read: Callable[[int], bytes], size: int) -> bytes:
        expected = self.received + size if size > 0 else float("inf")
        try:
            with self._due(self._deadline(expected)):
                chunk = read(size)
        except (TimeoutError, BlockingIOError) as error:  # as sockets report a long silence
            raise RequestTimeout(TOO_SLOW) from error
        self.received += len(chunk)
        reached = self.received if chunk else expected  # after the end there is nothing to wait for
        if time.monotonic() > self._deadline(reached):
            raise RequestTimeout(TOO_SLOW)
        return chunk

    def _due(self, deadline: float) -> contextlib.AbstractContextManager[None]:
        return due(self.connection, deadline) if self.connection else contextlib.nullcontext()

    def _deadline(self, count: float) -> float:
        """Return when so many bytes must be here."""
        if not self.floor:
            return self.last
        return min(self.last, self.started + GRACE_SECONDS + count / self.floor)


class Pacing:
    """WSGI middleware that puts a `PacedInput` under every request."""

    def __init__(self, application: Any, settings: Settings) -> None:
        self.application = application
        self.settings = settings

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer a request."""
        connection = environ.get("gunicorn.socket")
        environ["wsgi.input"] = PacedInput(environ["wsgi.input"], self.settings, connection)
        return self.application(environ, start_response)
