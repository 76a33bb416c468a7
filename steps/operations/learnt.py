"""Which registered versions learnt from a picture; their training manifests tell.

Somebody who has a picture deleted wants to know. The next training is without it; a version that
learnt from it keeps what it learnt.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from forgery_lab.data.inspection import perceptual_hash
from forgery_lab.data.near_duplicates import looks_like
from forgery_pyfunc.errors import ModelError
from forgery_pyfunc.imaging.decoding import decode
from steps.errors import SettingsError, TrackingError
from steps.registry.files import fetch
from steps.registry.model_registry import Registry, number

_DIGITS = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class Learnt:
    """What a version's training manifest says of a picture.

    Attributes:
        version: its number.
        aliases: such as champion.
        files: splits ("train", "validation") in which this very file is.
        alike: splits in which a picture is that looks the same.
        unknown: why nothing can be said; None where it can.
    """

    version: int
    aliases: tuple[str, ...]
    files: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    unknown: str | None = None

    def in_words(self) -> str:
        """Return it as a line for people."""
        head = f"version {self.version}" + f" ({', '.join(self.aliases)})" * bool(self.aliases)
        if self.unknown:
            return f"{head}: unknown, {self.unknown}"
        if self.files:
            return f"{head}: learnt from it ({', '.join(self.files)})"
        if self.alike:
            return f"{head}: learnt from a picture that looks the same ({', '.join(self.alike)})"
        return f"{head}: did not learn from it"


def rows_of(picture: str) -> pd.DataFrame:
    """Return one row with the `sha256` of a picture and, where the file is here, its `phash`.

    Args:
        picture: a file, or the SHA-256 of one.

    Raises:
        SettingsError: it is neither.
        ImageError: the file is no image that is read.
    """
    path = Path(picture)
    if path.is_file():
        data = path.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        return pd.DataFrame([{"sha256": sha256, "phash": perceptual_hash(decode(data))}])
    if len(picture) == 64 and set(picture.lower()) <= _DIGITS:
        return pd.DataFrame([{"sha256": picture.lower()}])
    raise SettingsError(
        f"{picture!r}: no such file; allowed: a file, or the 64 hexadecimal digits of its SHA-256"
    )


def learnt_from(
    registry: Registry, pictures: Mapping[str, pd.DataFrame]
) -> Iterator[tuple[str, Learnt]]:
    """Yield, for every version from the newest on, what it learnt of each picture.

    Args:
        registry: the registered model.
        pictures: rows as of `rows_of`, by name.
    """
    for version in registry.versions():
        aliases = tuple(sorted(registry.by_number(number(version)).aliases))
        known = Learnt(number(version), aliases)
        training, why = None, "it brings no training manifest"
        with ExitStack() as stack:
            try:
                training = fetch(registry, version, stack).training
            except (TrackingError, ModelError) as error:
                why = str(error)
        for name, rows in pictures.items():
            found = replace(known, unknown=why) if training is None else _in(training, rows, known)
            yield name, found


def _in(training: pd.DataFrame, rows: pd.DataFrame, known: Learnt) -> Learnt:
    def splits(which: pd.Series) -> tuple[str, ...]:
        return tuple(sorted(set(training["split"][which])))

    return replace(
        known,
        files=splits(training["sha256"].isin(rows["sha256"])),
        alike=splits(pd.Series(looks_like(training, rows), training.index)),
    )
