"""Reports and cards: self-contained, and honest in words."""

import json
import re

import numpy as np
import pytest

from forgery_lab.evaluation import metrics, model_card, report
from forgery_lab.evaluation.metrics import Scores


def figures_of(auc_shift, seed=0):
    """Figures of one condition, as `figures.figures` gives them."""
    rng = np.random.default_rng(seed)
    label = np.arange(120) % 2 == 0
    scores = Scores.at_threshold(
        label, 1 / (1 + np.exp(-(rng.normal(size=120) + auc_shift * label)))
    )
    return {
        "title": "a protocol",
        "images": 120,
        "authentic": 60,
        "forged": 60,
        "sources": 120,
        "draws": 1,
        "not_scored": 0,
        "why_not_scored": [],
        "metrics": metrics.estimate([scores], 200),
        "confusion": metrics.confusion(scores),
        "parts": {},
        "curves": {
            "roc": metrics.roc_curve(scores),
            "precision_recall": metrics.precision_recall_curve(scores),
            "reliability": metrics.reliability(scores),
            "risk_coverage": metrics.risk_coverage(scores),
        },
    }


def estimate(value, low, high):
    return {"value": value, "low": low, "high": high, "least": value, "most": value, "p": 0.5}


def evaluation(gain=(0.1, 0.05, 0.15), control=0.0):
    table = {
        name: {"title": name, "metrics": figures_of(shift)["metrics"]}
        for name, shift in (("header", 5), ("pixels", 0.5))
    }
    return {
        "protocols": {
            "B": figures_of(3),
            "C": figures_of(1.5),
            "control": figures_of(control, seed=3),
        },
        "baselines": {"B": table, "C": table},
        "where": {"C": {"images": 60, **{name: estimate(0.8, 0.7, 0.9) for name in report.WHERE}}},
        "against_baseline": {"C": estimate(*gain)},
        "elsewhere": [
            {
                "name": "cameras",
                "images": 53,
                "authentic": 53,
                "forged": 0,
                "left_out_as_seen_in_training": 0,
                "left_out_as_sharing_a_source": 0,
                "not_scored": 0,
                "false_positives": metrics.proportion(10, 53),
                "inconclusive": 0.1,
            }
        ],
        "robustness": {"blur": [{"at": 0.0, **estimate(0.8, 0.7, 0.9)}]},
        "left_out": [{"protocol": "A", "reason": "it was trained source-disjoint"}],
        "notes": ["one image <b> was left out"],
    }


def picture():
    return {
        "path": "Tp/<script>.jpg",
        "label": 1,
        "kind": "splice",
        "probability": 0.9,
        "verdict": "forged",
        "picture": np.zeros((64, 96, 3), np.uint8),
        "heatmap": np.full((64, 96), 200, np.uint8),
        "mask": np.eye(64, 96) > 0,
    }


@pytest.fixture(scope="module")
def page():
    return report.render(evaluation(), {"worst": [picture()], "best": []})


def test_the_page_asks_nothing_of_the_network(page):
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page)
    assert not re.search(r"url\((?!#)", page)
    assert "<script" not in page
    assert page.count("<svg") == 5


def test_names_from_files_are_escaped(page):
    assert "Tp/&lt;script&gt;.jpg" in page
    assert "&lt;b&gt;" in page


def test_light_and_dark_and_no_colour_of_the_plots_is_fixed_to_the_paper(page):
    assert "prefers-color-scheme: dark" in page
    assert "currentColor" in page
    assert "#010203" not in page


def test_ids_of_plots_do_not_collide(page):
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_table_has_protocols_baselines_and_intervals(page):
    for text in ("Baselines under C", "to be beaten", "AUC", "Calibration error"):
        assert text in page
    value = evaluation()["protocols"]["C"]["metrics"]["auc"]
    assert f"{value['value']:.2f}<small>{value['low']:.2f}–{value['high']:.2f}" in page


@pytest.mark.parametrize(
    ("gain", "words", "tone"),
    [
        ((0.1, 0.05, 0.15), "It beats boosted trees", "good"),
        ((0.02, -0.05, 0.09), "is not shown to beat the last baseline", "bad"),
        ((-0.1, -0.2, -0.05), "does not beat the last baseline", "bad"),
    ],
)
def test_the_words_say_whether_the_network_beats_the_last_baseline(gain, words, tone):
    said = report.in_words(evaluation(gain))
    match = [one for one in said if words in one["text"]]
    assert len(match) == 1
    assert match[0]["tone"] == tone


def test_the_words_name_a_shortcut_in_the_background():
    good = " ".join(one["text"] for one in report.in_words(evaluation()))
    assert "no shortcut shows" in good
    bad = " ".join(one["text"] for one in report.in_words(evaluation(control=2.0)))
    assert "something other than forged pixels" in bad
    low = " ".join(one["text"] for one in report.in_words(evaluation(control=-2.0)))
    assert "works against the headline" in low


def test_without_protocol_c_the_report_says_that_there_is_no_honest_figure():
    nothing = {**evaluation(), "protocols": {}, "baselines": {}, "where": {}, "elsewhere": []}
    assert "no honest image-level figure" in report.in_words(nothing)[0]["text"]
    assert "no honest image-level figure" in report.render(nothing, {})


def test_writing_gives_page_json_and_curves(tmp_path):
    found = evaluation()
    report.write(tmp_path, found, {"worst": [picture()]})
    assert json.loads((tmp_path / "figures.json").read_text())["notes"] == found["notes"]
    assert (tmp_path / "C_roc.csv").read_text().startswith("fpr,tpr")
    assert (tmp_path / "report.html").stat().st_size < 2_000_000
    assert not list(tmp_path.glob("*.partial"))


def test_curves_of_an_evaluation_before_do_not_stay(tmp_path):
    report.write(tmp_path, evaluation())
    found = evaluation()
    del found["protocols"]["C"]
    report.write(tmp_path, found)
    assert (tmp_path / "B_roc.csv").is_file()
    assert not list(tmp_path.glob("C_*.csv"))


def test_decisions_are_counted_in_the_page_and_in_the_metrics(page):
    counts = evaluation()["protocols"]["C"]["confusion"]
    assert report.values(evaluation())["C"].items() >= counts.items()
    row = page[page.index("<h2>Decisions") :]
    row = row[row.index('<th scope="row">C</th>') :][:200]
    assert re.findall(r"<td>(\d+)</td>", row)[:2] == [
        str(counts["true_positives"]), str(counts["false_negatives"])
    ]  # fmt: skip


def test_only_the_demo_itself_has_the_terms_of_the_demo():
    assert "generated by this project" in model_card.licence_of("demo")
    assert model_card.licence_of("https://example.org/democracy-photos.zip") is None
    assert model_card.licence_of("/data/demo") is None


def test_the_card_has_the_reports_figures_and_its_limits():
    detector = {
        "name": "blocks",
        "network": "blocks",
        "features": ["residual"],
        "calibration": {"t_lo": 0.2, "t_hi": 0.8, "chosen_on": "40 validation images"},
        "training": {"epochs": 3},
    }
    terms = model_card.licence_of("../shared/data/casia1")
    card = model_card.render(detector, evaluation(), {"name": "CASIA 1.0", "licence": terms})
    auc = evaluation()["protocols"]["C"]["metrics"]["auc"]["value"]
    assert f"| {auc:.2f} (" in card
    for text in ("research and teaching only", "Intended use", "equal priors", "0.800", "Not for"):
        assert text in card
    assert "It beats boosted trees" in card
    assert "has not been evaluated" in model_card.render(detector, None)


def test_the_terms_of_photographs_are_stated_only_where_they_are_known():
    known = model_card.of_release(["a", "b"], ["a", "b", "c"])
    assert "CC0" in known["licence"]
    assert known["images"] == 2
    assert "licence" not in model_card.of_release(["a", "z"], ["a", "b", "c"])
