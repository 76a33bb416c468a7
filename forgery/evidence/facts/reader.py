"""Who reads a file for the evidence on it: this process (`in_process`), or a sandbox."""

from typing import Protocol

from forgery.evidence.facts.manifest_reading import ManifestText
from forgery_pyfunc.imaging import reader


class Reader(reader.Reader, Protocol):
    """Reads pixels and metadata as for a verdict, and content credentials beside them."""

    def read_manifest(self, data: bytes) -> ManifestText:
        """Return the content credentials that a file holds, verified."""
