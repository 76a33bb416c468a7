"""The evaluation as a whole: what is in it, what is left out, and how two models compare."""

import dataclasses

from forgery_lab.data import splits
from forgery_lab.evaluation import conditions, protocols, summary
from forgery_lab.evaluation.conditions import C_SCALE, CONTROL, A, B, C
from forgery_lab.evaluation.eligibility import eligible
from tests.lab.evaluation import model_stand_in
from tests.lab.evaluation.conftest import OPTIONS, learnt_from


def test_a_source_disjoint_model_gets_all_but_a(evaluated):
    assert set(evaluated.protocols) == set(conditions.SOURCE_DISJOINT)
    assert [left.protocol for left in evaluated.left_out] == ["A"]
    assert evaluated.protocols[C].draws == 2
    assert evaluated.protocols[B].images == evaluated.protocols[C_SCALE].images
    assert set(evaluated.where) == {B, C}


def test_the_stand_in_finds_bright_squares_and_the_control_shows_that_it_needs_them(evaluated):
    assert evaluated.protocols[C].metrics["auc"].value > 0.95
    assert evaluated.protocols[C_SCALE].metrics["auc"].value > 0.95
    control = evaluated.protocols[CONTROL].metrics["auc"]
    assert control.low <= 0.5 <= control.high or control.value < 0.65
    assert evaluated.where[C].f1.value > 0.9
    assert evaluated.where[C].block_auc.value > 0.95


def test_baselines_stand_in_the_same_table_and_fall_with_matching(evaluated):
    raw, matched = evaluated.baselines[B], evaluated.baselines[C]
    assert list(raw) == ["majority", "category", "extension", "header", "dimensions", "pixels"]
    assert raw["header"].metrics["auc"].value == 1.0
    assert matched["header"].metrics["auc"].value < 0.8
    assert set(evaluated.against_baseline) == {B, C}


def test_it_is_said_why_two_models_cannot_be_compared(data_set, judged):
    frame, _ = data_set
    mixed = splits.assign(frame.drop(columns="split"), "random", (0.7, 0.15, 0.15), seed=1).frame
    eligibility = eligible(mixed, learnt_from(mixed))
    other = dataclasses.replace(judged, rows=eligibility.rows, left_out=eligibility.left_out)
    assert summary.compare_models(other, judged, OPTIONS) == {}
    said = summary.why_not_compared(judged, "mine", other, "theirs")
    assert "mine may be judged under B" in said
    assert "theirs may be judged under A (the model was trained on a random split" in said


def test_a_control_without_masks_is_left_out_with_its_reason(judged):
    without = judged.model[judged.model["condition"] != "control"]
    found = summary.summarise(dataclasses.replace(judged, model=without), OPTIONS)
    left = {one.protocol: one.reason for one in found.left_out}
    assert "no forged image has a mask" in left["control"]


def test_protocol_a_of_another_training_stands_before_the_honest_ones(evaluated):
    other = evaluated.model_copy(
        update={
            "protocols": {A: evaluated.protocols[B]},
            "baselines": {A: evaluated.baselines[B]},
        }
    )
    merged = summary.with_protocol_a(evaluated, other)
    assert list(merged.protocols) == [A, *evaluated.protocols]
    assert list(merged.baselines) == [A, *evaluated.baselines]
    assert not [one for one in merged.left_out if one.protocol == "A"]
    assert "trained on raw files, random split" in merged.notes[-1]
    assert summary.with_protocol_a(evaluated, evaluated) == evaluated


def test_only_what_was_asked_for_is_measured(data_set, model):
    frame, root = data_set
    options = dataclasses.replace(OPTIONS, conditions=(C,), draws=1)
    judged = protocols.judge(model, frame, root, learnt_from(frame), options)
    found = summary.summarise(judged, options)
    assert list(found.protocols) == list(found.baselines) == [C]
    unasked = {one.protocol for one in found.left_out if "not requested" in one.reason}
    assert unasked == {"B", "C-shift", "C-scale", "control"}


def test_two_models_are_compared_on_identical_images(data_set, judged, tmp_path):
    frame, root = data_set
    blunt = model_stand_in.save(tmp_path, "stand-in/2", sharpness=0.0)
    other = protocols.judge(blunt, frame, root, learnt_from(frame), OPTIONS)
    gain = summary.compare_models(other, judged, OPTIONS)[C]
    assert gain.images == len(judged.rows[B])
    assert gain.metrics["auc"].low > 0.3
    assert gain.metrics["auc"].p < 0.05
