"""Who turns encoded images into pixels: the module `decoding` in this process, or a sandbox."""

from typing import Protocol

from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.metadata import StoredMetadata


class Reader(Protocol):
    """Reads files; errors are those of `decoding.decode`."""

    def decode(self, data: bytes, limits: Limits | None = None) -> DecodedImage:
        """Return the image that `data` holds."""

    def read_metadata(self, data: bytes, limits: Limits | None = None) -> StoredMetadata:
        """Return what the file holds beside its pixels."""
