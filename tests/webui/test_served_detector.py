"""The page and the API in front of the real model: its records, its map and its limits."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import requests
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from PIL import Image

from forgery_pyfunc.contract import RECORD_FIELDS
from tests.conftest import encoded, picture
from tests.webui.pictures import BROWSER, form
from tests.webui.views.test_invocations import LAYOUTS, text
from webui.application import create_app
from webui.settings import Settings

PHOTO = encoded((picture() * 0.9 + 95).clip(0, 255).astype(np.uint8))


@pytest.fixture
def web(scoring_server: str, tmp_path: Path) -> FlaskClient:
    settings = Settings(
        scoring_url=scoring_server,
        max_upload_mb=1,
        max_pixels=2_000_000,
        results_dir=str(tmp_path / "results"),
    )
    return create_app(settings).test_client()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gets_the_records_of_the_contract(web, scoring_server, layout):
    body = {layout: LAYOUTS[layout]([text(PHOTO), text(b"no image")]), "params": {"heatmap": True}}
    answer = web.post("/invocations", json=body)
    assert answer.status_code == 200
    assert answer.json == requests.post(f"{scoring_server}/invocations", json=body).json()
    photo, broken = answer.json["predictions"]
    assert set(photo) == set(broken) == set(RECORD_FIELDS)
    assert (photo["verdict"], photo["t_lo"], photo["t_hi"]) == ("forged", 0.3, 0.7)
    assert 0.7 <= photo["probability"] < 0.75
    assert broken["error"].startswith("not_an_image: ")
    assert {v for k, v in broken.items() if k not in ("error", "model_version")} == {None}


def test_the_explanation_is_of_the_schema_that_the_document_states(web):
    body = {"instances": [{"image": text(PHOTO)}], "params": {"explain": True}}
    (record,) = web.post("/invocations", json=body).json["predictions"]
    document = web.get("/openapi.json").json
    schema = {"$ref": "#/components/schemas/Explanation", "components": document["components"]}
    explanation = json.loads(record["explanation"])
    Draft202012Validator(schema).validate(explanation)
    assert not Draft202012Validator(schema).is_valid({**explanation, "logit": "much"})


def test_a_threshold_stands_in_for_both_cuts(web):
    body = {"instances": [{"image": text(PHOTO)}], "params": {"threshold": 0.9}}
    (record,) = web.post("/invocations", json=body).json["predictions"]
    assert (record["verdict"], record["t_lo"], record["t_hi"]) == ("authentic", 0.9, 0.9)


def test_the_heat_map_covers_the_picture_and_is_not_flat(web):
    answer = web.post("/predict", data=form((PHOTO, "a.jpg"), heatmap="true"))
    (record,) = answer.json["predictions"]
    levels = np.asarray(Image.open(io.BytesIO(base64.b64decode(record["heatmap"]))))
    assert levels.shape == (record["height"], record["width"]) == (128, 192)
    assert levels.min() < 64 < 192 < levels.max()


@pytest.mark.parametrize(
    ("image", "code"),
    [
        (PHOTO + bytes(2**20), "too_large"),
        (encoded(np.zeros((2000, 1001, 3), np.uint8), "PNG"), "too_many_pixels"),
    ],
)
def test_the_limits_hold_in_the_model_too(scoring_server, image, code):
    body = {"instances": [{"image": text(image)}], "params": {"strict": False}}
    answer = requests.post(f"{scoring_server}/invocations", json=body, timeout=30)
    assert answer.json()["predictions"][0]["error"].startswith(f"{code}: ")


def test_page_analysis_and_report_agree(web):
    page = web.post("/predict", data=form((PHOTO, "a.jpg")), headers=BROWSER).text
    analysis = web.post("/v1/analyze", data=form((PHOTO, "a.jpg"))).json
    assert analysis["headline"] == "Signs of forgery"
    for said in (
        analysis["headline"], analysis["meaning"], analysis["sha256"],
        analysis["heat_overlay"], analysis["mask_overlay"],
        "30 % to 70 %: no decision", analysis["record"]["model_version"],
    ):  # fmt: skip
        assert said in page
    address = re.search(r'href="(/results/[^"?]+)"', page)[1]
    for view in analysis["evidence"]["views"]:
        assert view["image"] in web.get(f"{address}/views/{view['name']}").text
    assert web.post("/v1/report", data=form((PHOTO, "a.jpg"))).data.startswith(b"%PDF-")


def test_a_small_picture_is_too_small_to_judge(web):
    page = web.post("/predict", data=form((encoded(picture(63, 200)), "a.jpg")), headers=BROWSER)
    assert page.status_code == 200
    assert "Too small to judge" in page.text
    assert "Signs of forgery" not in page.text
