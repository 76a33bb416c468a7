"""Content credentials (C2PA): signed statements in a file on how it was made.

They are read and verified in this process. Nothing is fetched: neither manifests that are kept
elsewhere, nor the state of a certificate (OCSP), nor a trust list.

Source: C2PA Technical Specification 2.4; the names of actions, relationships and failures are its.
"""

import functools
import io
import itertools
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from forgery.evidence.facts import digital_source
from forgery.evidence.facts.digital_source import Ai
from forgery.evidence.facts.manifest_store import (
    MAX_TEXT,
    SIGNERS_URI,
    TIMES_URI,
    UNTRUSTED,
    ManifestStore,
    StatedAction,
    StatedIngredient,
)
from forgery.evidence.facts.stated_text import stated_text
from forgery.evidence.facts.trust_list import read_trust_list, trust_list_folder
from forgery_pyfunc.imaging.sniffing import sniff

State = Literal[
    "absent",
    "trusted",
    "untrusted",
    "tampered",
    "invalid",
    "stripped",
    "remote",
    "unreadable",
    "not_checked",
]

MAX_LISTED = 20
"""Actions, ingredients and problems that are told."""
MAX_JSON = 4 * 2**20
"""Characters of a manifest store as JSON; real ones have some ten thousand."""
MAX_UNPACKED_MB = 16
"""Of a compressed manifest."""

_MEDIA_TYPES = {"JPEG": "jpeg", "PNG": "png", "TIFF": "tiff", "WEBP": "webp"}
_SELF = "self#jumbf="
_CHANGED = "The file was changed after it was signed."
_HASHES_OF_THE_FILE = ("assertion.dataHash.mismatch", "assertion.boxesHash.mismatch")
_PROBLEMS = {
    **dict.fromkeys(_HASHES_OF_THE_FILE, _CHANGED),
    "assertion.hashedURI.mismatch": "A statement was changed after it was signed.",
    "assertion.missing": "A statement that was signed is missing.",
    "claimSignature.mismatch": "The signature does not fit what it signs.",
    UNTRUSTED: "The signer is not on the trust list.",
    "signingCredential.expired": "The signer's certificate had expired.",
    "signingCredential.invalid": "The signer's certificate is not fit for signing.",
    "signingCredential.ocsp.revoked": "The signer's certificate was revoked.",
    "timeStamp.untrusted": "The stated time is not that of a trusted authority.",
}


class CredentialsSummary(BaseModel):
    """What the content credentials of a file come to; not part of the probability."""

    state: State = Field(
        description="trusted: signed by somebody on the trust list, and the file is unchanged; "
        "untrusted: unchanged, but the signer is not on the list; tampered: the file was changed "
        "after it was signed; invalid: another check failed; stripped: the metadata refer to "
        "credentials that were in the file; remote: they are kept elsewhere, and were not "
        "fetched; unreadable: damaged; not_checked: the package that reads them is absent; absent"
    )
    signer: str | None = Field(default=None, description="whom the certificate names")
    ai_generated: Ai | None = Field(
        default=None, description="whether they say that AI generated the picture, or parts of it"
    )
    explanation: str = Field(description="the state in words")


class Action(BaseModel):
    """What the credentials say was done."""

    action: str = Field(description="of C2PA, such as c2pa.created")
    when: str | None = None
    software: str | None = None
    digital_source_type: str | None = Field(
        default=None, description="of IPTC, such as digitalCapture"
    )

    def in_words(self) -> str:
        """Return it on one line."""
        source = self.digital_source_type
        said = [self.software, self.when, digital_source.in_words(source) if source else None]
        about = ", ".join(filter(None, said))
        return f"{self.action} ({about})" if about else self.action


class Ingredient(BaseModel):
    """What the picture was made from."""

    title: str | None
    relationship: str = Field(description="parentOf: an earlier version; componentOf: a part")
    signer: str | None = Field(description="of the ingredient's own credentials")
    state: State = Field(description="of these, as who signed the picture found them")

    def in_words(self) -> str:
        """Return it on one line."""
        signed = f"signed by {self.signer}, {self.state}" if self.signer else "not signed"
        return f"{self.title or 'without a title'} ({self.relationship}, {signed})"


class ContentCredentials(CredentialsSummary):
    """The content credentials of a file, verified, with what they state."""

    claim_generator: str | None = Field(default=None, description="the program that made the claim")
    signed_at: str | None = Field(default=None, description="by the authority's time stamp")
    actions: list[Action] = []
    ingredients: list[Ingredient] = []
    problems: list[str] = Field(default=[], description="checks that failed, in words")

    def in_words(self) -> dict[str, str]:
        """Return what there is to tell, by a name for people."""
        texts = {
            "Content credentials": self.explanation,
            "Claim made by": self.claim_generator,
            "Signed at": self.signed_at,
            "Actions": "; ".join(action.in_words() for action in self.actions),
            "Made from": "; ".join(ingredient.in_words() for ingredient in self.ingredients),
            "Failed checks": " ".join(self.problems),
        }
        return {name: text for name, text in texts.items() if text}

    def summary(self) -> CredentialsSummary:
        """Return what tables show of it."""
        return CredentialsSummary(
            state=self.state,
            signer=self.signer,
            ai_generated=self.ai_generated,
            explanation=self.explanation,
        )


ABSENT = ContentCredentials(
    state="absent",
    explanation="The file has no content credentials, as most files. That says nothing about it.",
)


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
    try:
        return _described(ManifestStore.model_validate_json(text))
    except ValidationError:
        return _unreadable()


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
    where = stated_text(reference, MAX_TEXT)
    return _only(
        "remote",
        f"The metadata say that the content credentials are at {where}. They were not fetched. "
        "Where the file had them too, they were removed.",
    )


def _described(store: ManifestStore) -> ContentCredentials:
    """Return what a manifest store states, and what its verification found."""
    manifest = store.active
    failures = store.results.failures() or ([] if store.is_trusted else [UNTRUSTED])
    state = _state(failures, store.is_trusted)
    signer = manifest.signature.signer()
    return ContentCredentials(
        state=state,
        signer=signer,
        ai_generated=store.ai_part(),
        explanation=_explanation(state, signer, failures),
        claim_generator=manifest.generator(),
        signed_at=stated_text(manifest.signature.time, MAX_TEXT),
        actions=list(itertools.islice(map(_action, manifest.actions()), MAX_LISTED)),
        ingredients=[_ingredient(each, store) for each in manifest.ingredients[:MAX_LISTED]],
        problems=list(dict.fromkeys(map(_problem, failures)))[:MAX_LISTED],
    )


def _state(failures: list[str], trusted: bool) -> State:
    if trusted and not failures:
        return "trusted"
    if set(failures) <= {UNTRUSTED}:
        return "untrusted"
    return "tampered" if set(failures) & set(_HASHES_OF_THE_FILE) else "invalid"


def _explanation(state: State, signer: str | None, failures: list[str]) -> str:
    name = signer or "somebody without a name"
    if state == "trusted":
        return f"Signed by {name}, who is on the trust list. The file is as it was then."
    if state == "untrusted":
        return (
            f"Signed in the name of {name}, who is not on the trust list: anybody can make such a "
            "signature. The file is as it was then."
        )
    if state == "tampered":
        return (
            f"The file was changed after it was signed in the name of {name}: what its content "
            "credentials say need not hold any more."
        )
    found = " ".join(dict.fromkeys(map(_problem, failures[:3])))
    return f"Signed in the name of {name}; the verification failed. {found}"


def _problem(code: str) -> str:
    return _PROBLEMS.get(code) or f"The check {stated_text(code, MAX_TEXT)} failed."


def _action(stated: StatedAction) -> Action:
    return Action(
        action=stated_text(stated.action, MAX_TEXT) or "not stated",
        when=stated_text(stated.when, MAX_TEXT),
        software=stated_text(stated.software, MAX_TEXT),
        digital_source_type=stated.source_type,
    )


def _ingredient(stated: StatedIngredient, store: ManifestStore) -> Ingredient:
    """Return an ingredient; whom an untrusted signer trusted is not trusted here."""
    own = store.manifests.get(stated.label)
    failures, trusted = store.ingredient_checks(stated)
    return Ingredient(
        title=stated_text(stated.title, MAX_TEXT),
        relationship=stated_text(stated.relationship, MAX_TEXT) or "not stated",
        signer=own.signature.signer() if own else None,
        state=_state(failures, trusted and store.is_trusted) if own else "absent",
    )
