"""The review of feedback: behind a key, with a name, one picture after the other."""

import base64
import re

import pytest

from tests.lab.sources.test_feedback import add, key
from tests.webui.pictures import picture
from tests.webui.servers import free_port
from webui.feedback_store import Store
from webui.review import create_app
from webui.settings import Settings, SettingsError

KEY = "a key of some length"
FIRST, SECOND = picture(20), picture(240)


def login(name="Rita", secret=KEY):
    text = base64.b64encode(f"{name}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "feedback.db"))
    add(store, FIRST, "forged", [(0.0, 0.0, 0.5, 0.5)], reviewed=None)
    add(store, SECOND, "authentic", reviewed=None)
    return store


@pytest.fixture
def settings(tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    return Settings(feedback_db=str(tmp_path / "feedback.db"), scoring_url=url)


@pytest.fixture
def page(store, settings):
    return create_app(settings, KEY).test_client()


def fields(answer):
    return dict(re.findall(r'name="(receipt|token)" value="([^"]+)"', answer.text))


def test_without_a_key_or_with_a_short_one_it_does_not_start(settings, monkeypatch):
    monkeypatch.delenv("REVIEW_KEY", raising=False)
    for given in (None, "", "short"):
        with pytest.raises(SettingsError, match="REVIEW_KEY must be set"):
            create_app(settings, given)
    with pytest.raises(SettingsError, match="FEEDBACK_DB"):
        create_app(Settings(), KEY)


@pytest.mark.parametrize(
    "headers", [{}, login(secret="another key of it"), login(secret=""), login(name="  ")]
)
def test_nobody_sees_a_picture_without_key_and_name(page, headers):
    answer = page.get("/", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic")
    assert "data:" not in answer.text


def test_pictures_are_shown_and_decided_one_after_the_other(page, store):
    first = page.get("/", headers=login())
    assert "2 to review" in first.text
    assert "data:image/jpeg" in first.text
    assert "the picture is forged" in first.text
    assert "No map: The scoring server cannot be reached." in first.text
    assert key(FIRST) in first.text
    decided = page.post("/decide", data=fields(first) | {"decision": "authentic"}, headers=login())
    assert decided.status_code == 303
    second = page.get("/", headers=login())
    assert key(SECOND) in second.text
    page.post("/decide", data=fields(second) | {"decision": "rejected"}, headers=login())
    assert "Everything is reviewed" in page.get("/", headers=login()).text
    assert store.left_to_review() == 0


def test_a_form_of_another_site_or_another_reviewer_decides_nothing(page, store):
    shown = fields(page.get("/", headers=login()))
    for data, headers in (
        ({"receipt": shown["receipt"], "decision": "forged"}, login()),
        (shown | {"decision": "forged"}, login(name="Karl")),
    ):
        assert page.post("/decide", data=data, headers=headers).status_code == 403
    unknown = page.post("/decide", data=shown | {"decision": "<b>"}, headers=login())
    assert (unknown.status_code, unknown.mimetype) == (400, "text/plain")
    assert store.left_to_review() == 2


def test_a_picture_that_was_withdrawn_in_the_meantime_gets_no_decision(page, store):
    shown = fields(page.get("/", headers=login()))
    assert store.delete(shown["receipt"])
    answer = page.post("/decide", data=shown | {"decision": "forged"}, headers=login())
    assert answer.status_code == 404
    assert store.left_to_review() == 1
