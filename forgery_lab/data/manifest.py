"""The manifest: one row per image of a data set, as every later step reads it.

The schema is written in Arrow's types, which the Parquet file and the digest need anyway. Pandera
was tried beside it: its errors have another form for a value, a missing value, a type and a rule
over two columns, and only some name the row, so that the translation into one sentence with column,
row, value and what is allowed took more code than the checks here.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from forgery_lab.errors import DataError
from forgery_lab.files import write_whole

KINDS = ("authentic", "splice", "copy-move", "unknown")


@dataclass(frozen=True)
class _Column:
    type: pa.DataType
    is_allowed: Callable[[Any], bool]
    allowed: str
    nullable: bool = False
    optional: bool = False


def _is_relative(path: str) -> bool:
    pure = PurePosixPath(path)
    return bool(path) and "\\" not in path and not pure.is_absolute() and ".." not in pure.parts


def _is_hex(digits: int) -> Callable[[str], bool]:
    return lambda text: len(text) == digits and set(text) <= set("0123456789abcdef")


def _is_positive(number: int) -> bool:
    return number >= 1


_PATH = "a relative path with '/' and without '..'"

SCHEMA = {
    "path": _Column(pa.string(), _is_relative, _PATH),
    "label": _Column(pa.int8(), lambda label: label in (0, 1), "0 (authentic) or 1 (forged)"),
    "kind": _Column(pa.string(), lambda kind: kind in KINDS, ", ".join(KINDS)),
    "category": _Column(pa.string(), lambda text: len(text) <= 32, "a short word or nothing"),
    "source_ids": _Column(pa.list_(pa.string()), all, "a list of ids, none of them empty"),
    "group": _Column(pa.string(), bool, "a name"),
    "sha256": _Column(pa.string(), _is_hex(64), "64 hexadecimal digits"),
    "phash": _Column(pa.string(), _is_hex(16), "16 hexadecimal digits"),
    "format": _Column(pa.string(), bool, "a name such as JPEG"),
    "width": _Column(pa.int32(), _is_positive, "1 or more"),
    "height": _Column(pa.int32(), _is_positive, "1 or more"),
    "mode": _Column(pa.string(), bool, "a name such as RGB"),
    "jpeg_quality": _Column(pa.int16(), lambda q: 1 <= q <= 100, "1 to 100", nullable=True),
    "jpeg_tables": _Column(pa.string(), bool, "a hash", nullable=True),
    "mask_path": _Column(pa.string(), _is_relative, _PATH, nullable=True),
    "subsampling": _Column(pa.string(), bool, "such as 4:2:0", nullable=True, optional=True),
    "bytes": _Column(pa.int64(), _is_positive, "1 or more", optional=True),
    "reviewed_by": _Column(pa.string(), bool, "a name", nullable=True, optional=True),
    "reviewed_at": _Column(pa.string(), bool, "a time", nullable=True, optional=True),
}


def build(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a manifest of `rows`, one dict per image, in the order of their paths.

    Raises:
        DataError: a column is missing or unknown, or a value is not allowed.
    """
    frame = pd.DataFrame(list(rows))
    ordered = frame.sort_values("path", ignore_index=True) if "path" in frame else frame
    return _from_table(_to_table(ordered))


def validate(frame: pd.DataFrame) -> pd.DataFrame:
    """Return `frame` with the columns and types of the schema, checked value by value.

    Raises:
        DataError: the first fault, with column, row, value and what is allowed.
    """
    return _from_table(_to_table(frame))


def write(frame: pd.DataFrame, path: Path | str) -> None:
    """Write a checked manifest as Parquet; the file appears whole or not at all.

    Raises:
        DataError: `frame` is no valid manifest, or the file cannot be written.
    """
    table = _to_table(frame)
    try:
        write_whole(Path(path), lambda partial: pq.write_table(table, partial), alone=True)
    except OSError as error:
        raise DataError(f"{path}: the manifest cannot be written ({error.strerror}).") from error


def read(path: Path | str) -> pd.DataFrame:
    """Return the manifest in a Parquet file, checked.

    Raises:
        DataError: there is no such file, it is no Parquet file, or no valid manifest.
    """
    if not Path(path).is_file():
        raise DataError(f"{path}: there is no such manifest; the step 'ingest' writes it.")
    try:
        table = pq.read_table(path)
        table.validate(full=True)  # that texts are UTF-8
        frame = table.to_pandas()
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"{path}: this is not a Parquet file that can be read.") from error
    try:
        return _from_table(_to_table(frame))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def digest(frame: pd.DataFrame) -> str:
    """Return 32 hexadecimal digits that name the content of a manifest.

    They depend neither on the order of rows and columns nor on the Parquet file; MLflow takes 36.
    """
    rows = _to_table(frame.sort_values("path")).to_pylist()
    text = "\n".join(json.dumps(row, sort_keys=True, ensure_ascii=False) for row in rows)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _to_table(frame: pd.DataFrame) -> pa.Table:
    required = [name for name, column in SCHEMA.items() if not column.optional]
    missing = [name for name in required if name not in frame]
    unknown = [str(name) for name in frame if name not in SCHEMA]
    if missing or unknown:
        faults = [f"lacks {', '.join(missing)}"] if missing else []
        faults += [f"has unknown {', '.join(unknown)}"] if unknown else []
        raise DataError(f"columns: the manifest {' and '.join(faults)}.")
    names = [name for name in SCHEMA if name in frame]
    table = pa.table([_to_array(name, frame[name]) for name in names], names=names)
    _require_values(table)
    return table


def _to_array(name: str, values: pd.Series) -> pa.Array:
    column = SCHEMA[name]
    plain = [_plain(value) for value in values]
    empty = next((row for row, value in enumerate(plain) if value is None), None)
    if empty is not None and not column.nullable:
        raise DataError(f"{name}, row {empty}: got nothing; allowed: {column.allowed}.")
    try:
        return pa.array(plain, column.type)
    except (pa.ArrowException, OverflowError) as error:
        raise DataError(f"{name}: a value is not of type {column.type} ({error}).") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    is_missing = value is pd.NA or (isinstance(value, float) and np.isnan(value))
    return None if is_missing else value


def _require_values(table: pa.Table) -> None:
    for name in table.column_names:
        column = SCHEMA[name]
        for row, value in enumerate(table[name].to_pylist()):
            if value is not None and not column.is_allowed(value):
                raise DataError(f"{name}, row {row}: got {value!r}; allowed: {column.allowed}.")
    paths = table["path"].to_pylist()
    if len(set(paths)) < len(paths):
        twice = next(path for row, path in enumerate(paths) if path in paths[:row])
        raise DataError(f"path: {twice!r} occurs in two rows; allowed: one row per image.")
    for row, (label, kind) in enumerate(
        zip(table["label"].to_pylist(), table["kind"].to_pylist(), strict=True)
    ):
        if (label == 0) != (kind == "authentic"):
            raise DataError(f"kind, row {row}: {kind!r} contradicts the label {label}.")


def _from_table(table: pa.Table) -> pd.DataFrame:
    frame = table.to_pandas(integer_object_nulls=False)
    frame["jpeg_quality"] = pd.array(table["jpeg_quality"].to_pylist(), dtype="Int16")
    frame["source_ids"] = pd.Series(
        table["source_ids"].to_pylist(), index=frame.index, dtype=object
    )
    return frame
