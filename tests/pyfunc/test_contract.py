import ast
import subprocess
import sys
from pathlib import Path

import pytest

import forgery_pyfunc
from forgery_pyfunc.contract import (
    CODES,
    ERROR_CODES,
    NOTE_CODES,
    PARAMETER_CODE,
    REASON_CODES,
    RECORD_FIELDS,
    CodedMessage,
    Record,
)
from forgery_pyfunc.errors import ImageError, ParameterError
from forgery_pyfunc.request_parameters import PARAMETER_TYPES, Parameters, read_flag
from webui.errors import STATUS_OF_CODE


def test_the_fields_of_a_record_stand_in_the_order_of_the_contract():
    assert list(RECORD_FIELDS) == [
        "verdict", "probability", "heatmap", "width", "height", "format", "model_version",
        "error", "reason", "t_lo", "t_hi", "note", "explanation",
    ]  # fmt: skip
    assert set(RECORD_FIELDS.values()) == {"string", "double", "long"}
    assert PARAMETER_TYPES == {
        "threshold": "double", "heatmap": "boolean", "strict": "boolean", "explain": "boolean",
    }  # fmt: skip


def test_an_error_goes_over_the_wire_as_code_and_sentence():
    message = CodedMessage.of(ImageError("it is cut off: half is missing", "broken_image"))
    assert str(message) == "broken_image: it is cut off: half is missing"
    assert CodedMessage.parse(str(message)) == message
    record = Record(error=str(message), reason="too_small_a_code: another")
    assert (record.error_code, record.error_message) == (message.code, message.message)
    assert record.reason_code == "too_small_a_code"
    assert Record(note="first_frame_only: two").note_code == "first_frame_only"
    assert (
        Record().note_code
        is Record().error_code
        is Record().error_message
        is Record().reason_code
        is None
    )
    assert CodedMessage.parse("nothing more") == CodedMessage("nothing more", "")


def test_parameters_have_defaults():
    assert Parameters.read(None) == Parameters.read({}) == Parameters()
    assert Parameters() == Parameters(None, heatmap=False, strict=True, explain=False)
    assert Parameters.read({"threshold": 1, "heatmap": True, "strict": False}) == Parameters(
        1, True, False
    )


@pytest.mark.parametrize(
    "values",
    [[], "x", {"treshold": 0.5}, {1: 2}, {"threshold": "0.5"}, {"threshold": True},
     {"threshold": 1.01}, {"threshold": -1}, {"threshold": float("nan")}, {"heatmap": 1},
     {"heatmap": None}, {"heatmap": "true"}, {"strict": "false"}, {"explain": 1}],
)  # fmt: skip
def test_other_parameters_are_refused(values):
    with pytest.raises(ParameterError) as refusal:
        Parameters.read(values)
    assert refusal.value.code == "bad_parameter"


def test_a_form_holds_texts():
    assert Parameters.read_form({}) == Parameters()
    assert Parameters.read_form({"threshold": "", "heatmap": ""}) == Parameters()
    form = {"threshold": "0.5", "heatmap": "on", "explain": "1", "location": "?"}
    assert Parameters.read_form(form) == Parameters(0.5, True, explain=True)
    assert [read_flag("heatmap", text) for text in (None, "FALSE", "0", "True", "1")] == [
        False, False, False, True, True,
    ]  # fmt: skip


@pytest.mark.parametrize("form", [{"threshold": "much"}, {"threshold": "nan"}, {"threshold": "2"},
                                  {"heatmap": "yes"}])  # fmt: skip
def test_other_texts_are_refused(form):
    with pytest.raises(ParameterError):
        Parameters.read_form(form)


def test_every_code_that_the_package_raises_is_listed():
    raised = {code for path in sources() for code in codes(ast.parse(path.read_text("utf-8")))}
    assert {"broken_image", "too_small", "few_colours", "bad_base64", "internal_error"} <= raised
    assert raised <= set(CODES)
    assert set(CODES) == {*ERROR_CODES, *REASON_CODES, *NOTE_CODES, PARAMETER_CODE}


def test_the_front_end_has_a_status_for_every_error_of_the_model():
    assert {*ERROR_CODES, PARAMETER_CODE} <= set(STATUS_OF_CODE)


def test_steps_and_web_application_never_set_up_a_model_by_an_import():
    """Importing `forgery_pyfunc.model` calls `mlflow.models.set_model`."""
    program = (
        "import sys, steps.serve, webui.application; "
        "assert 'forgery_pyfunc.model' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def sources():
    return Path(forgery_pyfunc.__file__).parent.rglob("*.py")


def codes(tree):
    """Yield the codes that stand in calls of `ImageError`, `CodedMessage` and `_declined`."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = getattr(call.func, "id", "")
        arguments = [*call.args, *(k.value for k in call.keywords if k.arg == "code")]
        places = {"ImageError": slice(1, 2), "CodedMessage": slice(1), "_declined": slice(1)}
        place = places.get(name, slice(0))
        yield from (a.value for a in arguments[place] if isinstance(a, ast.Constant))
