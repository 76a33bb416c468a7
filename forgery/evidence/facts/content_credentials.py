"""What the content credentials (C2PA) of a file come to: who signed it, and what the signer states.

Source: C2PA Technical Specification 2.4; the names of actions, relationships and failures are its.
"""

from dataclasses import dataclass, field
from typing import Literal

from forgery.evidence.facts import digital_source
from forgery.evidence.facts.digital_source import Ai

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


_STATES = (
    "trusted: signed by somebody on the trust list, and the file is unchanged; untrusted: "
    "unchanged, but the signer is not on the list; tampered: the file was changed after it was "
    "signed; invalid: another check failed; stripped: the metadata refer to credentials that were "
    "in the file; remote: they are kept elsewhere, and were not fetched; unreadable: damaged; "
    "not_checked: the package that reads them is absent; absent"
)


@dataclass(frozen=True, kw_only=True)
class CredentialsSummary:
    """What the content credentials of a file come to; not part of the probability."""

    state: State = field(metadata={"description": _STATES})
    signer: str | None = field(default=None, metadata={"description": "whom the certificate names"})
    ai_generated: Ai | None = field(
        default=None,
        metadata={"description": "whether they say that AI generated the picture, or parts of it"},
    )
    explanation: str = field(metadata={"description": "the state in words"})


@dataclass(frozen=True, kw_only=True)
class Action:
    """What the credentials say was done."""

    action: str = field(metadata={"description": "of C2PA, such as c2pa.created"})
    when: str | None = None
    software: str | None = None
    digital_source_type: str | None = field(
        default=None, metadata={"description": "of IPTC, such as digitalCapture"}
    )

    def in_words(self) -> str:
        """Return it on one line."""
        source = self.digital_source_type
        said = [self.software, self.when, digital_source.in_words(source) if source else None]
        about = ", ".join(filter(None, said))
        return f"{self.action} ({about})" if about else self.action


@dataclass(frozen=True, kw_only=True)
class Ingredient:
    """What the picture was made from."""

    title: str | None
    relationship: str = field(
        metadata={"description": "parentOf: an earlier version; componentOf: a part"}
    )
    signer: str | None = field(metadata={"description": "of the ingredient's own credentials"})
    state: State = field(metadata={"description": "of these, as who signed the picture found them"})

    def in_words(self) -> str:
        """Return it on one line."""
        signed = f"signed by {self.signer}, {self.state}" if self.signer else "not signed"
        return f"{self.title or 'without a title'} ({self.relationship}, {signed})"


@dataclass(frozen=True, kw_only=True)
class ContentCredentials(CredentialsSummary):
    """The content credentials of a file, verified, with what they state."""

    claim_generator: str | None = field(
        default=None, metadata={"description": "the program that made the claim"}
    )
    signed_at: str | None = field(
        default=None, metadata={"description": "by the authority's time stamp"}
    )
    actions: list[Action] = field(default_factory=list)
    ingredients: list[Ingredient] = field(default_factory=list)
    problems: list[str] = field(
        default_factory=list, metadata={"description": "checks that failed, in words"}
    )

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
