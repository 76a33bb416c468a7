"""Every error of the API: its code, its status, and the one shape in which it is answered."""

import logging
import math

from flask import Flask, Response, g, jsonify, render_template, request
from pydantic import BaseModel
from werkzeug.exceptions import ClientDisconnected, HTTPException

from forgery_pyfunc.errors import ForgeryError

logger = logging.getLogger(__name__)

STATUS_OF_CODE = {
    "bad_request": 400,
    "missing_file": 400,
    "missing_column": 400,
    "bad_base64": 400,
    "bad_parameter": 400,
    "too_many_files": 400,
    "no_readable_image": 400,
    "empty_image": 400,
    "consent_needed": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "upload_too_slow": 408,
    "too_large": 413,
    "unsupported_media_type": 415,
    "not_an_image": 415,
    "unsupported_format": 415,
    "broken_image": 422,
    "too_many_pixels": 422,
    "decoder_failed": 422,
    "too_many_requests": 429,
    "internal_error": 500,
    "scoring_server_failed": 502,
    "scoring_server_absent": 503,
    "scoring_server_busy": 503,
    "no_room": 503,
    "feedback_off": 503,
    "feedback_full": 503,
    "jobs_off": 503,
    "scoring_server_late": 504,
}
"""Codes that the API answers with, and the HTTP status of each."""

RETURN_SECONDS = {"scoring_server_absent": 5, "scoring_server_busy": 5, "no_room": 30}
"""After how many seconds a client may ask again, for errors that pass by themselves."""

CODE_OF_STATUS = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    408: "upload_too_slow",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


class ApiError(ForgeryError):
    """A request that cannot be answered; `code` is a key of `STATUS_OF_CODE`."""

    def __init__(self, code: str, message: str, retry_after: float | None = None) -> None:
        """Set code, message and, where time helps, after how many seconds to try again."""
        super().__init__(message, code)
        self.retry_after = retry_after


class ErrorDetail(BaseModel):
    """Code for machines, sentence for people."""

    code: str
    message: str


class ErrorAnswer(BaseModel):
    """The body of every answer whose status is 400 or more."""

    error: ErrorDetail


def wants_html() -> bool:
    """Return whether the caller is a browser, which shows the answer, not a program."""
    accepted = request.accept_mimetypes
    best = accepted.best_match(["application/json", "text/html"])
    return best == "text/html" and accepted["text/html"] > accepted["application/json"]


def answer(code: str, message: str, status: int | None = None) -> tuple[Response | str, int]:
    """Return the answer to a failed request: JSON, or a page for a browser."""
    status = status or STATUS_OF_CODE.get(code, 500)
    g.error_code = code
    if wants_html():
        return render_template("error.html", code=code, message=message, status=status), status
    body = ErrorAnswer(error=ErrorDetail(code=code, message=message))
    return jsonify(body.model_dump()), status


def register(app: Flask) -> None:
    """Make the application answer every exception in the one shape."""

    @app.after_request
    def say_when_to_return(response: Response) -> Response:
        if seconds := RETURN_SECONDS.get(g.get("error_code", "")):
            response.headers.setdefault("Retry-After", str(seconds))
        return response

    @app.errorhandler(ApiError)
    def on_refusal(error: ApiError) -> Response:
        if error.retry_after is None:
            return app.make_response(answer(error.code, str(error)))
        seconds = max(1, math.ceil(error.retry_after))
        refusal = app.make_response(answer(error.code, f"{error} Try again in {seconds} s."))
        refusal.headers["Retry-After"] = str(seconds)
        return refusal

    @app.errorhandler(ForgeryError)
    def on_known_error(error: ForgeryError) -> tuple[Response | str, int]:
        return answer(error.code, str(error))

    @app.errorhandler(ClientDisconnected)
    def on_cut_off_body(error: ClientDisconnected) -> tuple[Response | str, int]:
        return answer("bad_request", "The upload was cut off; please send it again.")

    @app.errorhandler(HTTPException)
    def on_http_exception(error: HTTPException) -> tuple[Response | str, int]:
        status = error.code or 500
        if status < 400:  # a redirect that Werkzeug raises is an answer, not an error
            return error.get_response(), status  # type: ignore[return-value]
        if status == 413:
            allowed = request.max_content_length or 0
            message = f"A request may be at most {allowed / 2**20:g} MiB in size."
            if 0 < (request.content_length or 0) <= allowed:
                text = app.config["MAX_FORM_MEMORY_SIZE"] / 2**20
                message = f"The form has too many fields, or its text fields exceed {text:g} MiB."
            return answer("too_large", message, 413)
        code = CODE_OF_STATUS.get(status, "bad_request" if status < 500 else "internal_error")
        return answer(code, error.description or error.name, status)

    @app.errorhandler(Exception)
    def on_unknown_error(error: Exception) -> tuple[Response | str, int]:
        logger.exception("unexpected error", exc_info=error)
        return answer("internal_error", "An internal error occurred; it has been logged.")
