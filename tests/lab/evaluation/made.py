"""Evaluations made for tests, typed and small."""

import numpy as np

from forgery_lab.evaluation import conditions, metrics, report
from forgery_lab.evaluation.metrics import ScoredImages
from forgery_lab.evaluation.results import Evaluation


def figures_of(auc_shift, seed=0):
    """Figures of one condition, as plain values."""
    rng = np.random.default_rng(seed)
    label = np.arange(120) % 2 == 0
    scores = ScoredImages.at_threshold(
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
        "metrics": metrics.estimate([scores], 200, 0),
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
    """An estimate as plain values."""
    return {"value": value, "low": low, "high": high, "least": value, "most": value}


def evaluation(gain=(0.1, 0.05, 0.15), control=0.0, **changes):
    """An evaluation of B, C and the control with two baselines; `changes` replace its parts."""
    table = {
        name: {"title": name, "metrics": figures_of(shift)["metrics"]}
        for name, shift in (("header", 5), ("pixels", 0.5))
    }
    values = {
        "protocols": {
            "B": figures_of(3),
            "C": figures_of(1.5),
            "control": figures_of(control, seed=3),
        },
        "baselines": {"B": table, "C": table},
        "where": {
            "C": {
                "images": 60,
                **{name: {"value": 0.8, "low": 0.7, "high": 0.9} for name in report.WHERE},
            }
        },
        "left_out": [{"protocol": "A", "reason": "it was trained source-disjoint"}],
        "notes": ["one image <b> was left out"],
        "against_baseline": {"C": {**estimate(*gain), "p": 0.5}},
        "robustness": {"blur": [{"at": 0.0, **estimate(0.8, 0.7, 0.9)}]},
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
    }
    return Evaluation.from_dict({**values, **changes})


def auc_of(made):
    """The AUC under C."""
    return made.protocols[conditions.C].metrics["auc"]
