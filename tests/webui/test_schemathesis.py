"""Requests made up from the OpenAPI document: no server error, and only answers it names."""

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from webui.application import create_app
from webui.openapi import document
from webui.settings import Settings

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    (method, path, mode)
    for path, methods in document(create_app(Settings()))["paths"].items()
    for method, operation in methods.items()
    for mode in ("positive", "negative")
    if mode == "positive" or "requestBody" in operation  # else nothing can be sent that is wrong
]


@pytest.fixture(scope="module")
def application(scoring_server: str, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    store = tmp_path_factory.mktemp("store")
    return create_app(
        Settings(
            scoring_url=scoring_server,
            feedback_db=str(store / "feedback.db"),
            jobs_dir=str(store / "jobs"),
        )
    )


@pytest.mark.parametrize(("method", "path", "mode"), OPERATIONS)
def test_answers_are_as_the_document_says(application, method, path, mode):
    schema = schemathesis.openapi.from_wsgi("/openapi.json", application)
    generation = schemathesis.GenerationMode(mode)
    run(schema[path][method].as_strategy(generation_mode=generation))


def run(cases) -> None:
    @given(case=cases)
    @settings(
        max_examples=25,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def check(case):
        case.call_and_validate(checks=CHECKS)

    check()
