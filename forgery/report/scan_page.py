"""The page on a scan of many files."""

from collections.abc import Sequence

from jinja2 import Environment, PackageLoader

from forgery.evidence.verdict import percent
from forgery.evidence.why import in_short
from forgery.scanning import ScannedFile


def render(files: Sequence[ScannedFile]) -> str:
    """Return one self-contained HTML page with a row per file."""
    environment = Environment(loader=PackageLoader("forgery.report"), autoescape=True)
    environment.filters.update(percent=percent, reasons=in_short)
    return environment.get_template("scan.html").render(files=files)
