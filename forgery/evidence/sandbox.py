"""The reader of strangers' files: a sandbox that reads content credentials too."""

import io
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
from PIL import Image

from forgery.evidence.facts.manifest_reading import ManifestText, Reading, read_manifest
from forgery.evidence.facts.trust_list import VARIABLE
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.sandbox import operations
from forgery_pyfunc.imaging.sandbox.answers import Answer, AnswerError
from forgery_pyfunc.imaging.sandbox.pool import Sandbox


class EvidenceSandbox(Sandbox):
    """Reads files as `in_process` does, in other processes; safe to use from threads."""

    def __init__(self, limits: Limits, decoders: int) -> None:
        super().__init__(limits, decoders, module=__name__, variables=(VARIABLE,))

    def read_manifest(self, data: bytes) -> ManifestText:
        """Return the content credentials that a file holds; unreadable where its reader failed."""
        try:
            return self.ask("read_manifest", data, self.limits, _manifest)
        except ImageError:
            return ManifestText("unreadable")


def _manifest(facts: Mapping[str, Any], memory: np.ndarray) -> ManifestText:
    """Return the manifest of an answer."""
    if facts["reading"] not in get_args(Reading):
        raise AnswerError("an unknown reading")
    if not 0 <= facts["bytes"] <= memory.size:
        raise AnswerError("a text outside of the memory")
    return ManifestText(facts["reading"], memory[: facts["bytes"]].tobytes().decode())


def _answer(data: bytes, _limits: Limits) -> Answer:
    """Return the answer that `_manifest` reads."""
    found = read_manifest(data)
    text = found.text.encode()
    return Answer({"reading": found.reading, "bytes": len(text)}, (memoryview(text),))


OPERATIONS = {**operations.OPERATIONS, "read_manifest": _answer}
"""What its decoders do, for `forgery_pyfunc.imaging.sandbox.server`."""


def prepare() -> None:
    """Load what they need, the trust list included: they can open no files.

    Reading a picture also has ctypes make room for the callbacks of c2pa's streams, which is
    executable memory; later it would be refused.
    """
    operations.prepare()
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "JPEG")
    read_manifest(picture.getvalue())
