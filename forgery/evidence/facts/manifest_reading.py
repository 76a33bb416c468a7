"""From a file to what c2pa-python reads in its content credentials; a library of native code.

Nothing is fetched: neither manifests that are kept elsewhere, nor the state of a certificate
(OCSP), nor a trust list.
"""

import functools
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from forgery.evidence.facts.trust_list import (
    SIGNERS_URI,
    TIMES_URI,
    TrustList,
    read_trust_list,
    trust_list_folder,
)
from forgery_pyfunc.imaging.sniffing import sniff

MAX_JSON = 4 * 2**20
"""Bytes of a manifest store as JSON; real ones have some ten thousand."""
MAX_UNPACKED_MB = 16
"""Of a compressed manifest."""

_MEDIA_TYPES = {"JPEG": "jpeg", "PNG": "png", "TIFF": "tiff", "WEBP": "webp"}

Reading = Literal["absent", "present", "unreadable", "not_checked", "other_format"]


@dataclass(frozen=True)
class ManifestText:
    """What was read of a file's content credentials.

    Attributes:
        reading: whether the file has any; not_checked: the package that reads them is absent;
            other_format: they are not looked for in files of this kind.
        text: of those that are present, as JSON of c2pa-python.
    """

    reading: Reading
    text: str = ""


def read_manifest(data: bytes) -> ManifestText:
    """Return the content credentials that a file holds, verified.

    Raises:
        TrustListError: the trust list that the environment names cannot be used.
    """
    try:
        import c2pa
    except ImportError:
        return ManifestText("not_checked")
    media_type = _MEDIA_TYPES.get(sniff(data) or "")
    if media_type is None:
        return ManifestText("other_format")
    context = verification(trust_list_folder(), os.getpid())
    try:
        with c2pa.Reader(f"image/{media_type}", io.BytesIO(data), context=context) as reader:
            text = reader.json()
    except c2pa.C2paError.ManifestNotFound:
        return ManifestText("absent")
    except c2pa.C2paError as error:
        return ManifestText("absent" if str(error).startswith("Remote") else "unreadable")
    if len(text.encode()) > MAX_JSON:
        return ManifestText("unreadable")
    return ManifestText("present", text)


@functools.lru_cache(maxsize=2)
def verification(folder: Path, _process: int) -> Any:
    """Return the settings of the verification with a trust list; of each process its own."""
    import c2pa

    trusted = trust_list(folder)
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


@functools.lru_cache(maxsize=2)
def trust_list(folder: Path) -> TrustList:
    """Return the trust list in a folder, kept: a process that may open no files needs it."""
    return read_trust_list(folder)
