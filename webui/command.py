"""`forgery serve` and `forgery review`; the command `forgery` finds them by entry points."""

import os
import sys

import click

from forgery_pyfunc.errors import ForgeryError
from webui.settings import Settings


class BadSetting(click.ClickException):
    """A setting is not allowed; the status is that of all failures of `forgery`."""

    exit_code = 2


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="[PORT]")
@click.option("--host", help="Address to listen on. [HOST]")
@click.option("--scoring-url", help="Where `mlflow models serve` listens. [SCORING_URL]")
def serve(port: int | None, host: str | None, scoring_url: str | None) -> None:
    """Start the web page and the API in front of a running scoring server."""
    given = {"PORT": port and str(port), "HOST": host, "SCORING_URL": scoring_url}
    environment = os.environ | {name: value for name, value in given.items() if value}
    try:
        Settings.from_environment(environment)
    except ForgeryError as error:
        raise BadSetting(str(error)) from error
    arguments = ["-c", "python:webui.server.gunicorn_settings", "webui.application:create_app()"]
    os.execve(sys.executable, [sys.executable, "-m", "gunicorn", *arguments], environment)  # noqa: S606


@click.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8090, show_default=True, help="Port."
)
def review(port: int) -> None:
    """Start the page on which feedback is reviewed, on this machine only.

    REVIEW_KEY must be set: the browser asks for it, and for the reviewer's name. FEEDBACK_DB names
    the feedback store, and SCORING_URL the scoring server that draws the maps.
    """
    from webui.review import create_app

    try:
        create_app()
    except ForgeryError as error:
        raise BadSetting(str(error)) from error
    click.echo(f"Review of feedback: http://127.0.0.1:{port}", err=True)
    bound = ["--bind", f"127.0.0.1:{port}", "--threads", "4", "webui.review:create_app()"]
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *bound])  # noqa: S606
