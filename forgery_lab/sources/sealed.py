"""The sealed originals: whole camera makes that no detector learns from or is adjusted on.

The sealed test (`benchmarks/sealed`) forges them with other tools than the generator, and is looked
at once per release. `sealed.tsv` lists every original of these makes that the two public sources
of camera originals hold, forged or not.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pandas as pd

from forgery_lab.sources.makes import make_of

TABLE = Path(__file__).with_name("sealed.tsv")


def sealed() -> frozenset[str]:
    """Return the SHA-256 of every sealed original: leave them out of training and thresholds."""
    return frozenset(_table()["sha256"])


def sealed_makes() -> frozenset[str]:
    """Return the sealed makes, as `makes.make_of` writes them."""
    return frozenset(map(make_of, _table()["make"]))


@functools.lru_cache
def _table() -> pd.DataFrame:
    return pd.read_csv(TABLE, sep="\t", dtype=str, keep_default_na=False)
