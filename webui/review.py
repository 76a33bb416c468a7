"""The review of feedback: a page of its own, behind a key, that one starts with `forgery review`.

It is no part of the public page. The browser asks for name and key (HTTP Basic): the name is
that of the reviewer, and the key that of the environment.
"""

import base64
import hashlib
import hmac
import logging
import os

from flask import Flask, Response, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as Answer

from forgery.client import Client, ClientError
from forgery.evidence import pictures
from forgery.evidence.analysis import map_levels
from forgery.evidence.verdict import percent
from forgery_pyfunc.contract import Record
from forgery_pyfunc.errors import ForgeryError, ImageError
from forgery_pyfunc.imaging.decoding import decode, oriented
from webui.application import SECURITY_HEADERS
from webui.feedback_store import Feedback, Store
from webui.settings import Settings, SettingsError

KEY = "REVIEW_KEY"
SHORTEST_KEY = 16
LONGEST_NAME = 60
DECISIONS = ("forged", "authentic", "rejected")

logger = logging.getLogger(__name__)


def create_app(settings: Settings | None = None, key: str | None = None) -> Flask:
    """Return the application; settings and key come from the environment by default.

    Raises:
        SettingsError: there is no key, or it is short, or FEEDBACK_DB is not set.
        StoreError: the store cannot be opened.
    """
    settings = settings or Settings.from_environment()
    key = os.environ.get(KEY, "") if key is None else key
    if len(key) < SHORTEST_KEY:
        raise SettingsError(f"{KEY} must be set, to {SHORTEST_KEY} characters or more.")
    if not settings.feedback_db:
        raise SettingsError("FEEDBACK_DB must name the feedback store that is to be reviewed.")
    app = Flask(__name__)
    app.config.update(KEY=key.encode(), SETTINGS=settings, MAX_CONTENT_LENGTH=2**16)
    app.jinja_env.filters["percent"] = percent
    app.extensions["feedback"] = Store(settings.feedback_db)
    app.extensions["client"] = Client(settings.scoring_url)
    app.before_request(check_reviewer)
    app.after_request(secure)
    app.add_url_rule("/", view_func=show)
    app.add_url_rule("/decide", view_func=decide, methods=["POST"])
    app.register_error_handler(ForgeryError, on_error)
    return app


def check_reviewer() -> Answer | None:
    """Ask for name and key unless the request brings them; the reviewer is `g.reviewer`."""
    if request.endpoint == "static":
        return None
    given = request.authorization
    name = " ".join(((given and given.username) or "").split())
    secret = ((given and given.password) or "").encode()
    if not hmac.compare_digest(secret, current_app.config["KEY"]):
        return asked("Name and key are needed.")
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
        return asked(f"A name of 1 to {LONGEST_NAME} characters is needed beside the key.")
    g.reviewer = name
    return None


def asked(message: str) -> Response:
    """Return the answer on which a browser asks for name and key."""
    return Response(f"{message}\n", 401, {"WWW-Authenticate": 'Basic realm="Review of feedback"'})


def show() -> str:
    """Show the oldest judgement that nobody has reviewed."""
    row = store().next_to_review()
    if row is None:
        return render_template("review.html", row=None, left=0)
    picture, overlay, problem = seen(row)
    return render_template(
        "review.html",
        row=row,
        left=store().left_to_review(),
        picture=picture,
        overlay=overlay,
        problem=problem,
        token=token(row.receipt),
    )


def decide() -> tuple[str, int] | Answer:
    """Keep a decision, and go on to the next judgement."""
    receipt, decision = request.form.get("receipt", ""), request.form.get("decision", "")
    if not hmac.compare_digest(request.form.get("token", "").encode(), token(receipt).encode()):
        return "This form is not from the review page: open the page again.\n", 403
    if decision not in DECISIONS:
        said = f"decision is {decision!r}; allowed: {', '.join(DECISIONS)}.\n"
        return Response(said, 400, mimetype="text/plain")  # no page: it repeats what was sent
    if not store().review(receipt, decision, g.reviewer):  # type: ignore[arg-type]
        return "This picture was withdrawn in the meantime; nothing was kept.\n", 404
    return redirect(url_for("show"), 303)


def seen(row: Feedback) -> tuple[str | None, str | None, str | None]:
    """Return picture and map as data URIs, and what is to be said where one is missing."""
    try:
        image = decode(row.image, current_app.config["SETTINGS"].limits)
    except ImageError as error:
        return None, None, str(error)
    picture = pictures.data_uri(pictures.to_jpeg(oriented(image.pixels, image.orientation)))
    try:
        [record] = current_app.extensions["client"].score([row.image], heatmap=True)
    except ClientError as error:
        return picture, None, f"No map: {error}"
    return picture, overlay_of(record), None


def overlay_of(record: Record) -> str | None:
    """Return the map of a record as a data URI, None where it has none."""
    levels = map_levels(record)
    return None if levels is None else pictures.data_uri(pictures.heat_overlay(levels))


def token(receipt: str) -> str:
    """Return what a form of this page has, and no form of another site can have."""
    said = f"{g.reviewer}\n{receipt}".encode()
    digest = hmac.digest(current_app.config["KEY"], said, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode()


def store() -> Store:
    """Return the store under review."""
    return current_app.extensions["feedback"]


def on_error(error: ForgeryError) -> tuple[str, int]:
    """Answer what the store could not do."""
    logger.error("the review failed: %s", error)
    return f"{error}\n", 503


def secure(response: Response) -> Response:
    """Return an answer that no other site can frame and no cache keeps."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Cache-Control"] = "no-store"
    return response
