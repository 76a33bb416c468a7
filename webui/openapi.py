"""The OpenAPI document, generated from the views and the models of their bodies and answers.

Why by hand: flask-openapi3 4.3 was tried on `/predict` in November 2026. It needs an application
class of its own, answers with 422 and a copy of the value that it refuses, reads no field of the
query, refuses empty fields, and adds a model of its own for errors. Each of these needs a callback
or a validator, and the answers by code, media type and header would still be written out per view.
The models of bodies (`webui.forms`, `webui.layouts`) and answers are pydantic's all the same.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

from forgery.evidence.why import EXPLANATION
from webui.errors import RETURN_SECONDS, STATUS_OF_CODE, ErrorAnswer

REFERENCE = "#/components/schemas/{model}"
REQUEST_ID_HEADER = {
    "X-Request-ID": {
        "description": "finds the request in the logs; a well-formed one from the client is used",
        "schema": {"type": "string"},
    }
}
RETRY_AFTER_HEADER = {
    "Retry-After": {
        "description": "seconds until those who wait now will have been served, as expected",
        "schema": {"type": "integer", "minimum": 1},
    }
}
View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """What the document says of a view.

    Attributes:
        text: the view's docstring; its first line is the summary.
        answers: media type to the model of the answer, or to a plain JSON schema.
        body: media type to the model of the body, or to a plain JSON schema.
        parameters: OpenAPI parameter objects.
        errors: codes of `STATUS_OF_CODE` that the view may answer with.
        tag: heading under which it stands.
        status: of an answer that is no error.
        headers: OpenAPI headers of that answer.
    """

    text: str
    answers: dict[str, Any]
    body: dict[str, Any]
    parameters: tuple[dict[str, Any], ...]
    errors: tuple[str, ...]
    tag: str
    status: int
    headers: dict[str, Any]


def describe(
    answers: dict[str, Any],
    body: dict[str, Any] | None = None,
    parameters: Iterable[dict[str, Any]] = (),
    errors: Iterable[str] = (),
    tag: str = "scoring",
    status: int = 200,
    headers: dict[str, Any] | None = None,
) -> Callable[[View], View]:
    """Return a decorator that puts a view into the OpenAPI document; see `Operation`."""

    def mark(view: View) -> View:
        text = (view.__doc__ or "").strip()
        operation = Operation(
            text,
            answers,
            body or {},
            tuple(parameters),
            tuple(errors),
            tag,
            status,
            REQUEST_ID_HEADER | (headers or {}),
        )
        view.operation = operation  # type: ignore[attr-defined]
        return view

    return mark


def document(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of all described views."""
    described = [
        (rule, operation)
        for rule in app.url_map.iter_rules()
        if (operation := operation_of(app.view_functions[rule.endpoint]))
    ]
    schemas: list[Any] = [ErrorAnswer]
    for _, operation in described:
        schemas += [*operation.answers.values(), *operation.body.values()]
    models = dict.fromkeys(schema for schema in schemas if isinstance(schema, type))
    _, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template=REFERENCE
    )
    explanation = EXPLANATION.json_schema(ref_template=REFERENCE, mode="serialization")
    parts = explanation.pop("$defs")
    paths: dict[str, dict[str, Any]] = {}
    for rule, operation in sorted(described, key=lambda pair: pair[0].rule):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path = _template(rule)
            paths.setdefault(path, {})[method.lower()] = _entry(rule, operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forgery detector",
            "version": app.config["VERSION"],
            "description": "Detects whether a picture has been forged, and where.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": {**definitions["$defs"], **parts, "Explanation": explanation}},
    }


def operation_of(view: Callable[..., Any]) -> Operation | None:
    """Return what `describe` noted of a view."""
    return getattr(view, "operation", None)


def _template(rule: Rule) -> str:
    """Return a Flask rule as an OpenAPI path: `<name>` becomes `{name}`."""
    return re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)


def _entry(rule: Rule, operation: Operation) -> dict[str, Any]:
    summary, _, rest = operation.text.partition("\n")
    entry: dict[str, Any] = {
        "operationId": rule.endpoint.rpartition(".")[2],
        "tags": [operation.tag],
        "summary": summary,
        "responses": {
            str(operation.status): {
                "description": "Accepted." if operation.status == 202 else "Done.",
                "headers": operation.headers,
                "content": _content(operation.answers),
            },
            **_errors(operation.errors),
        },
    }
    if rest.strip():
        entry["description"] = " ".join(rest.split())
    if operation.parameters:
        entry["parameters"] = list(operation.parameters)
    if operation.body:
        entry["requestBody"] = {"required": True, "content": _content(operation.body)}
    return entry


def _content(schemas: dict[str, Any]) -> dict[str, Any]:
    return {media: {"schema": _schema(schema)} for media, schema in schemas.items()}


def _schema(schema: Any) -> dict[str, Any]:
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return {"$ref": REFERENCE.format(model=schema.__name__)}
    return schema


def _errors(codes: tuple[str, ...]) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(STATUS_OF_CODE[code], []).append(code)
    return {
        str(status): {
            "description": "`" + "`, `".join(names) + "`",
            "headers": REQUEST_ID_HEADER | _retry_after(names),
            "content": {"application/json": {"schema": _schema(ErrorAnswer)}},
        }
        for status, names in sorted(by_status.items())
    }


def _retry_after(codes: list[str]) -> dict[str, Any]:
    """Return the header of answers with these codes that say when to come back."""
    passing = {"too_many_requests", *RETURN_SECONDS}
    return RETRY_AFTER_HEADER if passing & set(codes) else {}


UPSTREAM_ERRORS = (
    "too_many_requests",
    "scoring_server_failed",
    "scoring_server_absent",
    "scoring_server_busy",
    "scoring_server_late",
)
UPLOAD_ERRORS = (
    "bad_request",
    "missing_file",
    "too_many_files",
    "bad_parameter",
    "empty_image",
    "upload_too_slow",
    "too_large",
    "not_an_image",
    "unsupported_format",
    "broken_image",
    "too_many_pixels",
    "decoder_failed",
    "no_room",
    *UPSTREAM_ERRORS,
)
"""Codes that any view which takes files and scores them may answer with."""
