"""Content credentials as c2pa-python reports them, brought to what a reader is told."""

import itertools

from pydantic import ValidationError

from forgery.evidence.facts.content_credentials import (
    Action,
    ContentCredentials,
    Ingredient,
    State,
)
from forgery.evidence.facts.manifest_store import (
    UNTRUSTED,
    ManifestStore,
    StatedAction,
    StatedIngredient,
)
from forgery.evidence.facts.stated_text import SHORT, stated_text

MAX_LISTED = 20
"""Actions, ingredients and problems that are told."""

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


def described(text: str) -> ContentCredentials | None:
    """Return what a manifest store states and what its verification found; None where it is none.

    Args:
        text: JSON of c2pa-python.
    """
    try:
        store = ManifestStore.model_validate_json(text)
    except ValidationError:
        return None
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
        signed_at=stated_text(manifest.signature.time, SHORT),
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
    return _PROBLEMS.get(code) or f"The check {stated_text(code, SHORT)} failed."


def _action(stated: StatedAction) -> Action:
    return Action(
        action=stated_text(stated.action, SHORT) or "not stated",
        when=stated_text(stated.when, SHORT),
        software=stated_text(stated.software, SHORT),
        digital_source_type=stated.source_type,
    )


def _ingredient(stated: StatedIngredient, store: ManifestStore) -> Ingredient:
    """Return an ingredient; whom an untrusted signer trusted is not trusted here."""
    own = store.manifests.get(stated.label)
    failures, trusted = store.ingredient_checks(stated)
    return Ingredient(
        title=stated_text(stated.title, SHORT),
        relationship=stated_text(stated.relationship, SHORT) or "not stated",
        signer=own.signature.signer() if own else None,
        state=_state(failures, trusted and store.is_trusted) if own else "absent",
    )
