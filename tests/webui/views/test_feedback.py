import contextlib
import hashlib
import sqlite3
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.webui.pictures import form, picture
from webui.application import create_app
from webui.settings import Settings

BRIGHT = picture(240)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "feedback.db"


@pytest.fixture
def keeping(settings: Settings, store: Path) -> FlaskClient:
    """A client of an application that keeps feedback."""
    changed = settings.model_copy(update={"feedback_db": str(store)})
    return create_app(changed).test_client()


def rows(store: Path) -> list[sqlite3.Row]:
    with sqlite3.connect(store) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute("SELECT * FROM feedback").fetchall()


def test_with_consent_picture_hash_answer_and_correction_are_kept(keeping, store):
    fields = {"consent": "true", "opinion": "wrong", "label": "authentic"}
    answer = keeping.post("/v1/feedback", data=form((BRIGHT, "secret-name.png"), **fields))
    assert answer.status_code == 200
    (row,) = rows(store)
    assert row["receipt"] == answer.json["receipt"]
    assert row["image"] == BRIGHT
    assert row["sha256"] == hashlib.sha256(BRIGHT).hexdigest()
    assert (row["verdict"], row["label"], row["opinion"]) == ("forged", "authentic", "wrong")
    assert row["model_version"] == "stand-in/1"
    assert b"secret-name" not in store.read_bytes()


def test_the_places_are_kept_as_fractions(keeping, store):
    fields = {"consent": "true", "opinion": "where", "boxes": "[[0.1, 0.2, 0.5, 0.75]]"}
    assert keeping.post("/v1/feedback", data=form((BRIGHT, "a"), **fields)).status_code == 200
    (row,) = rows(store)
    assert row["boxes"] == "[[0.1, 0.2, 0.5, 0.75]]"
    assert row["label"] == "forged"


@pytest.mark.parametrize("consent", [{}, {"consent": "false"}])
def test_without_consent_nothing_is_kept(keeping, store, consent):
    fields = {"opinion": "right", **consent}
    answer = keeping.post("/v1/feedback", data=form((BRIGHT, "a.jpg"), **fields))
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "consent_needed"
    assert rows(store) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"opinion": "perhaps"},
        {"opinion": "wrong"},
        {"opinion": "wrong", "label": "odd"},
        {"opinion": "where"},
        {"opinion": "where", "boxes": "nonsense"},
        {"opinion": "where", "boxes": "[[0, 0, 2, 1]]"},
        {"opinion": "where", "boxes": "[[0.5, 0, 0.1, 1]]"},
        {"opinion": "where", "boxes": '[["a", 0, 1, 1]]'},
        {"opinion": "where", "boxes": "[[0, 0, NaN, 1]]"},
        {"opinion": "where", "boxes": '{"a": 1}'},
        {"opinion": "where", "boxes": f"[[0, 0, 1, 1{'0' * 400}]]"},
    ],
)
def test_what_makes_no_sense_is_refused(keeping, store, fields):
    data = form((BRIGHT, "a.jpg"), consent="true", **fields)
    answer = keeping.post("/v1/feedback", data=data)
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "bad_parameter"
    assert rows(store) == []


def test_the_receipt_deletes_what_was_kept(keeping, store):
    fields = {"consent": "true", "opinion": "right"}
    receipt = keeping.post("/v1/feedback", data=form((BRIGHT, "a"), **fields)).json["receipt"]
    assert keeping.delete("/v1/feedback/wrong").status_code == 404
    assert len(rows(store)) == 1
    assert keeping.delete(f"/v1/feedback/{receipt}").status_code == 200
    assert rows(store) == []


def test_what_was_deleted_is_in_no_file_and_the_files_are_the_owners_alone(keeping, store):
    fields = {"consent": "true", "opinion": "right"}
    receipt = keeping.post("/v1/feedback", data=form((BRIGHT, "a"), **fields)).json["receipt"]
    files = [store, *store.parent.glob("feedback.db-*")]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    middle = BRIGHT[900:1000]
    assert any(middle in file.read_bytes() for file in files)
    keeping.delete(f"/v1/feedback/{receipt}")
    assert not any(middle in file.read_bytes() for file in store.parent.glob("feedback.db*"))


@pytest.mark.parametrize("then", ["feedback", "deletion", "start"])
def test_what_was_deleted_under_a_reader_leaves_the_log_after_it(keeping, settings, store, then):
    def in_a_file() -> bool:
        return any(BRIGHT[900:1000] in file.read_bytes() for file in store.parent.iterdir())

    fields = {"consent": "true", "opinion": "right"}
    receipt = keeping.post("/v1/feedback", data=form((BRIGHT, "a"), **fields)).json["receipt"]
    with contextlib.closing(sqlite3.connect(store)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM feedback").fetchall()
        assert keeping.delete(f"/v1/feedback/{receipt}").status_code == 200
        assert in_a_file()
    if then == "feedback":
        other = form((picture(20), "b"), **fields)
        assert keeping.post("/v1/feedback", data=other).status_code == 200
    elif then == "deletion":
        assert keeping.delete("/v1/feedback/x").status_code == 404
    else:
        create_app(settings.model_copy(update={"feedback_db": str(store)}))
    assert not in_a_file()


def test_beyond_its_size_the_store_keeps_nothing_until_something_is_deleted(settings, store):
    large = (BRIGHT + bytes(200_000), "a")
    changes = {"feedback_db": str(store), "feedback_max_mb": 0.3}
    keeping = create_app(settings.model_copy(update=changes)).test_client()
    fields = {"consent": "true", "opinion": "right"}
    first, second = (keeping.post("/v1/feedback", data=form(large, **fields)) for _ in range(2))
    assert (first.status_code, second.status_code) == (200, 503)
    assert second.json["error"]["code"] == "feedback_full"
    assert keeping.delete(f"/v1/feedback/{first.json['receipt']}").status_code == 200
    again = keeping.post("/v1/feedback", data=form(large, **fields))
    assert again.status_code == 200


def test_a_store_that_fails_is_named_and_nothing_of_the_picture_logged(keeping, store, caplog):
    with sqlite3.connect(store) as connection:
        connection.execute("DROP TABLE feedback")
    fields = {"consent": "true", "opinion": "right"}
    for answer in (
        keeping.post("/v1/feedback", data=form((BRIGHT, "a"), **fields)),
        keeping.delete("/v1/feedback/x"),
    ):
        assert answer.status_code == 503
        assert answer.json["error"]["code"] == "feedback_off"
    assert "PNG" not in caplog.text


def test_an_answer_that_tells_no_truth_takes_the_persons(keeping, store):
    fields = {"consent": "true", "opinion": "right"}
    grey = (picture(128), "a.jpg")
    assert keeping.post("/v1/feedback", data=form(grey, **fields)).status_code == 400
    fields["label"] = "authentic"
    assert keeping.post("/v1/feedback", data=form(grey, **fields)).status_code == 200
    (row,) = rows(store)
    assert (row["verdict"], row["opinion"], row["label"]) == ("inconclusive", "right", "authentic")


def test_without_a_store_feedback_is_off_and_not_offered(web):
    fields = {"consent": "true", "opinion": "right"}
    answer = web.post("/v1/feedback", data=form((BRIGHT, "a.jpg"), **fields))
    assert answer.status_code == 503
    assert answer.json["error"]["code"] == "feedback_off"
