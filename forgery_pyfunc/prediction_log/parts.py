"""The Parquet files of the prediction log: `date=YYYY-MM-DD/PART.parquet` in a folder or in S3.

Every process writes parts of its own, so none waits for another; readers take all of them as one
data set. Arro3 and obstore write them: PyArrow is three times as large, and pandas would load it
into every process of the server, with or without a log.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import obstore
from arro3.core import Array, DataType, Field, RecordBatch, Schema
from arro3.io import write_parquet
from obstore.store import LocalStore, ObjectStore, S3Store

from forgery_pyfunc.errors import ModelError
from forgery_pyfunc.prediction_log.line import FACTS, LOST, MEANS, Kind, Line

_S3 = "s3://"
_DAY = re.compile(r"date=(\d{4}-\d\d-\d\d)/")
_WAIT = timedelta(seconds=10)
"""The longest for an answer of S3; the log itself tries again later."""


class Parts:
    """Where the parts are, and how they are written."""

    def __init__(self, where: str, channels: Sequence[str]) -> None:
        """Open a folder, made where it is missing, or `s3://BUCKET/PREFIX`; S3 is not asked yet.

        Raises:
            ModelError: there can be no such folder, or this is no such address.
        """
        self.channels = tuple(channels)
        self.store = _store(where)

    def write(self, path: str, lines: Sequence[Line], lost: Sequence[int]) -> None:
        """Write a part, whole or not at all; one of the same name is replaced.

        Raises:
            Exception: of any class, where the store is full or away.
        """
        buffer = io.BytesIO()
        write_parquet(self._batch(lines, lost), buffer, compression="zstd(3)")
        obstore.put(self.store, path, buffer.getvalue())

    def remove_before(self, day: date) -> None:
        """Remove the parts of all days before one; raises as `write`."""
        for found in obstore.list(self.store):
            for entry in found:
                named = _DAY.match(entry["path"])
                if named and date.fromisoformat(named[1]) < day:
                    obstore.delete(self.store, entry["path"])

    def _batch(self, lines: Sequence[Line], lost: Sequence[int]) -> RecordBatch:
        arrays = [_array([getattr(line, name) for line in lines], FACTS[name]) for name in FACTS]
        arrays.append(Array(list(lost), DataType.int64()))
        missing = np.full(len(self.channels), np.nan, np.float32)
        means = np.stack([missing if line.means is None else line.means for line in lines], axis=1)
        arrays.extend(Array.from_numpy(np.ascontiguousarray(row)) for row in means)
        schema = Schema(
            [
                *(Field(name, _TYPES[kind]) for name, kind in FACTS.items()),
                Field(LOST, DataType.int64()),
                *(Field(f"{MEANS}{name}", DataType.float32()) for name in self.channels),
            ]
        )
        return RecordBatch.from_arrays(arrays, schema=schema)


_TYPES: dict[Kind, DataType] = {
    "time": DataType.timestamp("us", tz="UTC"),
    "string": DataType.string(),
    "integer": DataType.int64(),
    "number": DataType.float64(),
}


def _array(values: list, kind: Kind) -> Array:
    if kind == "time":
        microseconds = [round(1e6 * value.timestamp()) for value in values]
        return Array(microseconds, DataType.int64()).cast(_TYPES[kind])
    return Array(values, _TYPES[kind])


def _store(where: str) -> ObjectStore:
    try:
        if where.startswith(_S3):
            plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
            return S3Store.from_url(
                where,
                client_options={"timeout": _WAIT, "allow_http": plain},
                retry_config={"max_retries": 1, "retry_timeout": _WAIT},
            )
        folder = Path(where).absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return LocalStore(folder)
    except Exception as error:  # obstore's errors of configuration are of many classes
        raise ModelError(f"the prediction log cannot be kept in {where!r}: {error}") from error
