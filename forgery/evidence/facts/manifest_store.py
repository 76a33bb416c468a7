"""A C2PA manifest store as c2pa-python reports it in JSON; what is not needed here is left out."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field, field_validator

from forgery.evidence.facts import digital_source
from forgery.evidence.facts.digital_source import Ai
from forgery.evidence.facts.stated_text import SHORT, stated_text
from forgery.evidence.facts.trust_list import SIGNERS_URI

MAX_DEPTH = 50
"""Of ingredients of ingredients that are looked at."""

CREATED, PARENT = "c2pa.created", "parentOf"
TRUSTED, UNTRUSTED = "signingCredential.trusted", "signingCredential.untrusted"


class Check(BaseModel):
    """One check of the verification."""

    code: str = ""


class Checks(BaseModel):
    """The checks of one manifest."""

    success: list[Check] = []
    failure: list[Check] = []


class IngredientChecks(BaseModel):
    """Checks of an ingredient that came out otherwise than its signer states."""

    assertion: str = Field(default="", alias="ingredientAssertionURI")
    checks: Checks = Field(default=Checks(), alias="validationDeltas")


class Results(BaseModel):
    """The checks of the active manifest and of its ingredients."""

    active: Checks = Field(default=Checks(), alias="activeManifest")
    ingredients: list[IngredientChecks] = Field(default=[], alias="ingredientDeltas")
    trust_list: str | None = Field(default=None, alias="trustListUri")

    def failures(self) -> list[str]:
        """Return the codes of the checks that failed: of the picture, then of its ingredients."""
        parts = [self.active, *(ingredient.checks for ingredient in self.ingredients)]
        return [check.code for part in parts for check in part.failure]


class Signature(BaseModel):
    """Who signed, as the certificate says, and when, as an authority says."""

    issuer: str | None = None
    common_name: str | None = None
    time: str | None = None

    def signer(self) -> str | None:
        """Return name and organisation."""
        name = stated_text(self.common_name, SHORT)
        organisation = stated_text(self.issuer, SHORT)
        if name and organisation and organisation not in name:
            return f"{name} ({organisation})"
        return name or organisation


class Program(BaseModel):
    """A program and its version."""

    name: str | None = None
    version: str | None = None


class StatedAction(BaseModel):
    """An action as it is stated."""

    action: str = ""
    when: str | None = None
    software: str | None = Field(default=None, alias="softwareAgent")
    source_type: str | None = Field(default=None, alias="digitalSourceType")

    @field_validator("software", mode="before")
    @classmethod
    def _named(cls, agent: Any) -> Any:
        return agent.get("name") if isinstance(agent, dict) else agent

    @field_validator("source_type", mode="after")
    @classmethod
    def _coded(cls, uri: str | None) -> str | None:
        text = stated_text(uri)
        return digital_source.code(text)[:SHORT] if text else None


class StatedActions(BaseModel):
    """The content of an assertion of actions."""

    actions: list[StatedAction] = []


class Assertion(BaseModel):
    """A statement of a manifest."""

    label: str = ""
    data: Any = None


class StatedIngredient(BaseModel):
    """An ingredient as it is stated."""

    title: str | None = None
    relationship: str = ""
    assertion: str = Field(default="", alias="label")
    label: str = Field(default="", alias="active_manifest")
    results: Results = Field(default=Results(), alias="validation_results")


class Manifest(BaseModel):
    """One manifest: what one signer states."""

    programs: list[Program] = Field(default=[], alias="claim_generator_info")
    signature: Signature = Field(default=Signature(), alias="signature_info")
    assertions: list[Assertion] = []
    ingredients: list[StatedIngredient] = []

    def actions(self) -> Iterator[StatedAction]:
        """Yield the actions.

        Raises:
            ValidationError: an assertion of actions does not hold any.
        """
        for assertion in self.assertions:
            if assertion.label.startswith("c2pa.actions"):
                yield from StatedActions.model_validate(assertion.data).actions

    def generator(self) -> str | None:
        """Return the program that made the claim."""
        for program in self.programs:
            stated = (stated_text(program.name, SHORT), stated_text(program.version, SHORT))
            return " ".join(filter(None, stated)) or None
        return None


class ManifestStore(BaseModel):
    """All manifests of a file, and their verification."""

    label: str = Field(default="", alias="active_manifest")
    manifests: dict[str, Manifest] = {}
    state: str | None = Field(default=None, alias="validation_state")
    results: Results = Field(default=Results(), alias="validation_results")

    @property
    def active(self) -> Manifest:
        """The manifest that describes the file as it is."""
        return self.manifests.get(self.label) or Manifest()

    @property
    def is_trusted(self) -> bool:
        """Whether every check passed, and the signer is on the list of those who may sign.

        c2pa 0.91 trusts a signer whom it finds on the list of times only, too.
        """
        return self.state == "Trusted" and self.results.trust_list == SIGNERS_URI

    def ingredient_checks(self, ingredient: StatedIngredient) -> tuple[list[str], bool]:
        """Return which checks of an ingredient failed, and whether its signer is trusted.

        It is what the active manifest's signer states, and what came out otherwise now.
        """
        parts = [ingredient.results.active]
        parts += [
            delta.checks
            for delta in self.results.ingredients
            if delta.assertion.endswith(f"/{ingredient.assertion}")
        ]
        trusted = any(check.code == TRUSTED for part in parts for check in part.success)
        failures = [check.code for part in parts for check in part.failure]
        return [code for code in failures if code != UNTRUSTED or not trusted], trusted

    def ai_part(self) -> Ai | None:
        """Return what of the picture AI generated, by its manifest and those of its ingredients."""
        return self._ai_part(self.label, {}, 0)

    def _ai_part(self, label: str, known: dict[str, Ai | None], depth: int) -> Ai | None:
        """Return it of one manifest: what an earlier version was, it is; parts make a composite."""
        if label in known or label not in self.manifests or depth > MAX_DEPTH:
            return known.get(label)
        known[label] = None  # a circle adds nothing
        manifest = self.manifests[label]
        found: set[Ai | None] = set()
        for action in manifest.actions():
            part = digital_source.ai_part(action.source_type or "")
            found.add(part if action.action == CREATED else part and "composite")
        for ingredient in manifest.ingredients:
            part = self._ai_part(ingredient.label, known, depth + 1)
            found.add(part if ingredient.relationship == PARENT else part and "composite")
        for part in ("generated", "composite"):
            if part in found:
                known[label] = part
                break
        return known[label]
