"""What an alteration does to verdicts, counted."""

import io

import pytest
from PIL import Image

from benchmarks import altered
from forgery_pyfunc.contract import Record
from tests.forgery.evidence.scenes import scene


def record(verdict: str, probability: float | None) -> Record:
    return Record(verdict=verdict, probability=probability)


def test_a_row_counts_what_is_found_and_what_is_falsely_called():
    before = [record("forged", 0.9), record("forged", 0.8), record("authentic", 0.1)]
    after = [record("forged", 0.8), record("inconclusive", 0.5), record("forged", 0.95)]
    row = altered.row("x", [1, 1, 0], before, after)
    assert (row.judged, row.changed) == (3, 2)
    assert row.found == (1.0, 0.5)
    assert row.false == (0.0, 1.0)
    assert row.auc == (1.0, 0.0)
    assert row.moved == pytest.approx(0.3)


def test_a_picture_without_a_probability_on_both_sides_is_left_out():
    before = [record("forged", 0.9), record("authentic", 0.1), record("authentic", 0.2)]
    after = [record("forged", 0.9), record("authentic", 0.1), record("inconclusive", None)]
    assert altered.row("x", [1, 0, 0], before, after).judged == 2


@pytest.mark.parametrize("name", altered.EVASIONS)
def test_every_alteration_gives_a_jpeg(name):
    picture = Image.fromarray(scene(96, 128))
    found = Image.open(io.BytesIO(altered.EVASIONS[name](picture)))
    assert found.format == "JPEG"
    factor = {"scaled to 0.75": 0.75, "scaled to 1.25": 1.25}.get(name, 1)
    assert found.size == (round(128 * factor), round(96 * factor))
    assert found.convert("RGB").tobytes() != picture.tobytes()
