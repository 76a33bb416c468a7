"""The schema of a form allows what its reader allows; both come from one model."""

import json

import pytest
from jsonschema import Draft202012Validator

from forgery_pyfunc.errors import ForgeryError
from webui.forms import AnalyzeForm, EvidenceForm, FeedbackForm, Form, JobForm, PredictForm

KEPT = {"consent": "true", "opinion": "right"}


def is_read(form: type[Form], fields: dict[str, str]) -> bool:
    try:
        form.read(fields)
    except ForgeryError:
        return False
    return True


def is_documented(form: type[Form], fields: dict[str, str]) -> bool:
    (schema,) = form.body().values()
    kinds = {name: field.get("type") for name, field in schema["properties"].items()}
    values = {name: value_of(text, kinds[name]) for name, text in fields.items()}
    file = [""] if kinds["file"] == "array" else ""
    return Draft202012Validator(schema).is_valid({"file": file, **values})


def value_of(text: str, kind: str) -> object:
    """The value that a text in a form stands for, as a program that knows the schema sees it."""
    return json.loads(text) if kind in ("number", "integer", "boolean") else text


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        *((PredictForm, {"threshold": text}) for text in ("0", "1", "0.25", "1.01", "-0.1")),
        *((PredictForm, {"heatmap": text}) for text in ("true", "false", "null")),
        *((PredictForm, {"explain": text}) for text in ("true", "false", "null")),
        *((AnalyzeForm, {"ela_quality": text}) for text in ("0", "1", "100", "101", "null")),
        *((EvidenceForm, {"views": text}) for text in ("ela", "ela,grid", "ela,", "magic")),
        *((FeedbackForm, KEPT | {"opinion": text}) for text in ("wrong", "odd")),
        *((FeedbackForm, KEPT | {"label": text}) for text in ("forged", "odd")),
        *((FeedbackForm, KEPT | {"consent": text}) for text in ("true", "false")),
        (FeedbackForm, {"opinion": "right"}),
        (FeedbackForm, {"consent": "true"}),
        *((JobForm, {"heatmap": text}) for text in ("true", "false")),
        *((JobForm, {"threshold": text}) for text in ("0.25", "1.01")),
        (PredictForm, {}),
        (JobForm, {}),
    ],
)  # fmt: skip
def test_what_is_documented_is_read(form, fields):
    assert is_read(form, fields) is is_documented(form, fields)


def test_an_empty_field_stands_for_a_missing_one():
    assert PredictForm.read({"threshold": "", "heatmap": ""}) == PredictForm()
    assert EvidenceForm.read({"views": "", "ela_quality": ""}) == EvidenceForm()


def test_the_refusal_names_the_field_and_repeats_nothing_of_it():
    with pytest.raises(ForgeryError) as refusal:
        AnalyzeForm.read({"ela_quality": "secret"})
    assert str(refusal.value).startswith("ela_quality: ")
    assert "secret" not in str(refusal.value)
