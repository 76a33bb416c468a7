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


def add(store, image, label, boxes=(), consent=True):
    number = store.count = getattr(store, "count", 0) + 1
    store.add(
        Feedback(
            receipt=str(number), created_at="2026-01-01T00:00:00+00:00", format="JPEG",
            sha256=hashlib.sha256(image).hexdigest(), image=image, opinion="where", label=label,
            boxes=list(boxes), verdict="forged", probability=0.9, model_version="m/1",
            consent=consent,
        )
    )  # fmt: skip


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
        "feedback.db: 7 answers with consent on 4 pictures, 1 authentic and 2 forged; "
        "1 with contradictory answers and 1 answers without consent are left out"
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
        (empty, "called 0 pictures authentic and 0 forged"),
        (other, "this is not a feedback store"),
    ):
        with pytest.raises(DataError, match=said) as error:
            fetch(Source.parse(f"feedback:{path}"), tmp_path / "raw")
        assert "\n" not in str(error.value)
        assert not (tmp_path / "raw").exists()
