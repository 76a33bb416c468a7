"""`forgery report`: a PDF on one picture, drawn by the server."""

from pathlib import Path

import click

from forgery.command.exits import Failure
from forgery_pyfunc.errors import ForgeryError


@click.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--location", is_flag=True, help="Print where the picture was taken.")
@click.option(
    "--url",
    envvar="FORGERY_URL",
    default="http://127.0.0.1:8080",
    show_default=True,
    help="Address of the web front end. [FORGERY_URL]",
)
def report(path: Path, output: Path | None, location: bool, url: str) -> None:
    """Write a PDF report on one picture, by default beside it."""
    from forgery.client import Client

    output = output or path.with_name(f"{path.stem}-report.pdf")
    try:
        name = click.format_filename(path.name)
        output.write_bytes(Client(url).report(name, path.read_bytes(), location))
    except (ForgeryError, OSError) as error:
        raise Failure(f"{click.format_filename(path)}: {error}") from error
    click.echo(click.format_filename(output))
