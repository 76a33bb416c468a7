import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from forgery.evidence import why
from forgery.evidence.frames import frames
from forgery.evidence.pictures import of_data_uri
from forgery_pyfunc.contract import Record
from forgery_pyfunc.explanation import (
    Box,
    Contribution,
    Copy,
    Explanation,
    Marked,
    Noise,
    Saves,
)

COPY = Copy(Box(40, 32, 120, 112), Box(240, 20, 320, 100), 0.83)
NOTHING = Explanation(
    logit=-1.0,
    base=-1.5,
    contributions=(
        Contribution("residual", 0.1),
        Contribution("copymove", -0.6),
        Contribution("double_jpeg", 1.0),
    ),
    kind="compression",
    marked=Marked(0.05, Box(0, 0, 80, 80)),
    copies=(),
    saves=None,
    noise=None,
)


def told(explanation, verdict="forged"):
    record = Record(verdict=verdict, width=400, height=200, explanation=explanation.to_json())
    return why.in_words(record)


def text_of(family, logit, **seen):
    one = replace(NOTHING, contributions=(Contribution(family, logit),), **seen)
    (reason,) = told(one).reasons
    return reason.text


def test_a_record_without_an_explanation_gives_no_words():
    assert why.in_words(Record(verdict="forged")) is None
    assert why.in_short(Record(verdict="forged")) == []


@pytest.mark.parametrize("text", ["no JSON", "{}", '{"logit": "much"}'])
def test_what_another_version_wrote_is_left_out_and_logged(text, caplog):
    assert why.in_words(Record(verdict="forged", explanation=text)) is None
    assert "another version" in caplog.text


def test_the_strongest_reason_comes_first_with_its_weight_in_words():
    words = told(NOTHING)
    assert [(one.title, one.weight, one.strength) for one in words.reasons] == [
        ("Earlier saves", "+1.0", "some evidence"),
        ("Grain and error levels", "+0.1", "says nothing either way"),
        ("Copied places", "−0.6", "speaks against a forgery"),
    ]
    assert words.summary.startswith("Mainly because the traces of earlier saves differ")
    assert "from −1.5, as if" in words.scale
    assert "to −1.0:" in words.scale
    assert why.signed(-0.04) == why.signed(0.04) == "0.0"


@pytest.mark.parametrize(
    ("verdict", "start", "doubts"),
    [
        ("forged", "Mainly because", 2),
        ("inconclusive", "Mainly this raises doubts, but not enough", 2),
        ("authentic", "At most this can be said, and too faintly", 0),
    ],
)
def test_the_summary_goes_with_the_verdict(verdict, start, doubts):
    words = told(NOTHING, verdict)
    assert words.summary.startswith(start)
    assert len(words.doubts) == doubts
    nothing = told(replace(NOTHING, marked=None), verdict)
    assert nothing.summary == "No part of this picture stands out from the rest."
    assert nothing.doubts == []


def test_every_kind_has_its_doubt():
    doubts = {told(replace(NOTHING, kind=kind)).doubts[0] for kind in why._DOUBTS}
    assert len(doubts) == 3


def test_copies_in_words_and_drawn():
    said = text_of("copymove", 4.0, copies=(COPY,))
    assert "A1 and A2, about 80 × 80 pixels each" in said
    assert "moved 200 pixels to the right and 12 pixels up" in said
    assert "correlation 0.83" in said
    assert "turned, scaled" in text_of("copymove", 4.0)
    assert text_of("copymove", 0.4) == ""
    assert text_of("copymove", -1.0, copies=(COPY,)) == ""
    drawn = Image.open(io.BytesIO(frames([COPY], 400, 200)))
    assert drawn.size == (1280, 640)
    opaque = np.asarray(drawn)[..., 3] > 0
    top, left = 32 * 3.2, 40 * 3.2
    assert opaque[int(top) + 1, int(left) + 60]
    assert not opaque[10, 10]
    overlay = told(replace(NOTHING, copies=(COPY,))).copies_overlay
    assert of_data_uri(overlay) == frames([COPY], 400, 200)
    assert told(NOTHING).copies_overlay is None


@pytest.mark.parametrize(
    ("saves", "said"),
    [
        (Saves(75, None, 3.0, -2.0), "about quality 75, that the marked part lacks"),
        (Saves(75, 90, 3.0, -2.0), "different earlier saves: the rest of one at about quality 75"),
        (Saves(None, 80, None, None), "about quality 80, that the rest lacks"),
        (Saves(75, 75, 3.0, 1.0), "both carry traces of an earlier JPEG save, about quality 75"),
        (None, "cannot be told"),
    ],
)
def test_earlier_saves_in_words(saves, said):
    assert said in text_of("double_jpeg", 2.0, saves=saves)


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (Noise(1.62, 80, 1.0), "the fine grain is 1.6 times as strong."),
        (Noise(0.5, 80, 1.0), "the fine grain is only 0.5 times as strong."),
        (Noise(1.0, 80, 1.44), "one more JPEG save, at quality 80, changes it 1.4 times as much."),
        (Noise(1.0, 80, 1.0), "in their pattern only"),
    ],
)
def test_grain_in_words(noise, said):
    assert said in text_of("residual", 2.0, noise=noise)


def test_the_same_as_lines_and_in_short():
    record = Record(verdict="forged", width=400, height=200, explanation=NOTHING.to_json())
    lines = list(why.lines(why.in_words(record)))
    assert lines[0].startswith("Why: Mainly because")
    assert lines[1].startswith("Earlier saves (+1.0, some evidence). The levels")
    assert lines[-2].startswith("What would speak against it: Smooth, dark")
    assert why.in_short(record) == [lines[0].removeprefix("Why: "), lines[1].partition("). ")[2]]
    assert why.in_short(replace(record, verdict="authentic")) == []
