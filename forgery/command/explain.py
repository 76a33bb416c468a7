"""`forgery explain`: what can be seen in one picture, as PNGs and in words."""

from pathlib import Path

import click

from forgery.command import scorers
from forgery.command.exits import Failure, failing_for

EXAMPLES = """\b
Examples:
  forgery explain photo.jpg
  forgery explain photo.jpg -o EVIDENCE --json
"""


@click.command(epilog=EXAMPLES)
@click.argument("path", metavar="PICTURE", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to; by default a folder beside the picture, such as photo-evidence.",
)
@click.option("--json", "as_json", is_flag=True, help="Print verdict and facts as JSON.")
@click.option("--location", is_flag=True, help="Tell where the picture was taken.")
@scorers.model_option
def explain(
    path: Path, output: Path | None, as_json: bool, location: bool, model: str | None
) -> None:
    """Draw the evidence on one picture.

    Writes heat map, error levels, noise and block grid as PNGs in the picture's full size, a sheet
    of JPEG ghosts, and the verdict as text, which is also printed. Nothing leaves this machine.
    """
    scorers.prepare()
    from forgery.report import folder

    output = output or path.with_name(f"{path.stem}-evidence")
    name = click.format_filename(path.name)
    with failing_for(path):
        data = path.read_bytes()
        record = scorers.judged(data, model)
        explanation = folder.explain(name, data, record, scorers.limits(), location)
        if path.absolute().parent == output.absolute() and path.name in explanation.files:
            raise Failure(f"{name} would be overwritten: give another folder with --output.")
        explanation.write(output)
    click.echo(explanation.to_json() if as_json else explanation.text(), nl=as_json)
    click.echo(f"Written to {click.format_filename(output)}", err=True)
