"""What people told the page becomes a data set; the store is written by the page's own code."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from forgery_lab.data import ingestion
from forgery_lab.errors import DataError
from forgery_lab.sources.source import Source, fetch
from tests.conftest import encoded, picture
from webui.feedback_store import Feedback, Store


def add(store, image, label, boxes=(), consent=True, reviewed=""):
    """Add an answer and its review: by default it is accepted as it is, with None there is none."""
    number = store.count = getattr(store, "count", 0) + 1
    store.add(
        Feedback(
            receipt=str(number), created_at="2026-01-01T00:00:00+00:00", format="JPEG",
            sha256=hashlib.sha256(image).hexdigest(), image=image, opinion="where", label=label,
            boxes=list(boxes), verdict="forged", probability=0.9, model_version="m/1",
            consent=consent,
        )
    )  # fmt: skip
    if reviewed is not None:
        assert store.review(str(number), reviewed or label, "Rita")


def turned_by_a_viewer(pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(pixels, exif=exif)


HONEST, FORGED, TURNED, DISPUTED, PRIVATE = (
    encoded(picture(seed=1)),
    encoded(picture(seed=2), "PNG"),
    turned_by_a_viewer(picture(seed=3)),
    encoded(picture(seed=4)),
    encoded(picture(seed=5)),
)


@pytest.fixture
def path(tmp_path):
    """A feedback store with one picture of every kind."""
    path = tmp_path / "feedback.db"
    store = Store(str(path))
    add(store, HONEST, "authentic")
    add(store, HONEST, "authentic")
    add(store, FORGED, "forged", [(0.0, 0.0, 0.25, 0.5)])
    add(store, FORGED, "forged", [(0.75, 0.5, 1.0, 1.0)])
    add(store, TURNED, "forged", [(0.0, 0.0, 1.0, 0.25)])
    add(store, DISPUTED, "authentic")
    add(store, DISPUTED, "forged", [(0.1, 0.1, 0.2, 0.2)])
    add(store, PRIVATE, "forged", consent=False)
    return path


@pytest.fixture
def ingested(path, tmp_path):
    """The folder, the manifest by SHA-256, and the summary."""
    root = fetch(Source.parse(f"feedback:{path}"), tmp_path / "raw")
    frame, summary = ingestion.ingest(root, workers=1)
    return root, frame.set_index("sha256"), summary


def mask_of(root, row):
    with Image.open(root / row["mask_path"]) as image:
        return np.asarray(image) > 0


def key(image):
    return hashlib.sha256(image).hexdigest()


def test_what_people_said_becomes_labels_and_masks(ingested):
    root, frame, _ = ingested
    assert set(frame.index) == {key(HONEST), key(FORGED), key(TURNED)}
    assert list(frame.loc[[key(HONEST), key(FORGED)], "label"]) == [0, 1]
    mask = mask_of(root, frame.loc[key(FORGED)])
    assert mask.shape == (128, 192)
    assert mask[:64, :48].all()
    assert mask[64:, 144:].all()
    assert mask.sum() == 2 * 64 * 48


def test_places_follow_the_picture_as_people_saw_it(ingested):
    root, frame, _ = ingested
    row = frame.loc[key(TURNED)]
    mask = mask_of(root, row)
    assert (row["height"], row["width"]) == mask.shape == (128, 192)
    assert mask[:, :48].all()  # the top, once a viewer has turned it clockwise
    assert mask.sum() == 128 * 48


def test_contradictions_are_counted_and_nothing_is_read_without_consent(ingested, caplog):
    root, frame, summary = ingested
    assert key(DISPUTED) not in frame.index
    assert summary.counts["contradictory_label"] == 2
    assert not [p for p in root.rglob("*") if p.stem.startswith(key(PRIVATE))]


def test_the_log_says_what_the_store_holds(path, tmp_path, caplog):
    caplog.set_level("INFO")
    fetch(Source.parse(f"feedback:{path}"), tmp_path / "raw")
    assert (
        "feedback.db: 7 accepted answers on 4 pictures, 1 authentic and 2 forged; "
        "1 with contradictory reviews, 1 answers without consent, 0 not reviewed and "
        "0 rejected are left out"
    ) in caplog.text


def test_a_picture_that_went_bad_has_no_mask_and_spoils_nothing(path, tmp_path):
    store = Store(str(path))
    store.count = 100
    add(store, FORGED[:900], "forged", [(0, 0, 1, 1)])
    frame, summary = ingestion.ingest(fetch(Source.parse(f"feedback:{path}"), tmp_path / "raw"))
    assert len(frame) == 3
    assert summary.counts["broken_image"] == 1


def test_one_sentence_says_what_is_wrong_with_a_store(tmp_path):
    empty, other = tmp_path / "empty.db", tmp_path / "other.db"
    Store(str(empty))
    other.write_bytes(b"this is no database " * 100)
    for path, said in (
        (tmp_path / "missing.db", "there is no feedback store; FEEDBACK_DB or feedback:PATH"),
        (empty, "accepted 0 pictures as authentic and 0 as forged"),
        (other, "this is not a feedback store"),
    ):
        with pytest.raises(DataError, match=said) as error:
            fetch(Source.parse(f"feedback:{path}"), tmp_path / "raw")
        assert "\n" not in str(error.value)
        assert not (tmp_path / "raw").exists()


def test_what_nobody_reviewed_or_a_reviewer_rejected_is_not_learnt_from(path, tmp_path):
    unseen, refused, corrected = (encoded(picture(seed=number)) for number in (11, 12, 13))
    store = Store(str(path))
    store.count = 200
    add(store, unseen, "forged", reviewed=None)
    add(store, refused, "forged", reviewed="rejected")
    add(store, corrected, "forged", [(0, 0, 1, 1)], reviewed="authentic")
    frame, _ = ingestion.ingest(fetch(Source.parse(f"feedback:{path}"), tmp_path / "raw"))
    labels = dict(zip(frame["sha256"], frame["label"], strict=True))
    assert not {key(unseen), key(refused)} & set(labels)
    assert labels[key(corrected)] == 0


def test_the_manifest_says_who_reviewed_and_when_until_a_picture_is_withdrawn(path, tmp_path):
    store = Store(str(path))
    frame, _ = ingestion.ingest(fetch(Source.parse(f"feedback:{path}"), tmp_path / "raw"))
    assert set(frame["reviewed_by"]) == {"Rita"}
    assert frame["reviewed_at"].str.startswith("20").all()
    assert store.delete("5")  # that of TURNED
    assert not store.review("5", "forged", "Rita")
    frame, _ = ingestion.ingest(fetch(Source.parse(f"feedback:{path}"), tmp_path / "again"))
    assert key(TURNED) not in set(frame["sha256"])


def test_two_hundred_answers_with_wrong_labels_are_ingested_as_the_reviewer_knows_them(tmp_path):
    store = Store(str(tmp_path / "feedback.db"))
    truth = {}
    for number in range(200):
        image = encoded(picture(seed=1000 + number))
        label = "forged" if number % 2 else "authentic"
        wrong = number % 10 == 3
        said = {"forged": "authentic", "authentic": "forged"}[label] if wrong else label
        add(store, image, said, reviewed=None)
        truth[key(image)] = label
    while (row := store.next_to_review()) is not None:
        assert store.review(row.receipt, truth[row.sha256], "Rita")
    assert store.left_to_review() == 0
    raw = fetch(Source.parse(f"feedback:{tmp_path}/feedback.db"), tmp_path / "raw")
    frame, summary = ingestion.ingest(raw)
    ingested = {row.sha256: "forged" if row.label else "authentic" for row in frame.itertuples()}
    assert ingested == truth
    assert (summary.authentic, summary.forged) == (100, 100)
