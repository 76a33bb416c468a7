"""Loads `config.yaml`, `params.yaml` and overrides into the entities of `entities`."""

import difflib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from steps.errors import SettingsError
from steps.settings.entities import SETTINGS, Config, Entity, Paths, StepSettings, split_commas

PROJECT_ROOT = Path(__file__).resolve().parents[2]

CONFIG_FILE = "config.yaml"
PARAMS_FILE = "params.yaml"

SHARED = ("seed", "frozen", "frozen_digest")
"""Keys that stand at the top of params.yaml, for every step that has them."""

EntityT = TypeVar("EntityT", bound=Entity)
SettingsT = TypeVar("SettingsT", bound=StepSettings)


@dataclass(frozen=True)
class Workspace:
    """The folder that a step reads and writes, with the paths of `config.yaml` inside it."""

    root: Path
    paths: Paths
    registered_model: str

    def path(self, name: str) -> Path:
        """Return the absolute path that `config.yaml` calls `name`."""
        return (self.root / getattr(self.paths, name)).resolve()

    def run_file(self, step: str) -> Path:
        """Return the file in which a step notes the id of its run."""
        return self.path("runs") / f"{step}.json"


class ConfigurationManager:
    """Gives every step its settings; all errors name file, key, value and what is allowed."""

    def __init__(self, root: Path = PROJECT_ROOT) -> None:
        self.root = root
        self.config = validate(Config, read_yaml(root / CONFIG_FILE), CONFIG_FILE)
        self.params = read_yaml(root / PARAMS_FILE)
        for section in self.params:
            if section not in (*SETTINGS, *SHARED):
                raise SettingsError(unknown_key(PARAMS_FILE, section, [*SETTINGS, *SHARED]))

    def settings(
        self, entity: type[SettingsT], overrides: Mapping[str, str] | None = None
    ) -> SettingsT:
        """Return the settings of a step: `params.yaml`, then `overrides` as `-P` gives them.

        Those of other steps that it needs are made likewise, of what its own parameter
        `overrides` says of them.
        """
        section = self.params.get(entity.step) or {}
        if not isinstance(section, dict):
            raise SettingsError(f"{PARAMS_FILE}: {entity.step} must be a mapping, not {section!r}")
        known = entity.parameters()
        shared = [key for key in SHARED if key in known and key in self.params]
        values = {**{key: self.params[key] for key in shared}, **section}
        validate_keys(known, values, PARAMS_FILE, entity.step)
        given = {key: value for key, value in (overrides or {}).items() if value != ""}
        validate_keys(known, given, "-P", entity.step)
        values |= given
        others = entity.other_steps()
        if others:
            of_others = read_overrides(values.get("overrides", ()), entity.step, list(others))
            values |= {name: self.settings(others[name], of_others.get(name)) for name in others}
        return validate(entity, values, PARAMS_FILE, entity.step, overridden=given)

    def workspace(self, root: str | Path | None = None) -> Workspace:
        """Return the workspace at `root`, by default the project's own folder."""
        return Workspace(
            Path(root).resolve() if root else self.root,
            self.config.paths,
            self.config.registered_model,
        )


def entity_of(step: str) -> type[StepSettings]:
    """Return the settings' class of an entry point; raise `SettingsError` where there is none."""
    if step not in SETTINGS:
        raise SettingsError(unknown_key("the MLproject", step, SETTINGS, what="entry point"))
    return SETTINGS[step]


def read_overrides(
    given: str | Sequence[str], reader: str, allowed: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return {"train": {"epochs": "2"}} for "train.epochs=2" or its parts between commas.

    A part without "=" belongs to the value before it: "evaluate.protocols=B", "C".

    Args:
        given: settings of other steps, as text or split at its commas.
        reader: the step whose parameter `overrides` it is.
        allowed: the steps whose settings it may hold.

    Raises:
        SettingsError: a part is not step.key=value, or names another step.
    """
    overrides: dict[str, dict[str, str]] = {}
    whole: list[str] = []
    for part in split_commas(given):
        if "=" in part or not whole:
            whole.append(part)
        else:
            whole[-1] += f",{part}"
    for pair in whole:
        name, equals, value = pair.partition("=")
        step, dot, key = name.partition(".")
        if not (equals and dot):
            raise SettingsError(f"-P: {reader}.overrides has {pair!r}; expected step.key=value")
        if step not in allowed:
            raise SettingsError(
                f"-P: {reader}.overrides names {step!r}; allowed: {', '.join(allowed)}"
            )
        overrides.setdefault(step, {})[key] = value
    return overrides


def feedback_store(root: Path = PROJECT_ROOT) -> Path:
    """Return the SQLite file of the page's feedback: FEEDBACK_DB, or what `config.yaml` says."""
    named = os.environ.get("FEEDBACK_DB")
    return Path(named).absolute() if named else root / ConfigurationManager(root).config.feedback_db


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds; raise `SettingsError` where it holds none."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path.name} is missing in {path.parent}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path.name} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name} must hold a mapping of settings")
    return content


def validate(
    entity: type[EntityT],
    values: Mapping[str, Any],
    file: str,
    section: str = "",
    overridden: Collection[str] = (),
) -> EntityT:
    """Return the entity made of the values; raise `SettingsError` about the first bad one."""
    try:
        return entity.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        origin = "-P" if key in overridden else file
        raise SettingsError(describe(entity, first, origin, section)) from error


def validate_keys(
    known: Collection[str], values: Collection[str], origin: str, section: str
) -> None:
    """Raise `SettingsError` for a key that is not among the known ones."""
    for key in values:
        if key not in known:
            raise SettingsError(unknown_key(origin, f"{section}.{key}", known))


def unknown_key(origin: str, key: str, known: Collection[str], what: str = "key") -> str:
    """Return the sentence about an unknown key, with the nearest known one or all of them."""
    section, _, name = key.rpartition(".")
    near = difflib.get_close_matches(name, known, n=1)
    prefix = f"{section}." if section else ""
    hint = f"did you mean {prefix}{near[0]}?" if near else f"known: {', '.join(known)}"
    return f"{origin}: unknown {what} {key}; {hint}"


def describe(entity: type[Entity], error: ErrorDetails, origin: str, section: str) -> str:
    """Return one sentence about a failed validation: where, the value got, what is allowed."""
    location = ".".join(str(part) for part in ((section,) if section else ()) + error["loc"])
    if error["type"] == "extra_forbidden":
        return unknown_key(origin, location, entity.model_fields)
    field = entity.model_fields.get(str(error["loc"][0]))
    meaning = f" ({field.description})" if field is not None and field.description else ""
    if error["type"] == "missing":
        return f"{location} is missing{meaning}; give it in {origin} or with -P"
    allowed = error["msg"]
    for opening in ("Input should be ", "Value should be ", "Value error, "):
        allowed = allowed.removeprefix(opening)
    return f"{origin}: {location} is {error['input']!r}; allowed: {allowed}{meaning}"
