import json

import pytest
from jsonschema import Draft202012Validator

from tests.webui.views.test_invocations import (
    BAD_BODIES,
    DARK,
    EXTRAS,
    LAYOUTS,
    SECRET,
    SPLIT,
    text,
)
from webui.errors import ApiError
from webui.layouts import BODY, read_images

SCHEMA = Draft202012Validator(BODY)
BEYOND_SCHEMA = [
    {"inputs": {"image": [SECRET]}},  # no base64
    {"inputs": {"image": [text(DARK)[:-4] + "*" + text(DARK)[-4:]]}},
    {"inputs": {"image": [text(DARK) + " "]}},
    {"inputs": {"image": [text(DARK) + "\t\n"]}},
    {"inputs": {"image": ["data:image/jpeg;base64," + text(DARK)]}},
    {"instances": [{"image": text(DARK)}, {"image": text(DARK), "note": SECRET}]},
    {"dataframe_split": {"columns": ["image"], "data": [[SECRET, 1]]}},
    {"dataframe_split": {**SPLIT, "index": [1, 2]}},
]
"""Bad bodies whose fault no JSON schema can state: base64, and lists of the same length."""


@pytest.mark.parametrize(
    "body", [*EXTRAS, *({layout: LAYOUTS[layout]([text(DARK)])} for layout in LAYOUTS)]
)
def test_the_documented_schema_allows_what_is_read(body):
    read_images(json.dumps(body).encode(), max_files=4)
    assert SCHEMA.is_valid(body)


@pytest.mark.parametrize(
    "body",
    [
        body
        for code, body in BAD_BODIES
        if isinstance(body, dict)
        and code != "too_many_files"
        and body not in BEYOND_SCHEMA
        and "NaN" not in json.dumps(body)
    ],
)
def test_the_documented_schema_refuses_what_is_refused(body):
    assert not SCHEMA.is_valid(body)


def test_read_images_returns_the_decoded_bytes():
    body = json.dumps({"instances": [{"image": text(DARK)}]}).encode()
    assert read_images(body, max_files=1) == [DARK]
    with pytest.raises(ApiError, match="exactly one of dataframe_split"):
        read_images(b"{}", max_files=1)
