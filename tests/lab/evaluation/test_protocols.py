"""Protocols: out of fold and on other data, no model judges what it has seen."""

import pandas as pd

from forgery_lab.data import splits
from forgery_lab.evaluation import protocols, summary
from forgery_lab.evaluation.conditions import C
from forgery_lab.evaluation.protocols import Options
from tests.lab.evaluation.conftest import OPTIONS, learnt_from


def test_out_of_fold_every_image_is_judged_by_a_model_that_never_saw_it(data_set, model):
    frame, root = data_set
    made = splits.folds(frame.drop(columns="split"), 2, seed=1).frame
    seen = []

    def train_fold(train, validation):
        seen.append(set(train["sha256"]) | set(validation["sha256"]))
        return model

    one_draw = Options(seed=1, draws=1, resamples=100, workers=1)
    judged = protocols.judge_out_of_fold(train_fold, made, root, one_draw)
    scored = judged.model[judged.model["condition"] == "C"]
    assert sorted(scored["sha256"]) == sorted(made["sha256"])
    assert len(seen) == 2
    found = summary.summarise(judged, one_draw)
    assert found.protocols[C].images == len(made)
    assert "out-of-fold over 2" in found.notes[0]


def test_elsewhere_photographs_give_false_alarms_only(data_set, model):
    frame, root = data_set
    photographs = frame[frame["label"] == 0]
    found = protocols.judge_elsewhere(
        model, "photos", photographs, root, learnt_from(frame), OPTIONS
    )
    assert found.left_out_as_seen_in_training > 0
    assert found.false_positives.of == found.images
    assert found.false_positives.count == 0
    assert found.raw is None


def test_elsewhere_shares_no_source_with_the_training(data_set, model):
    frame, root = data_set
    learnt = learnt_from(frame)[learnt_from(frame)["split"] == "train"]
    known = {name for names in learnt["source_ids"] for name in names}
    others = frame[~frame["sha256"].isin(learnt["sha256"]) & (frame["label"] == 0)]
    others = others.assign(source_ids=[[sorted(known)[0]], *others["source_ids"][1:]])
    unrelated = protocols.judge_elsewhere(model, "photos", others, root, learnt, OPTIONS)
    assert unrelated.left_out_as_sharing_a_source == 0  # numbers of another data set
    some = pd.concat([others, frame[frame["sha256"] == learnt["sha256"].iloc[0]]])
    found = protocols.judge_elsewhere(model, "photos", some, root, learnt, OPTIONS)
    assert found.left_out_as_sharing_a_source == 1
    assert found.left_out_as_seen_in_training == 1
    assert found.images == len(others) - 1


def test_elsewhere_leaves_out_what_looks_like_training(data_set, model):
    frame, root = data_set
    others = frame[frame["label"] == 0].head(6)
    learnt = others.head(2).assign(sha256=["saved anew", "and again"], split="train")
    found = protocols.judge_elsewhere(model, "photos", others, root, learnt, OPTIONS)
    assert found.left_out_as_seen_in_training == 2
    assert found.images == 4
