"""From an encoded image to its content credentials (C2PA): signed statements on how it was made.

They are read and verified in this process. Nothing is fetched: neither manifests that are kept
elsewhere, nor the state of a certificate (OCSP), nor a trust list. What only files with
credentials need is imported for the first of them: most have none.
"""

import functools
import io
import os
from pathlib import Path
from typing import Any

from forgery.evidence.facts.content_credentials import ABSENT, ContentCredentials, State
from forgery.evidence.facts.stated_text import SHORT, stated_text
from forgery.evidence.facts.trust_list import (
    SIGNERS_URI,
    TIMES_URI,
    read_trust_list,
    trust_list_folder,
)
from forgery_pyfunc.imaging.sniffing import sniff

MAX_JSON = 4 * 2**20
"""Characters of a manifest store as JSON; real ones have some ten thousand."""
MAX_UNPACKED_MB = 16
"""Of a compressed manifest."""

_MEDIA_TYPES = {"JPEG": "jpeg", "PNG": "png", "TIFF": "tiff", "WEBP": "webp"}
_SELF = "self#jumbf="


def read_content_credentials(data: bytes, reference: str | None) -> ContentCredentials:
    """Return the content credentials of an encoded image.

    Args:
        data: the file.
        reference: where its XMP says that they are (`dcterms:provenance`).

    Raises:
        TrustListError: the trust list that the environment names cannot be used.
    """
    if not (b"jumb" in data and b"c2pa" in data):
        return _referred_to(reference)
    try:
        import c2pa
    except ImportError:
        return _only(
            "not_checked",
            "The file seems to have content credentials. They were not checked, because "
            "c2pa-python is not installed: pip install 'forgery-detector[credentials]'",
        )
    media_type = _MEDIA_TYPES.get(sniff(data) or "")
    if media_type is None:
        return ABSENT
    context = _context(trust_list_folder(), os.getpid())
    try:
        with c2pa.Reader(f"image/{media_type}", io.BytesIO(data), context=context) as reader:
            text = reader.json()
    except c2pa.C2paError.ManifestNotFound:
        return _referred_to(reference)
    except c2pa.C2paError as error:
        if str(error).startswith("Remote"):
            return _referred_to(reference)
        return _unreadable()
    if len(text) > MAX_JSON:
        return _unreadable()
    from forgery.evidence.facts.credentials_description import described

    return described(text) or _unreadable()


@functools.lru_cache(maxsize=2)
def _context(folder: Path, _process: int) -> Any:
    """Return the settings of the verification with a trust list; of each process its own."""
    import c2pa

    trusted = read_trust_list(folder)
    anchors = [
        {"trust_kind": kind, "trust_uri": uri, "trust_anchors": certificates}
        for kind, uri, certificates in (
            ("manifest", SIGNERS_URI, trusted.signers),
            ("tsa", TIMES_URI, trusted.times_only),
        )
        if certificates
    ]
    return c2pa.Context.from_dict(
        {
            "core": {
                "allowed_network_hosts": [],
                "decode_identity_assertions": False,
                "max_decompressed_manifest_size_in_mb": MAX_UNPACKED_MB,
            },
            "verify": {
                "ocsp_fetch": False,
                "remote_manifest_fetch": False,
                "verify_timestamp_trust": True,
                "verify_trust": True,
            },
            "trust": {"anchors": anchors},
        }
    )


def _only(state: State, explanation: str) -> ContentCredentials:
    return ContentCredentials(state=state, explanation=explanation)


def _unreadable() -> ContentCredentials:
    return _only("unreadable", "The file has content credentials that are damaged: unreadable.")


def _referred_to(reference: str | None) -> ContentCredentials:
    """Return what the lack of credentials in the file means, by what its XMP says."""
    if reference is None:
        return ABSENT
    if reference.startswith(_SELF):
        return _only(
            "stripped",
            "The metadata refer to content credentials in this file, and there are none: they were "
            "removed. Many programs and platforms do so with every file.",
        )
    where = stated_text(reference, SHORT)
    return _only(
        "remote",
        f"The metadata say that the content credentials are at {where}. They were not fetched. "
        "Where the file had them too, they were removed.",
    )
