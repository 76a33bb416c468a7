"""Eligibility: only images that are new to a model judge it, and what is left out is said."""

import hashlib

import pandas as pd

from forgery_lab.data import splits
from forgery_lab.evaluation.conditions import A, B
from forgery_lab.evaluation.eligibility import eligible
from tests.lab.evaluation.conftest import learnt_from


def test_a_model_of_a_random_split_gets_a_only(data_set):
    frame, _ = data_set
    mixed = splits.assign(frame.drop(columns="split"), "random", (0.7, 0.15, 0.15), seed=1).frame
    eligibility = eligible(mixed, learnt_from(mixed))
    assert set(eligibility.rows) == {A}
    assert {left.protocol for left in eligibility.left_out} == {"B", "C", "C′", "D", "F"}
    assert "random split" in eligibility.left_out[0].reason


def test_data_split_anew_do_not_make_a_source_disjoint_model_a_random_one(data_set):
    frame, _ = data_set
    learnt = learnt_from(frame)
    anew = splits.assign(frame.drop(columns="split"), "source", (0.4, 0.2, 0.4), seed=9).frame
    added = anew.head(6).assign(
        sha256=[hashlib.sha256(bytes([n])).hexdigest() for n in range(6)],
        source_ids=learnt["source_ids"].head(6).tolist(), split="test",
    )  # fmt: skip
    eligibility = eligible(pd.concat([anew, added]), learnt)
    assert set(eligibility.rows) == {B}
    assert not set(eligibility.rows[B]["sha256"]) & {*learnt["sha256"], *added["sha256"]}
    assert "6 test images were left out: shared sources" in eligibility.notes


def test_images_that_the_model_has_seen_do_not_judge_it(data_set):
    frame, _ = data_set
    test = frame[frame["split"] == "test"]
    seen = pd.concat([learnt_from(frame), test.head(1)[["sha256", "source_ids", "group", "split"]]])
    eligibility = eligible(frame, seen)
    rows = eligibility.rows.get(B, eligibility.rows.get(A))
    assert test["sha256"].iloc[0] not in set(rows["sha256"])
    assert any("the model trained on them" in note for note in eligibility.notes)


def test_a_model_without_training_manifest_or_new_images_is_not_judged(data_set):
    frame, _ = data_set
    assert eligible(frame, None).rows == {}
    everything = eligible(frame, frame)
    assert everything.rows == {}
    assert "are needed" in everything.left_out[-1].reason


def test_images_without_ids_are_told_apart_by_their_group(data_set):
    frame, _ = data_set
    nameless = frame.assign(source_ids=[[] for _ in range(len(frame))])
    test = nameless[nameless["split"] == "test"]
    seen = learnt_from(nameless)
    assert len(eligible(nameless, seen).rows[B]) == len(test)
    half = test.groupby("group").head(1)
    eligibility = eligible(nameless, pd.concat([seen, half[seen.columns]]))
    assert B not in eligibility.rows
