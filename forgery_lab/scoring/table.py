"""The table of a batch: a row per image, `path` and then the fields of a record.

Without those that are there on request alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow as pa

from forgery_pyfunc.contract import RECORD_FIELDS

ON_REQUEST = ("heatmap", "explanation")
"""Fields of a record that a batch does not ask for."""
FIELDS = {name: kind for name, kind in RECORD_FIELDS.items() if name not in ON_REQUEST}
"""Fields of a row beside `path`, and their MLflow types."""

_ARROW = {"string": pa.string(), "double": pa.float64(), "long": pa.int64(), "boolean": pa.bool_()}
_PANDAS = {"string": "str", "double": "Float64", "long": "Int64", "boolean": "boolean"}
_PYTHON: dict[str, Callable[[Any], Any]] = {
    "string": str, "double": float, "long": int, "boolean": bool,
}  # fmt: skip


def _schema() -> pa.Schema:
    """Return the schema with what tells pandas that whole numbers may be null."""
    kinds = {"path": "string", **FIELDS}
    empty = pd.DataFrame({name: pd.Series(dtype=_PANDAS[kind]) for name, kind in kinds.items()})
    fields = [pa.field(name, _ARROW[kind]) for name, kind in kinds.items()]
    return pa.Table.from_pandas(empty, pa.schema(fields), preserve_index=False).schema


SCHEMA = _schema()


def table(names: Iterable[str], records: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return the rows of images and their records; what a record does not have is null."""
    rows = list(records)
    columns: list[list[Any]] = [list(names)]
    for field, kind in FIELDS.items():
        convert = _PYTHON[kind]
        values = (row.get(field) for row in rows)
        columns.append([None if value is None else convert(value) for value in values])
    arrays = [pa.array(values, item.type) for values, item in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
