"""How a scan is written: text for people, JSON, CSV, one HTML page."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator

import click

from forgery.evidence.verdict import percent
from forgery.scanning import ScannedFile
from forgery_pyfunc.contract import Verdict

SUMMARY: tuple[Verdict, ...] = ("forged", "inconclusive", "authentic")
FIELDS = ("path", "verdict", "probability", "width", "height", "format", "model_version", "error")


def write_text(files: Iterator[ScannedFile]) -> list[ScannedFile]:
    """Write a line per file for people; return the files."""
    written = []
    for file in files:
        record = file.record
        share = "" if record.probability is None else percent(record.probability)
        click.echo(f"{record.verdict or 'error':13}{share:>7}  {file.name}", nl=not record.error)
        if record.error:
            click.echo(f": {record.error_message or record.error}")
        written.append(file)
    counts = Counter(file.record.verdict for file in written)
    failed = sum(bool(file.record.error) for file in written)
    summary = ", ".join(f"{counts[verdict]} {verdict}" for verdict in SUMMARY)
    click.echo(f"{len(written)} files: {summary}, {failed} not scored", err=True)
    return written


def write_json(files: Iterator[ScannedFile]) -> list[ScannedFile]:
    """Write a JSON object per line; return the files."""
    written = []
    for file in files:
        click.echo(json.dumps(fields(file)))
        written.append(file)
    return written


def write_csv(files: Iterator[ScannedFile]) -> list[ScannedFile]:
    """Write comma-separated values with a header; return the files."""
    click.echo(",".join(FIELDS))
    written = []
    for file in files:
        line = io.StringIO()
        csv.DictWriter(line, FIELDS, lineterminator="\n").writerow(fields(file))
        click.echo(line.getvalue(), nl=False)
        written.append(file)
    return written


def write_html(files: Iterator[ScannedFile]) -> list[ScannedFile]:
    """Write one self-contained page; return the files."""
    from forgery.report.scan_page import render

    written = list(files)
    click.echo(render(written))
    return written


def fields(file: ScannedFile) -> dict[str, object]:
    """Return the values of `FIELDS`."""
    return {"path": file.name, **{name: getattr(file.record, name) for name in FIELDS[1:]}}


LAYOUTS: dict[str, Callable[[Iterator[ScannedFile]], list[ScannedFile]]] = {
    "text": write_text,
    "json": write_json,
    "csv": write_csv,
    "html": write_html,
}
