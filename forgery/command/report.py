"""`forgery report`: a PDF on one picture."""

from functools import partial
from pathlib import Path

import click

from forgery.command import scorers
from forgery.command.exits import Failure, failing_for

EXAMPLES = """\b
Examples:
  forgery report photo.jpg
  forgery report photo.jpg -o case-17.pdf --location
"""


@click.command(epilog=EXAMPLES)
@click.argument("path", metavar="PICTURE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to; by default beside the picture, such as photo-report.pdf.",
)
@click.option("--location", is_flag=True, help="Tell where the picture was taken.")
@scorers.model_option
@scorers.url_option
def report(
    path: Path, output: Path | None, location: bool, model: str | None, url: str | None
) -> None:
    """Write a PDF report on one picture.

    It holds verdict, heat map, evidence views and file facts. It is drawn in this process, with the
    shipped detector; with --url, by the web front end.
    """
    scorers.prepare()
    output = output or path.with_name(f"{path.stem}-report.pdf")
    if output.absolute() == path.absolute():
        raise Failure(f"--output: {click.format_filename(output)} is the picture.")
    name = click.format_filename(path.name)
    url = scorers.chosen_url(url, model)
    with failing_for(path):
        data = path.read_bytes()
        draw = partial(asked, url) if url else partial(drawn, model)
        output.write_bytes(draw(name, data, location))
    click.echo(click.format_filename(output))


def asked(url: str, name: str, data: bytes, location: bool) -> bytes:
    """Return the report that a server draws."""
    from forgery.client import Client

    return Client(url).report(name, data, location)


def drawn(model: str | None, name: str, data: bytes, location: bool) -> bytes:
    """Return the report, drawn in this process."""
    from importlib.metadata import version

    from forgery.evidence.analysis import analyse
    from forgery.report.pdf import draw

    record = scorers.judged(data, model)
    return draw(
        analyse(name, data, record, scorers.limits(), location), version("forgery-detector")
    )
