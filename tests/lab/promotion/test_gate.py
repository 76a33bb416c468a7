"""The gate: figures of two models decide, and models that break the contract never reach it."""

import json
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from forgery_lab.evaluation import scoring
from forgery_lab.export import pyfunc
from forgery_lab.export.detector_folder import DetectorFolder
from forgery_lab.promotion import contract_check, frozen_set, gate
from forgery_lab.promotion.gate import PromotionLimits
from forgery_lab.sources.source import Source
from forgery_pyfunc.detector import MANIFEST_FILE
from forgery_pyfunc.errors import ModelError
from tests.conftest import training_manifest, write_detector

LIMITS = PromotionLimits(
    margin=0.05, least_sources=10, false_alarms=0.1, calibration_error=0.2, latency_ratio=3,
    megabytes=50,
)  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    """Two images, one of them forged, of each of 100 sources."""
    number = np.arange(200)
    return pd.DataFrame(
        {
            "sha256": [f"{n:064x}" for n in number],
            "label": number % 2,
            "source_ids": [[f"ani{n // 2:05d}"] for n in number],
            "group": [f"g{n // 2}" for n in number],
        }
    )


def scored(rows, sharpness, seed=1, shift=0.0):
    """Predictions of a calibrated model: the sharper, the better."""
    noise = np.random.default_rng(seed).normal(size=len(rows))
    logit = sharpness * (sharpness * (rows["label"] - 0.5) + noise) + shift
    probability = 1 / (1 + np.exp(-logit))
    verdict = np.select([probability >= 0.9, probability < 0.3], ["forged", "authentic"], "?")
    return pd.DataFrame(
        {"condition": "C", "draw": 0, "sha256": rows["sha256"], "probability": probability,
         "verdict": np.where(verdict == "?", "inconclusive", verdict), "error": None}
    )  # fmt: skip


def decide(rows, champion, challenger, seconds=(0.05, 0.05), megabytes=(1.0, 1.0), **limits):
    return gate.compare(
        (champion, challenger), rows, seconds, megabytes, replace(LIMITS, **limits), seed=3
    )


def test_a_better_model_passes_and_a_worse_one_is_refused_in_words(rows):
    good, bad = scored(rows, 1.8), scored(rows, 0.3, seed=2)
    assert decide(rows, bad, good).passed
    refused = decide(rows, good, bad)
    assert not refused.passed
    assert "the challenger is worse: AUC 0." in refused.reason
    assert "goes below -0.05" in refused.reason
    assert refused.figures["difference.high"] < 0


def test_an_equal_model_passes_within_the_margin_and_not_without(rows):
    one = scored(rows, 1.8)
    assert decide(rows, one, one, margin=0.0).passed
    blur = np.random.default_rng(9).normal(0, 0.02, len(rows))
    hardly_worse = one.assign(probability=(one["probability"] + blur).clip(0, 1))
    assert decide(rows, one, hardly_worse).passed
    assert "is not shown to be as good" in decide(rows, one, hardly_worse, margin=0.0).reason


def test_too_few_sources_are_insufficient_evidence(rows):
    one = scored(rows, 1.8)
    said = decide(rows, one, one, least_sources=101)
    assert not said.passed
    assert said.reason.startswith("insufficient evidence: 100 source photographs (200 images)")


def test_images_that_one_model_could_not_score_count_for_neither(rows):
    one = scored(rows, 1.8)
    holed = one.assign(probability=one["probability"].where(np.arange(200) >= 50))
    assert decide(rows, holed, one).figures["images"] == 150
    assert decide(rows, holed, one).passed


@pytest.mark.parametrize(("holes", "passes"), [(4, True), (50, False), (199, False)])
def test_a_challenger_may_not_leave_out_what_the_champion_scored(rows, holes, passes):
    one = scored(rows, 1.8)
    holed = one.assign(probability=one["probability"].where(np.arange(200) >= holes))
    judgement = decide(rows, one, holed)
    assert judgement.passed == passes, judgement.reason
    said = f"could not score {holes} of the 200 images that the champion scored"
    assert (said in judgement.reason) != passes


@pytest.mark.parametrize(
    ("limits", "shift", "changed", "said"),
    [
        (
            {"calibration_error": 1.0},
            6.0,
            {},
            r"calls \d+\.\d% of the authentic photographs forged",
        ),
        ({"calibration_error": 0.1, "false_alarms": 1.0}, 4.0, {}, "calibration error is 0."),
        ({}, 0.0, {"seconds": (0.05, 0.16)}, "takes 160 ms for an image, the champion 50 ms"),
        ({}, 0.0, {"megabytes": (1.0, 60.0)}, "takes 60 MB; the limit is 50"),
    ],
)
def test_every_guard_rail_refuses_alone(rows, limits, shift, changed, said):
    one = scored(rows, 1.8)
    judgement = decide(rows, one, scored(rows, 1.8, shift=shift), **changed, **limits)
    assert len(judgement.refusals) == 1
    assert pd.Series([judgement.reason]).str.contains(said).all()
    assert "EXCEEDED" in judgement.table()
    assert json.loads(judgement.to_json())["passed"] is False


def test_the_table_has_both_decisions_for_information(rows):
    blind, sharp = scored(rows, 0.0), scored(rows, 3.0)
    judgement = decide(rows, blind, sharp)
    table, figures = judgement.table(), judgement.figures
    for name in ("accuracy", "precision", "recall", "f1"):
        for where, key in (("0.5", "half"), ("t_hi", "t_hi")):
            value = figures[f"challenger.{name}_at_{key}"]
            line = next(one for one in table.splitlines() if one.lower().startswith(
                f"{name} at {where}"))  # fmt: skip
            assert line.split()[-1] == f"{value:.3f}"
    assert figures["challenger.recall_at_half"] > figures["challenger.recall_at_t_hi"] > 0.5
    assert figures["champion.recall_at_t_hi"] == 0
    assert {"champion.AUC", "challenger.false_alarms", "champion.MB"} <= set(figures)


@pytest.fixture(scope="module")
def judges(small_frozen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gate") / "frozen"
    return frozen_set.ensure(folder, Source.parse(str(small_frozen.source)), small_frozen.digest)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Makes candidates that see noise, or its opposite where the weight is negative."""

    def candidate(name, weight=1.0, learnt=("ani00001",)):
        folder = tmp_path_factory.mktemp("candidates")
        detector = write_detector(folder / "detector", weight=weight)
        if learnt:
            training_manifest(*learnt).to_parquet(detector / MANIFEST_FILE)
        pyfunc.save_model(detector, folder / "model")
        return DetectorFolder(folder / "model", name)

    return candidate


@pytest.fixture(scope="module")
def good(make):
    return make("version 2", weight=3.0)


def test_real_models_are_judged_each_in_its_own_process(make, good, judges):
    limits = replace(LIMITS, false_alarms=1, calibration_error=1, latency_ratio=50)
    bad = make("version 1", weight=-3.0)
    passed = gate.judge(good, bad, judges, limits, 1, 1)
    assert passed.passed, passed.reason
    assert passed.figures["challenger.AUC"] > 0.9 > 0.2 > passed.figures["champion.AUC"]
    assert passed.figures["sources"] == 14
    assert "28 images of 14 source photographs under protocol C" in passed.table()


def test_a_model_that_learnt_from_the_frozen_set_is_not_judged(make, good, judges):
    leaking = make("version 3", learnt=("ani00001", "ani70003"))
    said = gate.judge(leaking, good, judges, LIMITS, 0, 1)
    assert "version 3 learnt from 1 images that touch the frozen test set" in said.reason
    assert not gate.judge(leaking, None, judges, LIMITS, 0, 1).passed
    assert "the comparison favours it" in gate.leaks(good, leaking, judges)[1][0]


def test_a_model_without_a_training_manifest_is_judged_only_where_nothing_is_compared(
    make, good, judges
):
    unknown = make("version 4", learnt=())
    assert "has no training manifest" in gate.judge(unknown, good, judges, LIMITS, 0, 1).reason
    assert gate.judge(unknown, None, judges, LIMITS, 0, 1).passed


def test_a_model_that_learnt_from_what_looks_like_the_frozen_set_is_not_judged(make, good, judges):
    alike = make("version 7")
    (path,) = alike.path.rglob(MANIFEST_FILE)
    near = f"{int(judges.frame['phash'].iloc[0], 16) ^ 0b11:016x}"
    pd.read_parquet(path).assign(phash=near).to_parquet(path)
    said = gate.judge(alike, good, judges, LIMITS, 0, 1).reason
    assert "learnt from 1 images that touch the frozen test set (1 as frozen_look_alike)" in said


def test_a_damaged_model_is_refused_and_not_raised(make, judges):
    damaged = make("version 5")
    for network in damaged.path.rglob("network.onnx"):
        network.write_bytes(b"damaged")
    judgement = gate.judge(damaged, None, judges, LIMITS, 0, 1)
    assert judgement.reason.startswith("version 5 cannot be loaded")
    assert not judgement.lasting


@pytest.mark.parametrize(
    "content",
    [
        b"PAR1",
        pd.DataFrame({"sha256": ["0"]}),
        pd.DataFrame({"sha256": ["0"], "source_ids": [["a"]]}),
        training_manifest("a").assign(source_ids=None),
        training_manifest("a").assign(phash=None),
    ],
)
def test_a_damaged_training_manifest_is_told(make, good, judges, content):
    model = make("version 8")
    (path,) = model.path.rglob(MANIFEST_FILE)
    path.write_bytes(content if isinstance(content, bytes) else content.to_parquet())
    said = gate.judge(model, good, judges, LIMITS, 0, 1).reason
    assert said == "the training manifest of version 8 cannot be read"
    assert gate.leaks(good, model, judges) == ([], [f"{said}; it may know the frozen set"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"probability": "high"}, "it gives an image a probability of 'high'"),
        ({"probability": 1.5}, "it gives an image a probability of 1.5"),
        ({"verdict": ["forged"]}, r"it gives an image the verdict \['forged'\]"),
    ],
)
def test_odd_answers_are_told_with_the_name_of_the_model(good, monkeypatch, change, said):
    real = scoring.opened

    @contextmanager
    def odd(folder):
        with real(folder) as ask:
            yield lambda images, **params: [one | change for one in ask(images, **params)]

    monkeypatch.setattr(scoring, "opened", odd)
    with pytest.raises(ModelError, match=f"version 2 breaks the contract: {said}"):  # noqa: SIM117
        with gate.opened(good) as ask:
            ask([pyfunc.input_example()["image"][0]])


def test_a_record_without_a_probability_or_with_a_map_that_is_none_breaks_the_contract(good):
    with scoring.opened(good.path) as ask:
        for change, said in (
            ({"probability": None}, "it gives the golden image no probability"),
            ({"heatmap": "AAAA"}, "its heat map is not an image"),
        ):
            changed = lambda images, change=change, **p: [r | change for r in ask(images, **p)]  # noqa: E731
            assert said in contract_check.faults(good.path, changed)


def test_a_model_with_another_signature_breaks_the_contract(make, judges):
    other = make("version 6")
    text = (other.path / "MLmodel").read_text().replace('"name": "image"', '"name": "picture"')
    (other.path / "MLmodel").write_text(text)
    said = gate.judge(other, None, judges, LIMITS, 0, 1).reason
    assert said.startswith("it does not have the signature of the contract")


def test_answers_that_differ_break_the_contract(good):
    """Against a real model's answers, changed on the way as a faulty one would."""
    with scoring.opened(good.path) as ask:
        assert contract_check.faults(good.path, ask) == []
        calls = []

        def drifting(images, **params):
            calls.append(1)
            records = ask(images, **params)
            return [{**one, "probability": (one["probability"] or 0) + 1e-3 * len(calls)}
                    for one in records]  # fmt: skip

        said = contract_check.faults(good.path, drifting)
    assert "it is not deterministic: the same image scored differently" in said
    assert "it gives no error for bytes that are not an image" in said
    assert "a broken image in a batch changes the answer for the one beside it" in said
