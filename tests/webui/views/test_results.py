import io
import json
import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from forgery.evidence.views import VIEWS
from tests.webui.pictures import BROWSER, form, picture
from tests.webui.test_application import odd_server, taken
from tests.webui.views.test_analyze import with_metadata
from webui.application import create_app
from webui.settings import Settings

PHOTO = picture(20)


@pytest.fixture
def web(tmp_path: Path):
    """A test client whose scoring server finds every picture authentic."""
    with odd_server("sound") as server:
        settings = Settings(scoring_url=server.url, results_dir=str(tmp_path / "results"))
        yield create_app(settings).test_client()


def keep(web: FlaskClient, data: bytes = PHOTO, **fields: str) -> str:
    """The address of a new result."""
    answer = web.post("/predict", data=form((data, "a.jpg"), **fields), headers=BROWSER)
    return address_in(answer.text)


def address_in(page: str) -> str:
    return re.search(r'href="(/results/[^"?]+)"', page)[1]


def test_the_page_brings_the_verdict_and_links_to_every_view(web):
    page = web.post("/predict", data=form((PHOTO, "a.jpg")), headers=BROWSER).text
    assert "No signs of forgery" in page
    assert "view-ela" not in page
    for name in VIEWS:
        assert re.search(rf'href="/results/[^"]+\?view={name}"', page)


def test_a_result_can_be_opened_again_with_any_view(web):
    address = keep(web)
    again = web.get(address, headers=BROWSER)
    assert again.headers["Cache-Control"] == "no-store"
    assert "No signs of forgery" in again.text
    for name, view in VIEWS.items():
        page = web.get(f"{address}?view={name}", headers=BROWSER).text
        assert f'class="view view-{name}"' in page
        assert re.search(rf'data-view="{name}"[^>]* aria-current="true">{view.title}', page)
        part = web.get(f"{address}/views/{name}", headers=BROWSER).text
        assert part.count("<img") == 1
        assert re.search(r'src="(data:[^"]+)"', part)[1] in page


def test_error_levels_are_drawn_for_another_save(web):
    address = keep(web)
    usual, coarse = (
        web.get(f"{address}/views/ela", query_string=query).text
        for query in ({}, {"ela_quality": 50})
    )
    assert usual != coarse
    assert web.get(f"{address}/views/ela?ela_quality=0").status_code == 400


@pytest.mark.parametrize("path", ["?view=magic", "/views/magic"])
def test_an_unknown_view_is_refused_with_those_there_are(web, path):
    answer = web.get(keep(web) + path)
    assert answer.status_code == 400
    assert "allowed: ela, noise" in answer.json["error"]["message"]


def test_a_view_that_a_picture_is_too_small_for_says_so(web):
    part = web.get(f"{keep(web, picture(20, width=20, height=20))}/views/grid").text
    assert "too small for this view" in part
    assert "<img" not in part


def test_reports_are_those_of_the_api_without_another_upload(web):
    address = keep(web)
    report = web.get(f"{address}/report.pdf")
    assert report.data.startswith(b"%PDF-")
    assert report.headers["Content-Disposition"] == 'attachment; filename="a-report.pdf"'
    kept = json.loads(web.get(f"{address}/analysis.json").text)
    fresh = web.post("/v1/analyze", data=form((PHOTO, "a.jpg"))).json
    for analysis in (kept, fresh):
        del analysis["analysed_at"]
    assert kept == fresh


def test_the_location_is_told_to_the_sender_alone(web):
    data = form((with_metadata(), "a.jpg"), location="true")
    page = web.post("/predict", data=data, headers=BROWSER).text
    assert "151.21" in page
    address = address_in(page)
    for path in ("", "/analysis.json"):
        assert "151.21" not in web.get(address + path, headers=BROWSER).text


def test_a_result_is_deleted_on_request_and_then_unknown(web):
    address = keep(web)
    assert web.post(f"{address}/delete").headers["Location"] == "/"
    for path in ("", "/views/ela", "/report.pdf", "/analysis.json"):
        answer = web.get(address + path)
        assert answer.status_code == 404
        assert "kept for 60 minutes" in answer.json["error"]["message"]
    assert web.post(f"{address}/delete").status_code == 404


def test_the_log_does_not_name_results(web, caplog):
    address = keep(web)
    with caplog.at_level("INFO", "webui.access"):
        web.get(address)
    assert address not in caplog.text
    assert "/results/<identifier>" in caplog.text


def test_views_are_drawn_in_turn(web):
    address = keep(web)
    with taken(web.application.extensions["drawing"]):
        for path in ("?view=ela", "/views/ela", "/report.pdf", "/analysis.json"):
            assert web.get(address + path).status_code == 429
        assert web.get(address).status_code == 200


def test_without_room_the_verdict_is_shown_all_the_same(web):
    web.application.extensions["results"].max_bytes = 10
    page = web.post("/predict", data=form((PHOTO, "a.jpg")), headers=BROWSER).text
    assert "No signs of forgery" in page
    assert "no room to keep this result" in page


def test_a_programs_pictures_are_not_kept(web):
    assert web.post("/predict", data={"file": (io.BytesIO(PHOTO), "a.jpg")}).status_code == 200
    assert not web.application.extensions["results"].folder.exists()


def test_two_results_are_shown_side_by_side(web):
    first, second = (keep(web).rpartition("/")[2] for _ in range(2))
    query = {"result": [first, second], "view": "noise"}
    page = web.get("/compare", query_string=query, headers=BROWSER).text
    assert page.count("No signs of forgery") == 2
    assert page.count('class="view view-noise"') == 2


@pytest.mark.parametrize("number", [0, 1, 3])
def test_other_numbers_than_two_are_not_compared(web, number):
    answer = web.get("/compare", query_string={"result": ["x"] * number})
    assert answer.status_code == 400
    assert f"{number} were chosen" in answer.json["error"]["message"]


def test_what_is_not_kept_is_not_compared(web):
    kept = keep(web).rpartition("/")[2]
    assert web.get("/compare", query_string={"result": [kept, "x"]}).status_code == 404
