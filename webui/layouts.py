"""The bodies of `/invocations`: MLflow's four layouts in JSON, and CSV; schema and reader of each.

MLflow's own server answers malformed requests with the payload inside, so bodies are read here
first. The layouts are MLflow's and hold rules that a data model cannot word with our codes, so they
are read by hand; `params` are those of `request_parameters`, for reader and schema alike.
"""

import csv
import io
import json
from typing import Any

from pydantic import TypeAdapter

from forgery_pyfunc import base64_text
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.request_parameters import Parameters
from webui.errors import ApiError

COLUMN = "image"
csv.field_size_limit(2**30)  # of this process; what a request may hold is limited before
IMAGE = {"type": "string", "contentEncoding": "base64", "description": "an encoded image"}
IMAGES = {"type": "array", "minItems": 1, "items": IMAGE}
ROWS = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "object", "required": [COLUMN], "properties": {COLUMN: IMAGE}},
}
COLUMNS = {
    "type": "object",
    "required": [COLUMN],
    "properties": {COLUMN: IMAGES},
    "additionalProperties": {"type": "array", "description": "as many values as `image`"},
}
SPLIT = {
    "type": "object",
    "required": ["columns", "data"],
    "additionalProperties": False,
    "properties": {
        "columns": {
            "type": "array",
            "items": {"type": "string"},
            "uniqueItems": True,
            "contains": {"const": COLUMN},
        },
        "data": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "array", "minItems": 1},
            "description": "rows with one value per column; that of `image` is base64",
        },
        "index": {
            "type": "array",
            "items": {"type": ["string", "integer"]},
            "description": "one label per row",
        },
    },
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "dataframe_split": SPLIT,
    "dataframe_records": ROWS,
    "inputs": {"anyOf": [COLUMNS, ROWS, IMAGES]},
    "instances": {"anyOf": [ROWS, IMAGES]},
}
"""Layouts and their schemas; a plain list of images stands for the only column."""

BARE_LAYOUTS = ("inputs", "instances")
PARAMS = {**TypeAdapter(Parameters).json_schema(), "additionalProperties": False}
BODY = {
    "oneOf": [
        {
            "type": "object",
            "required": [layout],
            "additionalProperties": False,
            "properties": {layout: schema, "params": {"anyOf": [PARAMS, {"type": "null"}]}},
        }
        for layout, schema in LAYOUTS.items()
    ]
}

CSV = {
    "type": "string",
    "description": "names in the first line, among them `image`; its values are base64",
}


def read_images(body: bytes, max_files: int) -> list[bytes]:
    """Return the encoded images of a request body, decoded from base64.

    Raises:
        ApiError: the body is not one that the model can answer; the message says what is
            allowed and repeats nothing of the payload.
        ParameterError: one of `params` is not allowed.
    """
    document = parse_json(body)
    layouts = [name for name in LAYOUTS if name in document]
    if len(layouts) != 1 or set(document) - {*LAYOUTS, "params"}:
        names = ", ".join(LAYOUTS)
        message = f"The body must contain exactly one of {names}, and may contain params."
        raise ApiError("bad_request", message)
    layout = layouts[0]
    cells = READERS[layout](document[layout])
    check_number(len(cells), layout, max_files)
    Parameters.read(document.get("params"))
    return [decode_base64(cell, number) for number, cell in enumerate(cells)]


def read_csv(body: bytes, max_files: int) -> tuple[list[bytes], bytes]:
    """Return the encoded images of a CSV body, and the JSON body that asks for the same.

    MLflow's server reads CSV, but refuses text in a column of bytes: so it is sent JSON.

    Raises:
        ApiError: as `read_images`.
    """
    try:
        rows = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (ValueError, csv.Error) as error:
        raise ApiError("bad_request", "The body is not valid CSV in UTF-8.") from error
    columns, *lines = [row for row in rows if row] or [[]]
    if columns.count(COLUMN) != 1:
        raise missing_column("The CSV", "first line")
    if any(len(line) != len(columns) for line in lines):
        message = "Every line of the CSV must have as many values as the first has names."
        raise ApiError("bad_request", message)
    check_number(len(lines), "The CSV", max_files)
    cells = [line[columns.index(COLUMN)] for line in lines]
    images = [decode_base64(cell, number) for number, cell in enumerate(cells)]
    return images, json.dumps({"dataframe_records": [{COLUMN: cell} for cell in cells]}).encode()


def check_number(images: int, layout: str, max_files: int) -> None:
    """Refuse a request without an image, or with too many."""
    if not images:
        raise ApiError("missing_file", f"{layout} contains no image.")
    if images > max_files:
        message = f"{images} images in one request; at most {max_files} are allowed."
        raise ApiError("too_many_files", message)


def parse_json(body: bytes) -> dict[str, Any]:
    """Return the JSON object of a body."""
    try:
        document = json.loads(body.decode("utf-8"))  # as MLflow does; json would guess others
    except (ValueError, RecursionError) as error:
        raise ApiError("bad_request", "The body is not valid JSON in UTF-8.") from error
    if not isinstance(document, dict):
        raise ApiError("bad_request", "The body must be a JSON object.")
    return document


def read_split(value: Any) -> list[Any]:
    """Return the cells of `{"columns": ["image"], "data": [[…], …]}`."""
    columns = value.get("columns") if isinstance(value, dict) else None
    if not isinstance(columns, list) or columns.count(COLUMN) != 1:
        raise missing_column("dataframe_split", "columns")
    if set(value) - {"columns", "data", "index"}:
        message = "dataframe_split may contain only columns, data and index."
        raise ApiError("bad_request", message)
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) < len(columns):
        message = "dataframe_split.columns must be a list of unique names."
        raise ApiError("bad_request", message)
    rows = value.get("data")
    well_formed = isinstance(rows, list) and all(
        isinstance(row, list) and len(row) == len(columns) for row in rows
    )
    if not well_formed:
        message = "dataframe_split.data must be a list of rows with one value per column."
        raise ApiError("bad_request", message)
    index = value.get("index", list(range(len(rows))))
    if not isinstance(index, list) or len(index) != len(rows) or not all(map(_is_label, index)):
        message = "dataframe_split.index must contain a number or a name for every row."
        raise ApiError("bad_request", message)
    position = columns.index(COLUMN)
    return [row[position] for row in rows]


def read_rows(layout: str, value: Any) -> list[Any]:
    """Return the cells of `[{"image": …}, …]`, or of `[…]` where the layout allows that."""
    if layout in BARE_LAYOUTS and isinstance(value, list) and not any(_is_dict(v) for v in value):
        return value
    if not isinstance(value, list) or not all(_is_dict(row) for row in value):
        raise ApiError("bad_request", f'{layout} must be a list of objects with the key "image".')
    if not all(COLUMN in row for row in value):
        raise missing_column(layout, "row")
    if any(set(row) != set(value[0]) for row in value):
        raise ApiError("bad_request", f"All rows of {layout} must have the same keys.")
    return [row[COLUMN] for row in value]


def _is_label(value: Any) -> bool:
    return isinstance(value, str | int)


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def read_inputs(value: Any) -> list[Any]:
    """Return the cells of `{"image": […]}` or of `[{"image": …}, …]`."""
    if isinstance(value, list):
        return read_rows("inputs", value)
    if not isinstance(value, dict) or COLUMN not in value:
        raise missing_column("inputs", "object")
    cells = value[COLUMN]
    if not isinstance(cells, list) or any(
        not isinstance(column, list) or len(column) != len(cells) for column in value.values()
    ):
        raise ApiError("bad_request", "inputs.image must be a list of base64 strings.")
    return cells


READERS = {
    "dataframe_split": read_split,
    "dataframe_records": lambda value: read_rows("dataframe_records", value),
    "inputs": read_inputs,
    "instances": lambda value: read_rows("instances", value),
}


def missing_column(layout: str, where: str) -> ApiError:
    """Return the error of a layout without the column that the model needs."""
    return ApiError("missing_column", f'{layout} must name the column "image" (in its {where}).')


def decode_base64(cell: Any, number: int) -> bytes:
    """Return the bytes of a cell; unlike MLflow's, this decoder drops no bad characters."""
    if not isinstance(cell, str):
        raise ApiError("bad_base64", f"Image {number} is not a base64 string.")
    try:
        return base64_text.decode(cell)
    except ImageError as error:
        raise ApiError(error.code, f"Image {number} is not valid base64.") from error
