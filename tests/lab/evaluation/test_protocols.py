"""Protocols: only images that are new to a model judge it, and what is left out is said."""

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from forgery_lab.data import splits
from forgery_lab.evaluation import figures, protocols, trials
from forgery_lab.evaluation.protocols import Options
from forgery_lab.examples.histories import HistoryMatcher
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.lab.evaluation import model_stand_in

OPTIONS = Options(seed=1, draws=2, resamples=100, workers=1)


@pytest.fixture(scope="module")
def data_set(tmp_path_factory):
    """Forty dark photographs; a forged copy of each has a bright square in its left half."""
    root = tmp_path_factory.mktemp("protocols")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        smooth = Image.fromarray(rng.integers(0, 120, (6, 9, 3), dtype=np.uint8))
        host = np.asarray(smooth.resize((144, 96), Image.Resampling.BICUBIC))
        mask = np.zeros((96, 144), np.uint8)
        mask[16:64, 8:56] = 255
        forged = np.where(mask[..., None] > 0, 250, host).astype(np.uint8)
        Image.fromarray(mask).save(root / f"mask{number}.png")
        for label, pixels in enumerate((host, forged)):
            data = encode(pixels, quality=92 if label else 75)
            path = f"{label}_{number}.jpg"
            (root / path).write_bytes(data)
            rows.append(
                {
                    "path": path,
                    "label": label,
                    "kind": ("authentic", "copy-move", "splice")[label + label * (number % 2)],
                    "category": "txt" if number % 3 == 0 else "ani",
                    "source_ids": [f"ani{number:05d}"],
                    "group": f"g{number}",
                    "sha256": hashlib.sha256(data).hexdigest(),
                    "phash": hashlib.sha256(data).hexdigest()[:16],
                    "format": "JPEG",
                    "width": 144,
                    "height": 96,
                    "mask_path": f"mask{number}.png" if label else None,
                }
            )
    frame = splits.assign(pd.DataFrame(rows), "source", (0.5, 0.2, 0.3), seed=2).frame
    return frame, root


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_stand_in.save(tmp_path_factory.mktemp("model"), sharpness=20.0)


@pytest.fixture(scope="module")
def judged(data_set, model):
    frame, root = data_set
    return protocols.judge(model, frame, root, learnt_from(frame), OPTIONS)


@pytest.fixture(scope="module")
def found(judged):
    return protocols.summarise(judged, OPTIONS)


def learnt_from(frame):
    return frame.loc[
        frame["split"].isin(["train", "validation"]), ["sha256", "source_ids", "group", "split"]
    ]


def test_a_source_disjoint_model_gets_all_but_a(found):
    assert set(found["protocols"]) == {"B", "C", "C-shift", "C-scale", "control"}
    assert [left["protocol"] for left in found["left_out"]] == ["A"]
    assert found["protocols"]["C"]["draws"] == 2
    assert found["protocols"]["B"]["images"] == found["protocols"]["C-scale"]["images"]
    assert set(found["where"]) == {"B", "C"}


def test_the_stand_in_finds_bright_squares_and_the_control_shows_that_it_needs_them(found):
    assert found["protocols"]["C"]["metrics"]["auc"]["value"] > 0.95
    assert found["protocols"]["C-scale"]["metrics"]["auc"]["value"] > 0.95
    control = found["protocols"]["control"]["metrics"]["auc"]
    assert control["low"] <= 0.5 <= control["high"] or control["value"] < 0.65
    assert found["where"]["C"]["f1"]["value"] > 0.9
    assert found["where"]["C"]["block_auc"]["value"] > 0.95


def test_parts_are_reported_apart(found):
    parts = found["protocols"]["C"]["parts"]
    assert set(parts) == {"splices", "copy-moves", "textures", "outside textures"}


def test_baselines_stand_in_the_same_table_and_fall_with_matching(found):
    raw, matched = found["baselines"]["B"], found["baselines"]["C"]
    assert list(raw) == ["majority", "category", "extension", "header", "dimensions", "pixels"]
    assert raw["header"]["metrics"]["auc"]["value"] == 1.0
    assert matched["header"]["metrics"]["auc"]["value"] < 0.8
    assert set(found["against_baseline"]) == {"B", "C"}


def test_a_model_of_a_random_split_gets_a_only(data_set):
    frame, _ = data_set
    mixed = splits.assign(frame.drop(columns="split"), "random", (0.7, 0.15, 0.15), seed=1).frame
    permission = protocols.permit(mixed, learnt_from(mixed))
    assert set(permission.rows) == {"A"}
    assert {left["protocol"] for left in permission.left_out} == {"B", "C", "C′", "D", "F"}
    assert "random split" in permission.left_out[0]["reason"]


def test_data_split_anew_do_not_make_a_source_disjoint_model_a_random_one(data_set):
    frame, _ = data_set
    learnt = learnt_from(frame)
    anew = splits.assign(frame.drop(columns="split"), "source", (0.4, 0.2, 0.4), seed=9).frame
    added = anew.head(6).assign(
        sha256=[hashlib.sha256(bytes([n])).hexdigest() for n in range(6)],
        source_ids=learnt["source_ids"].head(6).tolist(), split="test",
    )  # fmt: skip
    permission = protocols.permit(pd.concat([anew, added]), learnt)
    assert set(permission.rows) == {"B"}
    assert not set(permission.rows["B"]["sha256"]) & {*learnt["sha256"], *added["sha256"]}
    assert "6 test images were left out: shared sources" in permission.notes


def test_it_is_said_why_two_models_cannot_be_compared(data_set, judged):
    frame, _ = data_set
    mixed = splits.assign(frame.drop(columns="split"), "random", (0.7, 0.15, 0.15), seed=1).frame
    permission = protocols.permit(mixed, learnt_from(mixed))
    other = dataclasses.replace(judged, rows=permission.rows, left_out=permission.left_out)
    assert protocols.compare_models(other, judged, OPTIONS) == {}
    said = protocols.why_not_compared(judged, "mine", other, "theirs")
    assert "mine may be judged under B" in said
    assert "theirs may be judged under A (the model was trained on a random split" in said


def test_a_control_without_masks_is_left_out_with_its_reason(judged):
    without = judged.predictions[judged.predictions["condition"] != "control"]
    found = protocols.summarise(dataclasses.replace(judged, predictions=without), OPTIONS)
    left = {one["protocol"]: one["reason"] for one in found["left_out"]}
    assert "no forged image has a mask" in left["control"]


def test_protocol_a_of_another_training_stands_before_the_honest_ones(found):
    other = {part: {"A": found[part]["B"]} for part in ("protocols", "baselines")}
    merged = protocols.with_protocol_a(found, other)
    assert list(merged["protocols"]) == ["A", *found["protocols"]]
    assert list(merged["baselines"]) == ["A", *found["baselines"]]
    assert not [one for one in merged["left_out"] if one["protocol"] == "A"]
    assert "trained on raw files, random split" in merged["notes"][-1]
    assert protocols.with_protocol_a(found, {"protocols": {}}) == found


def test_images_that_the_model_has_seen_do_not_judge_it(data_set):
    frame, _ = data_set
    test = frame[frame["split"] == "test"]
    seen = pd.concat([learnt_from(frame), test.head(1)[["sha256", "source_ids", "group", "split"]]])
    permission = protocols.permit(frame, seen)
    rows = permission.rows.get("B", permission.rows.get("A"))
    assert test["sha256"].iloc[0] not in set(rows["sha256"])
    assert any("the model trained on them" in note for note in permission.notes)


def test_a_model_without_training_manifest_or_new_images_is_not_judged(data_set):
    frame, _ = data_set
    assert protocols.permit(frame, None).rows == {}
    everything = protocols.permit(frame, frame)
    assert everything.rows == {}
    assert "are needed" in everything.left_out[-1]["reason"]


def test_images_without_ids_are_told_apart_by_their_group(data_set):
    frame, _ = data_set
    nameless = frame.assign(source_ids=[[] for _ in range(len(frame))])
    test = nameless[nameless["split"] == "test"]
    seen = learnt_from(nameless)
    assert len(protocols.permit(nameless, seen).rows["B"]) == len(test)
    half = test.groupby("group").head(1)
    permission = protocols.permit(nameless, pd.concat([seen, half[seen.columns]]))
    assert "B" not in permission.rows


def test_control_crops_hold_no_forged_pixel(data_set):
    frame, root = data_set
    matcher = HistoryMatcher.fit(frame, root, 1)
    masks = trials.load_masks(frame, root)
    made = trials.control_trials(frame, root, matcher, masks, draws=1)
    forged = [trial for trial in made if trial.sha256 in masks]
    assert forged
    assert all(not trial.rendition.moved(masks[trial.sha256]).any() for trial in forged)
    windows = {
        label: {t.rendition.handling.crop for t in made if (t.sha256 in masks) == label}
        for label in (True, False)
    }
    assert windows[False] <= windows[True]


def test_only_what_was_asked_for_is_measured(data_set, model):
    frame, root = data_set
    options = dataclasses.replace(OPTIONS, protocols=("C",), draws=1)
    judged = protocols.judge(model, frame, root, learnt_from(frame), options)
    found = protocols.summarise(judged, options)
    assert list(found["protocols"]) == list(found["baselines"]) == ["C"]
    unasked = {one["protocol"] for one in found["left_out"] if "not asked" in one["reason"]}
    assert unasked == {"B", "C-shift", "C-scale", "control"}


def test_robustness_changes_one_thing_at_a_time(data_set, model):
    frame, root = data_set
    rows = frame[frame["split"] == "test"]
    matcher = HistoryMatcher.fit(frame, root, 1)
    made = [
        trial
        for trial in trials.robustness_trials(rows, root, matcher)
        if trial.condition in ("F:quality:50", "F:blur:2", "F:scale:0.5")
    ]
    predictions = trials.predict(model, made, workers=1)
    found = figures.robustness_figures(predictions, rows, 100)
    assert {name: [point["at"] for point in points] for name, points in found.items()} == {
        "quality": [50],
        "scale": [0.5],
        "blur": [2.0],
    }


def test_two_models_are_compared_on_identical_images(data_set, judged, tmp_path):
    frame, root = data_set
    blunt = model_stand_in.save(tmp_path, "stand-in/2", sharpness=0.0)
    other = protocols.judge(blunt, frame, root, learnt_from(frame), OPTIONS)
    gain = protocols.compare_models(other, judged, OPTIONS)["C"]
    assert gain["images"] == len(judged.rows["B"])
    assert gain["metrics"]["auc"]["low"] > 0.3
    assert gain["metrics"]["auc"]["p"] < 0.05


def test_out_of_fold_every_image_is_judged_by_a_model_that_never_saw_it(data_set, model):
    frame, root = data_set
    made = splits.folds(frame.drop(columns="split"), 2, seed=1).frame
    seen = []

    def train_fold(train, validation):
        seen.append(set(train["sha256"]) | set(validation["sha256"]))
        return model

    one_draw = Options(seed=1, draws=1, resamples=100, workers=1)
    judged = protocols.judge_out_of_fold(train_fold, made, root, one_draw)
    scored = judged.predictions[judged.predictions["condition"] == "C"]
    assert sorted(scored["sha256"]) == sorted(made["sha256"])
    assert len(seen) == 2
    found = protocols.summarise(judged, one_draw)
    assert found["protocols"]["C"]["images"] == len(made)
    assert "out-of-fold over 2" in found["notes"][0]


def test_folds_share_what_the_baselines_see_of_an_image(data_set):
    frame, root = data_set
    matcher = HistoryMatcher.fit(frame, root, 1)
    first = frame[frame["group"].isin([f"g{number}" for number in range(20)])]
    second = frame.drop(first.index)
    by, counted = ["condition", "baseline", "sha256"], []

    def predicted(*splits_of_frame):
        totals = []
        found = trials.predict_baselines(
            splits_of_frame, root, matcher, ["B", "C"], 1, workers=1,
            progress=lambda done, total: totals.append(total),
        )  # fmt: skip
        counted.append(totals[-1])
        return found.sort_values(by)[[*by, "probability"]].reset_index(drop=True)

    together = predicted((first, second), (second, first))
    apart = pd.concat([predicted((first, second)), predicted((second, first))])
    pd.testing.assert_frame_equal(together, apart.sort_values(by).reset_index(drop=True))
    assert counted[0] == len(frame) * (1 + trials.BASELINE_TRAINING_DRAWS)
    assert counted[0] < counted[1] + counted[2]


def test_elsewhere_photographs_give_false_alarms_only(data_set, model):
    frame, root = data_set
    photographs = frame[frame["label"] == 0]
    found = protocols.judge_elsewhere(
        model, "photos", photographs, root, learnt_from(frame), OPTIONS
    )
    assert found["left_out_as_seen_in_training"] > 0
    assert found["false_positives"]["of"] == found["images"]
    assert found["false_positives"]["count"] == 0
    assert "raw" not in found


def test_elsewhere_shares_no_source_with_the_training(data_set, model):
    frame, root = data_set
    learnt = learnt_from(frame)[learnt_from(frame)["split"] == "train"]
    known = {name for names in learnt["source_ids"] for name in names}
    others = frame[~frame["sha256"].isin(learnt["sha256"]) & (frame["label"] == 0)]
    others = others.assign(source_ids=[[sorted(known)[0]], *others["source_ids"][1:]])
    unrelated = protocols.judge_elsewhere(model, "photos", others, root, learnt, OPTIONS)
    assert unrelated["left_out_as_sharing_a_source"] == 0  # numbers of another data set
    some = pd.concat([others, frame[frame["sha256"] == learnt["sha256"].iloc[0]]])
    found = protocols.judge_elsewhere(model, "photos", some, root, learnt, OPTIONS)
    assert found["left_out_as_sharing_a_source"] == 1
    assert found["left_out_as_seen_in_training"] == 1
    assert found["images"] == len(others) - 1


def test_elsewhere_leaves_out_what_looks_like_training(data_set, model):
    frame, root = data_set
    others = frame[frame["label"] == 0].head(6)
    learnt = others.head(2).assign(sha256=["saved anew", "and again"], split="train")
    found = protocols.judge_elsewhere(model, "photos", others, root, learnt, OPTIONS)
    assert found["left_out_as_seen_in_training"] == 2
    assert found["images"] == 4


def test_worst_and_best_come_with_pictures_and_maps(data_set, judged):
    _, root = data_set
    found = protocols.examples(judged, root, OPTIONS, number=2)
    assert len(found["best"]) == 2
    for one in found["best"]:
        assert one["label"] == 1
        assert one["heatmap"].shape == one["mask"].shape == one["picture"].shape[:2]
