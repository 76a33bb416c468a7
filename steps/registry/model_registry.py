"""The model registry: versions, aliases and stages of the registered model.

MLflow deprecates stages in favour of aliases, so a version in a stage carries an alias, the tag
`stage` and, where the server still has them, the stage itself. The alias decides; `settle` makes
the others agree. What was done is kept as tags of the registered model, one for each event.
"""

import getpass
import json
import os
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps.errors import TrackingError
from steps.registry import events
from steps.registry.events import DESCRIPTION_LIMIT, EVENT_TAG
from steps.registry.logged_model import comparison, link

CHALLENGER = "challenger"
CHAMPION = "champion"
ALIASES = {"Staging": "staging", "Production": CHAMPION}
"""The alias that goes with a stage; `Archived` has none."""

DIGEST_TAG = "detector_sha256"
STAGE_TAG = "stage"
MOVE_TAG = "mlflow.forgery.move"
"""What a version is being moved for: it is there until the move is complete; see `finish_move`."""
PROMOTION_TAG = "promotion."
GATE_TAG = f"{PROMOTION_TAG}gate"
"""The gate's figures of the last promotion of a version, in words."""
_ONLY_IN_THE_EVENT = ("version", "forced", "figures", "limits", "frozen_digest")
"""What is not repeated among a promoted version's tags."""

_FIRST = ("Production", "Staging")
_ATTEMPTS = 20
_CONFLICTS = (
    "IntegrityError",
    "UniqueViolation",
    "StaleDataError",
    "DeadlockDetected",
    "SerializationFailure",
    "database is locked",
)
"""Errors of MLflow's databases when two writes conflict."""


class Registry:
    """One registered model on the current tracking server.

    `has_stages` is false once the server has shown that it knows aliases only.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.client = MlflowClient()
        self.has_stages = True

    def by_alias(self, alias: str) -> ModelVersion | None:
        """Return the version with this alias, or None where there is none."""
        try:
            return self.client.get_model_version_by_alias(self.name, alias)
        except MlflowException as error:
            if is_absent(error):
                return None
            raise

    def by_number(self, wanted: int) -> ModelVersion:
        """Return a version; raise `TrackingError` where it does not exist."""
        try:
            return self.client.get_model_version(self.name, str(wanted))
        except MlflowException as error:
            if not is_absent(error):
                raise
            known = ", ".join(str(number(version)) for version in self.versions()) or "none"
            raise TrackingError(
                f"the registry has no version {wanted} of {self.name}; it has {known}"
            ) from error

    def by_digest(self, digest: str) -> ModelVersion | None:
        """Return the newest version made of the detector with this digest, or None."""
        same = [version for version in self.versions() if version.tags.get(DIGEST_TAG) == digest]
        return same[0] if same else None

    def versions(self) -> list[ModelVersion]:
        """Return all versions, the newest first."""
        found = self.client.search_model_versions(f"name = '{self.name}'")
        return sorted(found, key=number, reverse=True)

    def uri(self, version: ModelVersion) -> str:
        """Return the URI that loads this version, whatever happens to aliases meanwhile."""
        return f"models:/{self.name}/{number(version)}"

    def create(self, model_uri: str, run_id: str, tags: dict[str, str]) -> ModelVersion:
        """Register a logged model as a new version with the alias `challenger`."""
        try:
            retry_on_conflict(self.client.create_registered_model, self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        create = self.client.create_model_version
        version = retry_on_conflict(create, self.name, model_uri, run_id=run_id, tags=tags)
        version = self._only(version)
        link(version)
        self.challenge(version)
        self.introduce()
        return version

    def challenge(self, version: ModelVersion) -> None:
        """Make a version the challenger, unless it is the champion."""
        champion = self.by_alias(CHAMPION)
        if champion is None or number(champion) != number(version):
            self._set_alias(CHALLENGER, version)

    def introduce(self) -> None:
        """Describe the registered model: what it is, and what happened to it last."""
        present = self._registered()
        if present is not None:
            text = events.description(
                present.description or "", self.name, events.read(present.tags)
            )
            if text != present.description:
                retry_on_conflict(self.client.update_registered_model, self.name, text)

    def describe(self, version: ModelVersion, text: str) -> None:
        """Set the description that the registry's page shows for a version."""
        self.client.update_model_version(self.name, version.version, text[:DESCRIPTION_LIMIT])

    def move(self, version: ModelVersion, stage: str, audit: dict[str, Any]) -> None:
        """Bring a version to a stage: alias, tag, stage, audit tags and an event of the history.

        The alias decides who holds a stage. Whoever sets it makes tags and stages agree with it
        afterwards, so that promotions at the same time end with one champion.
        """
        alias = ALIASES.get(stage)
        held = self.by_alias(alias) if alias else None
        entry = {
            "at": now(),
            "version": number(version),
            "to": stage,
            "from_version": number(held) if held is not None else None,
            "by": who(),
            **audit,
        }
        move = {"key": _event_key(entry), "entry": entry}
        self.tag(version, {MOVE_TAG: json.dumps(move)})
        if alias:
            self._set_alias(alias, version)
        else:
            self._drop_aliases(version, keep=None)
        self._finish(version, move)

    def finish_move(self, version: ModelVersion) -> dict[str, Any] | None:
        """Finish what a process that was killed left of moving a version; return its event.

        None where there is nothing to finish: a process that was killed before it set the alias
        has moved nothing.
        """
        move = json.loads(version.tags.get(MOVE_TAG, "null"))
        if move is None:
            return None
        alias = ALIASES.get(move["entry"]["to"])
        held = self.by_alias(alias) if alias else version
        if held is None or number(held) != number(version):
            return None
        self._finish(version, move)
        return dict(move["entry"])

    def _finish(self, version: ModelVersion, move: dict[str, Any]) -> None:
        """Do all of a move that follows the alias; doing it again changes nothing."""
        entry = move["entry"]
        alias = ALIASES.get(entry["to"])
        self._record(entry, move["key"])
        self._drop_aliases(version, keep=alias)
        if not alias:
            self._mark(version, entry["to"])
        self.tag(version, promotion_tags(entry))
        self.settle()
        self._untag(version, MOVE_TAG)

    def tag(self, version: ModelVersion, tags: dict[str, str]) -> None:
        """Set tags of a version."""
        for key, value in tags.items():
            retry_on_conflict(
                self.client.set_model_version_tag, self.name, version.version, key, value
            )

    def settle(self) -> None:
        """Make tags and stages agree with the aliases, also while others move them.

        Raises:
            TrackingError: others keep moving them.
        """
        for _ in range(_ATTEMPTS):
            before = self.holders()
            for version, stage in self._wanted_stages(before):
                self._mark(version, stage)
            if self.holders() == before:
                return
        raise TrackingError(f"the aliases of {self.name} keep changing; try again")

    def holders(self) -> dict[str, int | None]:
        """Return {stage: number of the version that has its alias}."""
        found = {stage: self.by_alias(alias) for stage, alias in ALIASES.items()}
        return {stage: number(one) if one else None for stage, one in found.items()}

    def drift(self) -> list[str]:
        """Return a sentence for everything in which aliases, tags and stages disagree."""
        holders = self.holders()
        sentences = []
        for version, stage in self._wanted_stages(holders):
            marks = " and ".join(sorted(self._marks(version)))
            sentences.append(f"version {number(version)} is marked {marks} and should be {stage}")
        for stage, version in self._without_alias(holders):
            sentences.append(
                f"no version has the alias {ALIASES[stage]}, and version {number(version)} is "
                f"the last in {stage}"
            )
        return sentences

    def repair(self) -> list[str]:
        """Bring aliases, tags and stages into agreement; return what `drift` returned before."""
        sentences = self.drift()
        for stage, version in self._without_alias(self.holders()):
            self._set_alias(ALIASES[stage], version)
        self.settle()
        if sentences:
            reason = "; ".join(sentences)
            entry = {"at": now(), "action": "repair", "by": who(), "reason": reason}
            self._record(entry, _event_key(entry))
        return sentences

    def history(self) -> list[dict[str, Any]]:
        """Return the events of the registered model, the oldest first."""
        return events.read(self.tags())

    def tags(self) -> dict[str, str]:
        """Return the tags of the registered model; none where it does not exist."""
        present = self._registered()
        return present.tags if present is not None else {}

    def previous_champion(self) -> ModelVersion:
        """Return the version that a rollback goes to: the last champion before this one.

        Raises:
            TrackingError: there is none any more.
        """
        champion = self.by_alias(CHAMPION)
        there = {number(version): version for version in self.versions()}
        line = lineage(self.history())
        if champion is not None and number(champion) in line:
            line = line[: line.index(number(champion))]
        for candidate in reversed(line):
            if candidate in there:
                return there[candidate]
        raise TrackingError(f"{self.name} has no previous champion to roll back to")

    def _registered(self) -> RegisteredModel | None:
        try:
            return self.client.get_registered_model(self.name)
        except MlflowException as error:
            if is_absent(error):
                return None
            raise

    def _wanted_stages(self, holders: dict[str, int | None]) -> Iterator[tuple[ModelVersion, str]]:
        """Yield the versions whose tag or stage is not what it should be, and what it should be."""
        unheld = {stage for stage, version in holders.items() if version is None}
        for version in self.versions():
            held = [stage for stage in _FIRST if holders[stage] == number(version)]
            marks = self._marks(version)
            # A version whose alias was deleted by hand is left to `repair`.
            if held or (marks != {"None"} and not marks & unheld):
                stage = held[0] if held else "Archived"
                if marks != {stage}:
                    yield version, stage

    def _marks(self, version: ModelVersion) -> set[str]:
        """Return what tag and stage say of a version; servers without stages leave it empty."""
        stages = {version.current_stage} if version.current_stage and self.has_stages else set()
        return {version.tags.get(STAGE_TAG, "None"), *stages}

    def _without_alias(self, holders: dict[str, int | None]) -> Iterator[tuple[str, ModelVersion]]:
        """Yield stages that no version has the alias of, and the newest version marked with it."""
        free = [one for one in self.versions() if number(one) not in holders.values()]
        for stage, version in holders.items():
            marked = [one for one in free if stage in self._marks(one)]
            if version is None and marked:
                yield stage, marked[0]

    def _only(self, created: ModelVersion) -> ModelVersion:
        """Return the version of a run's model; where an answer was lost, it was created twice."""
        same = [
            version
            for version in self.versions()
            if version.run_id
            and (version.run_id, version.source) == (created.run_id, created.source)
        ]
        *twins, first = same or [created]
        for twin in twins:
            retry_on_conflict(self.client.delete_model_version, self.name, twin.version)
        return first

    def _mark(self, version: ModelVersion, stage: str) -> None:
        self.tag(version, {STAGE_TAG: stage})
        try:
            with warnings.catch_warnings():  # stages are deprecated, and part of the contract
                warnings.simplefilter("ignore", FutureWarning)
                retry_on_conflict(
                    self.client.transition_model_version_stage, self.name, version.version, stage
                )
        except MlflowException as error:
            if error.error_code not in ("ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED"):
                raise
            self.has_stages = False

    def _untag(self, version: ModelVersion, key: str) -> None:
        delete = self.client.delete_model_version_tag
        retry_on_conflict(delete, self.name, version.version, key)

    def _record(self, entry: dict[str, Any], key: str) -> None:
        retry_on_conflict(self.client.set_registered_model_tag, self.name, key, json.dumps(entry))
        self.introduce()

    def _set_alias(self, alias: str, version: ModelVersion) -> None:
        retry_on_conflict(self.client.set_registered_model_alias, self.name, alias, version.version)

    def _drop_aliases(self, version: ModelVersion, keep: str | None) -> None:
        for alias in ALIASES.values():
            held = self.by_alias(alias)
            if alias != keep and held is not None and number(held) == number(version):
                retry_on_conflict(self.client.delete_registered_model_alias, self.name, alias)


def resolve(model: str, registered_model: str) -> tuple[str, str]:
    """Return the URI to load, fixed to a version, and the name that answers shall carry."""
    registry = Registry(registered_model)
    prefix = f"models:/{registered_model}@"
    alias = model.removeprefix(prefix) if model.startswith(prefix) else ""
    if model and not alias:
        return model, ""
    version = registry.by_alias(alias or CHAMPION)
    if version is None:
        raise TrackingError(
            f"the registry has no {alias or CHAMPION} of {registered_model}; "
            "run `make pipeline` first, or name another model with `-P model=…`"
        )
    return registry.uri(version), f"{registered_model}/{number(version)}"


def _event_key(entry: Mapping[str, Any]) -> str:
    """Return the tag of the registered model that an event is kept under."""
    return f"{EVENT_TAG}{entry['at']}.{uuid4().hex[:6]}"


def promotion_tags(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags that a promoted version gets: who, when, why, and the gate's figures."""
    kept = {key: value for key, value in event.items() if key not in _ONLY_IN_THE_EVENT}
    texts = {key: "none" if value is None else str(value) for key, value in kept.items()}
    tags = {f"{PROMOTION_TAG}{key}": text for key, text in texts.items()}
    words = comparison(event.get("figures") or {})
    return {**tags, GATE_TAG: words} if words else tags


def lineage(history: Sequence[dict[str, Any]]) -> list[int]:
    """Return the champions that led to the present one, which is the last; a rollback takes back.

    A version that was archived by hand is no champion to go back to.
    """
    line: list[int] = []
    for event in history:
        version = event.get("version")
        if event.get("to") == "Archived":
            line = [one for one in line if one != version]
        elif event.get("to") == "Production" and version is not None:
            back = event.get("action") == "rollback" and version in line
            line = line[: line.index(version)] if back else line
            line += [version] if line[-1:] != [version] else []
    return line


def retry_on_conflict(write: Callable[..., Any], *arguments: str, **named: Any) -> Any:
    """Return the result of a write to the registry, retried where it conflicts with another one."""
    for attempt in range(_ATTEMPTS):
        try:
            return write(*arguments, **named)
        except MlflowException as error:
            if attempt == _ATTEMPTS - 1 or not any(sign in str(error) for sign in _CONFLICTS):
                raise
            time.sleep(random.uniform(0.05, 0.3))  # noqa: S311, no secret
    return None


def who() -> str:
    """Return the user, as the tracking server or the system knows them."""
    try:
        return os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"


def now() -> str:
    """Return the time in UTC, to the microsecond, in the characters that keys of tags may have."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def number(version: ModelVersion) -> int:
    """Return the version's number; some of MLflow's stores give it as text."""
    return int(version.version)


def is_absent(error: MlflowException) -> bool:
    """Return whether the registry says that the model, version or alias does not exist."""
    missing_alias = error.error_code == "INVALID_PARAMETER_VALUE" and "alias" in str(error)
    return missing_alias or error.error_code == "RESOURCE_DOES_NOT_EXIST"
