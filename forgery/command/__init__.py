"""The command `forgery`: scan files, write reports, start the page."""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NoReturn

import click
from jinja2 import Environment, PackageLoader

from forgery.client import Client, ClientError
from forgery.evidence.analysis import percent
from forgery_pyfunc.contract import CodedMessage, Record
from forgery_pyfunc.errors import ForgeryError
from forgery_pyfunc.imaging.decoding import Limits
from webui.settings import Settings
from webui.uploads import refusal

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".bmp", ".webp"})
"""What a folder is searched for; files named on the command line are always read."""

GROUP = "forgery.commands"
"""Entry points of commands that need more than this room may import: `doctor`, `history`."""

CLEAN, FORGED, FAILED, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: nothing forged; at least one forged; at least one file could not be scored, or
the command failed; Ctrl-C."""

ANY_SIZE = Limits(max_bytes=2**30, max_pixels=10**9)
"""More than any server reads: which sizes it takes is for the server to say."""

FIELDS = ("path", "verdict", "probability", "width", "height", "format", "model_version", "error")

url_option = click.option(
    "--url",
    envvar="FORGERY_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="The web front end; for `scan` also a bare scoring server. [FORGERY_URL]",
)


@dataclass(frozen=True)
class Row:
    """One file and its answer."""

    path: Path
    record: Record

    @property
    def name(self) -> str:
        """The path as text; bytes that are no UTF-8 become replacement characters."""
        return click.format_filename(self.path)

    def as_dict(self) -> dict[str, object]:
        """Return the fields of `FIELDS`."""
        return {"path": self.name, **{name: getattr(self.record, name) for name in FIELDS[1:]}}


class Installed(click.Group):
    """The commands of this module, and those of other rooms where they are installed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted([*super().list_commands(ctx), *entry_points(group=GROUP).names])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; one of another room is imported only when it is asked for."""
        for found in entry_points(group=GROUP).select(name=cmd_name):
            return found.load()
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; no status that means something else may stand for a failure."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise  # click's own way to end
        except BrokenPipeError:  # whoever read the output has gone
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 until the process ends
            sys.exit(FAILED)
        except Exception as error:
            fail(f"{type(error).__name__}: {error}")


@click.group(cls=Installed, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="forgery-detector")
def main() -> None:
    """Tell whether pictures have been forged, and where."""


@main.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "layout", flag_value="json", help="One JSON object per line.")
@click.option("--csv", "layout", flag_value="csv", help="Comma-separated values with a header.")
@click.option("--html", "layout", flag_value="html", help="One self-contained page.")
@click.option("--threshold", type=click.FloatRange(0, 1), help="Replaces the grey band.")
@url_option
def scan(paths: tuple[Path, ...], layout: str | None, threshold: float | None, url: str) -> None:
    """Score files and folders.

    Exit status: 0 when nothing is called forged, 1 when something is, 2 when a file could not be
    scored or the server does not answer.
    """
    files = list(find_files(paths))
    if not files:
        fail(f"There is no picture; folders are searched for {', '.join(sorted(SUFFIXES))}.")
    rows = scan_files(Client(url), files, threshold)
    try:
        finished = WRITERS[layout or "text"](rows)
    except ForgeryError as error:
        fail(str(error))
    sys.exit(exit_status(finished))


@main.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--location", is_flag=True, help="Print where the picture was taken.")
@url_option
def report(path: Path, output: Path | None, location: bool, url: str) -> None:
    """Write a PDF report on one picture, by default beside it."""
    output = output or path.with_name(f"{path.stem}-report.pdf")
    try:
        name = click.format_filename(path.name)
        output.write_bytes(Client(url).report(name, path.read_bytes(), location))
    except (ForgeryError, OSError) as error:
        fail(f"{click.format_filename(path)}: {error}")
    click.echo(click.format_filename(output))


@main.command()
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
        fail(str(error))
    arguments = ["-c", "python:webui.server.gunicorn_settings", "webui.application:create_app()"]
    os.execve(sys.executable, [sys.executable, "-m", "gunicorn", *arguments], environment)  # noqa: S606


def fail(message: str) -> NoReturn:
    """End with one sentence and the exit status of failures."""
    click.echo(f"Error: {message}", err=True)
    sys.exit(FAILED)


def find_files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the files named, and the pictures in the folders named, in a stable order."""
    for path in paths:
        if path.is_dir():
            found = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            yield from sorted(p for p in found if not p.is_dir())
        else:
            yield path


def scan_files(client: Client, files: list[Path], threshold: float | None) -> Iterator[Row]:
    """Yield one row per file, as the answers come; a bad file has its error in the record.

    Raises:
        ClientError: there is no server from the start.
    """
    answered = False
    for path in files:
        try:
            with path.open("rb") as file:
                data = file.read(ANY_SIZE.max_bytes + 1)
            reason = refusal(data, ANY_SIZE)
            record = Record(error=str(reason)) if reason else client.score([data], threshold)[0]
            answered = answered or not reason
        except OSError as error:
            record = Record(error=str(CodedMessage("unreadable", error.strerror or str(error))))
        except ClientError as error:
            if error.code == "scoring_server_absent" and not answered:
                client.mlflow_version()  # raises, unless a server only broke off this upload
            record = Record(error=str(CodedMessage.of(error)))
        yield Row(path, record)


def exit_status(rows: list[Row]) -> int:
    """Return the exit status for finished rows; a failure outweighs a forgery."""
    if any(row.record.error for row in rows):
        return FAILED
    return FORGED if any(row.record.verdict == "forged" for row in rows) else CLEAN


def write_text(rows: Iterator[Row]) -> list[Row]:
    """Write a line per file for people."""
    done = []
    for row in rows:
        record = row.record
        share = "" if record.probability is None else percent(record.probability)
        click.echo(f"{record.verdict or 'error':13}{share:>7}  {row.name}", nl=not record.error)
        if record.error:
            click.echo(f": {record.error_message or record.error}")
        done.append(row)
    counts = dict.fromkeys(("forged", "inconclusive", "authentic"), 0)
    for row in done:
        if row.record.verdict:
            counts[row.record.verdict] += 1
    failed = sum(bool(row.record.error) for row in done)
    summary = ", ".join(f"{count} {word}" for word, count in counts.items())
    click.echo(f"{len(done)} files: {summary}, {failed} not scored", err=True)
    return done


def write_json(rows: Iterator[Row]) -> list[Row]:
    """Write a JSON object per line."""
    done = []
    for row in rows:
        click.echo(json.dumps(row.as_dict()))
        done.append(row)
    return done


def write_csv(rows: Iterator[Row]) -> list[Row]:
    """Write comma-separated values with a header."""
    click.echo(",".join(FIELDS))
    done = []
    for row in rows:
        line = io.StringIO()
        csv.DictWriter(line, FIELDS, lineterminator="\n").writerow(row.as_dict())
        click.echo(line.getvalue(), nl=False)
        done.append(row)
    return done


def write_html(rows: Iterator[Row]) -> list[Row]:
    """Write one self-contained page."""
    done = list(rows)
    environment = Environment(loader=PackageLoader("forgery.command"), autoescape=True)
    environment.filters["percent"] = percent
    click.echo(environment.get_template("scan.html").render(rows=done))
    return done


WRITERS: dict[str, Callable[[Iterator[Row]], list[Row]]] = {
    "text": write_text,
    "json": write_json,
    "csv": write_csv,
    "html": write_html,
}

if __name__ == "__main__":
    main()
