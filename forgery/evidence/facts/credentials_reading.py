"""From an encoded image to its content credentials (C2PA): signed statements on how it was made."""

from forgery.evidence.facts.content_credentials import ABSENT, ContentCredentials, State
from forgery.evidence.facts.reader import Reader
from forgery.evidence.facts.stated_text import SHORT, stated_text

_SELF = "self#jumbf="


def read_content_credentials(
    data: bytes, reference: str | None, reader: Reader
) -> ContentCredentials:
    """Return the content credentials of an encoded image.

    Args:
        data: the file.
        reference: where its XMP says that they are (`dcterms:provenance`).
        reader: who reads what the file holds.

    Raises:
        TrustListError: the trust list that the environment names cannot be used.
    """
    if not (b"jumb" in data and b"c2pa" in data):
        return _referred_to(reference)
    manifest = reader.read_manifest(data)
    if manifest.reading == "absent":
        return _referred_to(reference)
    if manifest.reading == "other_format":
        return ABSENT
    if manifest.reading == "not_checked":
        return _only(
            "not_checked",
            "The file seems to have content credentials. They were not checked, because "
            "c2pa-python is not installed: pip install 'forgery-detector[credentials]'",
        )
    # Most files have none, and what describes them takes a fifth of a scan's start.
    from forgery.evidence.facts.credentials_description import described

    found = described(manifest.text) if manifest.reading == "present" else None
    return found or _only(
        "unreadable", "The file has content credentials that are damaged: unreadable."
    )


def _only(state: State, explanation: str) -> ContentCredentials:
    return ContentCredentials(state=state, explanation=explanation)


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
