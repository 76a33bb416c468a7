"""Licences of the locked dependencies as SPDX expressions, and which of them are not allowed.

The rules, and what older metadata leaves unsaid, are in `requirements/licences.toml`. Needs the
development environment, which has the packages of every lock.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from importlib.metadata import PackageMetadata, metadata
from pathlib import Path

from license_expression import ExpressionError, LicenseExpression, get_spdx_licensing
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SPDX = get_spdx_licensing()
RULES = Path(__file__).parents[1] / "requirements" / "licences.toml"


@dataclass(frozen=True)
class Rules:
    """What `requirements/licences.toml` says; names of packages are normalised ones."""

    allowed: Mapping[str, list[str]]
    words: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    exceptions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path = RULES) -> "Rules":
        """Return the rules of a file."""
        return cls(**tomllib.loads(path.read_text("utf-8")))


def locked(lock: Path) -> list[str]:
    """Return the names of the packages that a lock installs on this machine."""
    lines = re.findall(r"^([\w.-]+(?:\[.+\])?==[^\\\n]+)", lock.read_text("utf-8"), re.M)
    requirements = [Requirement(line.strip()) for line in lines]
    return [r.name for r in requirements if r.marker is None or r.marker.evaluate()]


def stated(package: PackageMetadata | Message, rules: Rules) -> str | None:
    """Return the licence of a package as an SPDX expression, None where nothing readable says it.

    The first of these counts: the rules' own statement, `License-Expression`, a `License` that is
    an expression, the classifiers (several count as "AND", the stricter reading), a `License` in
    words.
    """
    if by_hand := rules.packages.get(canonicalize_name(package["Name"])):
        return by_hand
    words = package["License"].strip() if "License" in package else ""
    for text in (*(package.get_all("License-Expression") or []), words):
        if text and _is_spdx(text):
            return text
    classifiers = [
        line.rpartition(" :: ")[2]
        for line in package.get_all("Classifier") or []
        if line.startswith("License ::")
    ]
    known = [rules.words[word] for word in classifiers or [words] if word in rules.words]
    return " AND ".join(known) or None


def is_allowed(expression: str, allowed: set[str]) -> bool:
    """Return whether an SPDX expression is met with the allowed licences."""
    return _is_met(SPDX.parse(expression), allowed)


def refused(lock: Path, kinds: tuple[str, ...], rules: Rules) -> dict[str, str]:
    """Return the packages of a lock that are not allowed, each with its licence.

    Args:
        lock: of packages that are installed here.
        kinds: the lists of `allowed` that count.
        rules: lists and exceptions; the latter are not for the image.

    Raises:
        PackageNotFoundError: a package is not installed.
    """
    allowed = {name for kind in kinds for name in rules.allowed[kind]}
    excepted = set() if kinds == ("image",) else set(rules.exceptions)
    found = {name: stated(metadata(name), rules) for name in locked(lock) if name not in excepted}
    return {
        name: licence or "unknown"
        for name, licence in found.items()
        if licence is None or not is_allowed(licence, allowed)
    }


def _is_spdx(text: str) -> bool:
    try:
        parsed = SPDX.parse(text)
    except ExpressionError:
        return False
    return not SPDX.unknown_license_keys(parsed)


def _is_met(node: LicenseExpression, allowed: set[str]) -> bool:
    if isinstance(node, SPDX.OR):
        return any(_is_met(part, allowed) for part in node.args)
    if isinstance(node, SPDX.AND):
        return all(_is_met(part, allowed) for part in node.args)
    return str(node) in allowed  # a licence, also one "WITH" an exception
