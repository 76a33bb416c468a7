"""Reading multipart forms: which files came, which of them can be scored."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

from flask import Request, current_app, request
from werkzeug.formparser import FormDataParser

from forgery_pyfunc.contract import CodedMessage
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import check
from forgery_pyfunc.imaging.guards import Limits
from webui.errors import ApiError

FIELD = "file"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
"""What the system says where a disk or somebody's share of it is full."""
MAX_NAME = 120


@contextmanager
def disk_may_be_full() -> Iterator[None]:
    """Turn the failure for lack of space into `ApiError`, `no_room`."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        message = "The server has no space for more uploads; please try again shortly."
        raise ApiError("no_room", message) from error


class FormRequest(Request):
    """A request that refuses damaged forms, and forms with too many files."""

    max_files: int | None = None  # where a view allows others than the settings do

    def make_form_data_parser(self) -> FormDataParser:
        """Return a parser that raises an error for a damaged form, instead of an empty form."""
        parser = super().make_form_data_parser()
        parser.silent = False
        return parser

    def _load_form_data(self) -> None:
        try:
            with disk_may_be_full():
                super()._load_form_data()
        except ValueError as error:
            message = "The form is cut off or malformed; please send it again."
            raise ApiError("bad_request", message) from error

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> Any:
        self.files_met = getattr(self, "files_met", 0) + bool(filename)
        allowed = self.max_files or current_app.config["SETTINGS"].max_files
        if self.files_met > allowed:
            message = f"More than {allowed} files in one request; at most {allowed} are allowed."
            raise ApiError("too_many_files", message)
        return super()._get_file_stream(
            total_content_length, content_type, filename, content_length
        )


def form_parts(files: int) -> int:
    """Return how many parts a form may have: such a number of files too many is met as such."""
    return 2 * files + 20


def allow_larger_form(files: int, size: int) -> None:
    """Let the current request, of which no part is read yet, have so many files and bytes."""
    form = cast(FormRequest, request)
    form.max_files = files
    form.max_content_length = size
    form.max_form_parts = form_parts(files)


@dataclass(frozen=True)
class Upload:
    """One file of a form: its bytes, or why it is refused."""

    filename: str
    data: bytes
    refusal: CodedMessage | None


def read_uploads() -> list[Upload]:
    """Return the files of the current request; see `each_upload`."""
    return list(each_upload())


def each_upload() -> Iterator[Upload]:
    """Return the files of the current request, in order, checked by size and magic bytes.

    One at a time is read into memory.

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
    limits = current_app.config["SETTINGS"].limits
    return (_read(file.stream, file.filename or "", limits) for file in files)


def read_one_upload() -> Upload:
    """Return the only file of the current request.

    Raises:
        ApiError: there is none, more than one, or one that is refused.
    """
    uploads = read_uploads()
    if len(uploads) > 1:
        raise ApiError("too_many_files", "Send one file at a time here.")
    (upload,) = uploads
    if upload.refusal:
        raise ApiError(upload.refusal.code, upload.refusal.message)
    return upload


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
        read: `check` judges without decoding; a reader's `decode` finds damage inside the pixel
            data too.
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
