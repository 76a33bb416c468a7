"""The model registry: versions, aliases and stages of the registered model.

MLflow deprecates stages in favour of aliases, so a version in a stage carries an alias, the tag
`stage` and, where the server still has them, the stage itself.
"""

import warnings
from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from steps.errors import TrackingError

CHALLENGER = "challenger"
CHAMPION = "champion"
ALIASES = {"Staging": "staging", "Production": CHAMPION}
"""The alias that goes with a stage; `Archived` has none."""

DIGEST_TAG = "detector_sha256"
STAGE_TAG = "stage"
DESCRIPTION_LIMIT = 5000
"""Characters that MLflow's tables hold."""


class Registry:
    """One registered model on the current tracking server."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.client = MlflowClient()

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
            self.client.create_registered_model(self.name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        version = self.client.create_model_version(self.name, model_uri, run_id=run_id, tags=tags)
        self.client.set_registered_model_alias(self.name, CHALLENGER, version.version)
        return version

    def describe(self, version: ModelVersion, text: str) -> None:
        """Set the description that the registry's page shows for a version."""
        self.client.update_model_version(self.name, version.version, text[:DESCRIPTION_LIMIT])

    def move(self, version: ModelVersion, stage: str, audit: dict[str, str]) -> None:
        """Bring a version to a stage: alias, tag, stage and audit tags; archive who held it."""
        alias = ALIASES.get(stage)
        held = self.by_alias(alias) if alias else None
        if held is not None and number(held) != number(version):
            self._mark(held, "Archived")
        if alias:
            self.client.set_registered_model_alias(self.name, alias, version.version)
        else:
            self._drop_aliases(version)
        self._mark(version, stage)
        entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "to": stage, **audit}
        entry["from_version"] = str(number(held)) if held is not None else "none"
        for key, value in entry.items():
            self.client.set_model_version_tag(self.name, version.version, f"promotion.{key}", value)

    def _mark(self, version: ModelVersion, stage: str) -> None:
        self.client.set_model_version_tag(self.name, version.version, STAGE_TAG, stage)
        try:
            with warnings.catch_warnings():  # stages are deprecated, and part of the contract
                warnings.simplefilter("ignore", FutureWarning)
                self.client.transition_model_version_stage(self.name, version.version, stage)
        except MlflowException as error:
            if error.error_code not in ("ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED"):
                raise

    def _drop_aliases(self, version: ModelVersion) -> None:
        for alias in ALIASES.values():
            held = self.by_alias(alias)
            if held is not None and number(held) == number(version):
                self.client.delete_registered_model_alias(self.name, alias)


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


def number(version: ModelVersion) -> int:
    """Return the version's number; some of MLflow's stores give it as text."""
    return int(version.version)


def is_absent(error: MlflowException) -> bool:
    """Return whether the registry says that the model, version or alias does not exist."""
    missing_alias = error.error_code == "INVALID_PARAMETER_VALUE" and "alias" in str(error)
    return missing_alias or error.error_code == "RESOURCE_DOES_NOT_EXIST"
