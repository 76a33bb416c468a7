"""The development panel on a few generated photographs, with the shipped detector."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from benchmarks.panel import __main__ as panel
from benchmarks.panel import figures, pictures
from forgery import SHIPPED
from forgery_lab.forgeries import scenes
from tests.conftest import encoded


@pytest.fixture
def folders(tmp_path):
    """Two camera originals, two photographs of the web and one drawing."""
    rng = np.random.default_rng(0)
    for folder, number in (("camera", 2), ("web", 2)):
        (tmp_path / folder).mkdir()
        for index in range(number):
            data = encoded(scenes.render("nat", rng, 192, 256), quality=92)
            (tmp_path / folder / f"{index}.jpg").write_bytes(data)
    (tmp_path / "drawings").mkdir()
    flat = np.full((128, 128, 3), 255, np.uint8)
    (tmp_path / "drawings" / "flat.png").write_bytes(encoded(flat, "PNG"))
    return tmp_path


def scores(label, probability, verdict, source=None):
    """Scores of one group as `scoring.score` gives them."""
    number = len(label)
    return pd.DataFrame(
        {
            "group": "pairs",
            "name": [str(place) for place in range(number)],
            "source": source or [str(place) for place in range(number)],
            "label": label,
            "kind": "",
            "texture": False,
            "probability": probability,
            "verdict": verdict,
            "block_auc": np.nan,
            "f1": np.nan,
            "best_f1": np.nan,
        }
    )


def by_figure(lines):
    return {line.figure: line for line in lines}


def test_a_run_measures_pairs_photographs_and_handlings(folders, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = ["--camera", folders / "camera", "--web", folders / "web"]
    given += ["--no-photographs", folders / "drawings"]
    monkeypatch.setattr(sys, "argv", ["panel", *map(str, [SHIPPED, SHIPPED, *given])])
    panel.main()
    table = capsys.readouterr().out
    report = json.loads((tmp_path / "reports/panel.json").read_text())
    groups = {line["group"]: line["pictures"] for line in report["figures"]}
    assert groups["pairs"] > 0
    assert groups["no photographs"] == 1
    assert {f"authentic, {name}" for name in pictures.HANDLINGS} <= set(groups)
    recall = next(line for line in report["figures"] if line["figure"] == "recall at t_hi")
    assert recall["pictures"] == 2 * pictures.PAIRS["camera"] + 2 * pictures.PAIRS["web"]
    assert all(line["difference"]["value"] == 0 for line in report["figures"])  # the same detector
    assert "authentic: camera" in table
    assert len((tmp_path / "reports/panel.log.jsonl").read_text().splitlines()) == 1
    every = pd.read_parquet(tmp_path / "reports/panel.parquet")
    assert len(every) == 2 * sum(groups[name] for name in groups if name != "pairs") + 4 * sum(
        2 * number for number in pictures.PAIRS.values()
    )


def test_halves_of_casia_share_no_group():
    rows = pd.DataFrame({"group": [f"group {number // 3}" for number in range(300)]})
    development, reporting = (pictures.half(rows, name) for name in pictures.HALVES)
    assert len(development) + len(reporting) == len(rows)
    assert not set(development["group"]) & set(reporting["group"])
    assert 90 < len(development) < 210


def test_a_choice_takes_every_source_in_turn():
    rows = pd.DataFrame(
        {"source": ["a"] * 50 + ["b"] * 3, "sha256": [f"{number:02}" for number in range(53)]}
    )
    assert pictures.spread(rows, 10)["source"].value_counts().to_dict() == {"a": 7, "b": 3}


def test_a_better_detector_differs_and_the_interval_says_so():
    label = [0, 1] * 40
    good = scores(label, [0.1, 0.9] * 40, ["authentic", "forged"] * 40)
    blind = scores(label, [0.5, 0.5] * 40, ["inconclusive"] * 80)
    found = by_figure(figures.lines(good, blind))
    assert found["AUC"].interval.value == 1
    assert found["AUC"].difference.value == pytest.approx(0.5)
    assert found["AUC"].difference.low > 0
    assert found["recall at t_hi"].interval.value == 1
    assert found["recall at t_hi"].difference.value == 1
    assert found["called forged"].interval.value == 0
    assert found["called forged"].interval.high > 0  # none of 40 is no proof of none


def test_a_declined_forgery_counts_as_missed():
    found = by_figure(
        figures.lines(
            scores(
                [1, 1, 0, 0], [np.nan, 0.9, 0.1, 0.2], [None, "forged", "authentic", "authentic"]
            )
        )
    )
    assert found["recall at t_hi"].interval.value == 0.5
    assert found["recall at t_hi"].pictures == 2


def test_detectors_that_saw_different_pictures_are_not_compared():
    label = [0, 1]
    one = scores(label, [0.1, 0.9], ["authentic", "forged"])
    other = one.assign(name=["0", "another"])
    with pytest.raises(ValueError, match="identical pictures"):
        figures.lines(one, other)
