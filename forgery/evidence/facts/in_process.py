"""The reader of files of one's own: everything is read in this process."""

from forgery.evidence.facts.manifest_reading import read_manifest
from forgery_pyfunc.imaging.decoding import decode, read_metadata

__all__ = ["decode", "read_manifest", "read_metadata"]
