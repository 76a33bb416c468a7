"""A made set: its table, and its pictures as the panel's scoring takes them."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.panel.pictures import Picture
from forgery_lab.errors import DataError
from forgery_lab.examples.feature_store import Example

TABLE = "table.tsv"
GROUP = "sealed"


def read(out: Path) -> pd.DataFrame:
    """Return the table of a set.

    Raises:
        DataError: there is none.
    """
    if not (out / TABLE).is_file():
        raise DataError(f"{out} holds no {TABLE}; make the set first")
    return pd.read_csv(out / TABLE, sep="\t", dtype={"name": str}, keep_default_na=False)


def without(table: pd.DataFrame, learnt: Collection[str]) -> pd.DataFrame:
    """Return the forgeries none of whose originals is among those with these SHA-256."""
    return table[~table["host"].isin(learnt) & ~table["donor"].isin(learnt)]


def pictures(table: pd.DataFrame, out: Path) -> list[Picture]:
    """Return every forgery and its authentic counterpart; the bootstrap draws their hosts."""
    return [
        Picture(GROUP, row["name"], row["host"], label, partial(example, out, row, label))
        for row in table.to_dict("records")
        for label in (1, 0)
    ]


def example(out: Path, row: dict[Hashable, str], label: int) -> Example:
    """Return the file of a forgery with its mask, or of its counterpart."""
    data = (out / row["forged" if label else "authentic"]).read_bytes()
    if not label:
        return Example(data)
    with Image.open(out / row["mask"]) as mask:
        return Example(data, np.asarray(mask.convert("L")) > 127)


def groups(scores: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Return the scores once in all, once by kind and once by tool, for `figures.lines`."""
    rows = scores.merge(table[["name", "kind", "tool"]], on="name", suffixes=("", "_made"))
    by = [rows.assign(group="all")]
    by += [rows.assign(group=f"kind: {kind}") for kind, rows in _parts(rows, "kind_made")]
    by += [rows.assign(group=f"tool: {tool}") for tool, rows in _parts(rows, "tool")]
    return pd.concat(by, ignore_index=True)[list(scores.columns)]


def _parts(rows: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), part) for name, part in rows.groupby(column, sort=False)]
