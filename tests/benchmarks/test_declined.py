"""What is declined and what is called forged, by source."""

import json
import shutil
import sys

import pandas as pd
import pytest

from benchmarks import declined
from forgery import SHIPPED
from forgery_pyfunc.detector import CLASSIFIER_FILE
from tests.conftest import encoded, write_detector
from tests.forgery.evidence.scenes import scene
from tests.pyfunc.test_picture_statistics import drawing


def test_a_run_counts_by_source(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    detector = write_detector(tmp_path / "detector")
    shutil.copy(SHIPPED / CLASSIFIER_FILE, detector)
    for name, pixels in (("seen", scene()), ("drawings", drawing())):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(encoded(pixels, "PNG"))
    given = ["--photographs", "seen", "--others", "drawings", "--workers", "1"]
    monkeypatch.setattr(sys, "argv", ["declined", str(detector), *given])
    declined.main()
    said = capsys.readouterr().out.splitlines()
    assert next(line for line in said if line.startswith("seen ")).split()[1:3] == ["1", "0"]
    assert next(line for line in said if line.startswith("drawings ")).split()[1:3] == ["1", "1"]
    rows = json.loads((tmp_path / "reports/declined.json").read_text())
    assert {row["source"] for row in rows} == {"seen", "drawings"}


def test_a_source_that_was_learnt_from_is_marked_and_counted_apart():
    rows = pd.DataFrame(
        {"source": ["a", "b"], "is_photograph": [False, False], "reason": [None, "x: y"],
         "verdict": ["forged", "inconclusive"]}
    )  # fmt: skip
    table = declined.lines(rows, {"a"})
    assert any(line.startswith("a * ") for line in table)
    assert "1   1 = 100.0% [2.5%, 100.0%]" in table[-1]
    assert table[-1].endswith("0 = 0.0% [0.0%, 97.5%]")


def test_nothing_to_look_at_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["declined", "detector"])
    with pytest.raises(SystemExit):
        declined.main()
    assert "nothing to look at" in capsys.readouterr().err
