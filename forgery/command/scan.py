"""`forgery scan`: verdicts on files and folders."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from forgery.command.exits import CLEAN, FAILED, FORGED, Failure
from forgery.command.layouts import LAYOUTS
from forgery.scanning import SUFFIXES, ScannedFile, Scorer, find_files
from forgery.scanning import scan as scan_files
from forgery_pyfunc.errors import ForgeryError


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "layout", flag_value="json", help="One JSON object per line.")
@click.option("--csv", "layout", flag_value="csv", help="Comma-separated values with a header.")
@click.option("--html", "layout", flag_value="html", help="One self-contained page.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Decide at this probability, without a grey band.",
)
@click.option(
    "--url",
    envvar="FORGERY_URL",
    help="Ask this web front end or scoring server instead of the shipped detector. [FORGERY_URL]",
)
def scan(
    paths: tuple[Path, ...], layout: str | None, threshold: float | None, url: str | None
) -> None:
    """Score files and folders.

    The shipped detector runs in this process; with --url, a server scores the files.

    Exit status: 0 when nothing is called forged, 1 when something is, 2 when a file could not be
    scored or the server does not answer.
    """
    files = list(find_files(paths))
    if not files:
        suffixes = ", ".join(sorted(SUFFIXES))
        raise Failure(f"No pictures found; folders are searched for {suffixes}.")
    try:
        scanned = LAYOUTS[layout or "text"](scan_files(scorer(url), files, threshold))
    except ForgeryError as error:
        raise Failure(str(error)) from error
    sys.exit(exit_status(scanned))


def scorer(url: str | None) -> Scorer:
    """Return the client of a server, or the shipped detector where no URL is given."""
    if url:
        from forgery.client import Client

        return Client(url)
    from forgery.scoring import LocalScorer
    from forgery_pyfunc import Detector

    return LocalScorer(Detector.shipped())


def exit_status(files: Sequence[ScannedFile]) -> int:
    """Return the exit status for finished files; a failure outweighs a forgery."""
    if any(file.record.error for file in files):
        return FAILED
    return FORGED if any(file.record.verdict == "forged" for file in files) else CLEAN
