"""The regression gate: what costs over 15 % more than the baseline is named."""

import json
import sys

import pytest

from benchmarks import check
from benchmarks.__main__ import Report, Servers
from benchmarks.bare import Measurement
from benchmarks.machine import Machine
from benchmarks.servers import FASTAPI, PAGE
from tests.benchmarks.test_targets import row

DECODE, PREDICT = (
    "decode, 384x256, in JPEG saves",
    "page /predict 384×256 kept, 1 clients, in answers of fastapi",
)


def report(jpeg_saves=2.0, answers=50):
    rows = [row(PAGE, "/predict", answers=answers), row(FASTAPI, "/predict", answers=100)]
    return Report(
        machine=Machine.here(),
        bare=[Measurement("decode", "384x256", 1.0, jpeg_saves)],
        servers=Servers(seconds=1, turns=1, workers=2, rows=rows, left_out={}, targets=[]),
    )


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the command on a report, with a baseline of its own."""

    def called(written, *options):
        path = tmp_path / "bench.json"
        path.write_text(written.model_dump_json() if written else "{}", "utf-8")
        baseline = tmp_path / "baseline.json"
        given = ["--report", str(path), "--baseline", str(baseline), *options]
        monkeypatch.setattr(sys, "argv", ["check", *given])
        return check.main()

    return called


def test_ratios_are_costs():
    assert dict(check.ratios(report())) == {DECODE: 2.0, PREDICT: pytest.approx(2.0)}


@pytest.mark.parametrize(
    ("jpeg_saves", "answers", "named"),
    [(2.29, 50, None), (2.31, 50, DECODE), (2.0, 44, None), (2.0, 43, PREDICT), (1.0, 90, None)],
)
def test_what_costs_over_fifteen_percent_more_is_named(run, capsys, jpeg_saves, answers, named):
    assert run(report(), "--write") == 0
    assert run(report(jpeg_saves, answers)) == int(named is not None)
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == (
        [named] if named else []
    )


def test_without_a_report_or_a_common_ratio_it_says_so(run, capsys, tmp_path):
    assert run(None) == 2
    assert "no report of `python -m benchmarks`" in capsys.readouterr().err
    (tmp_path / "baseline.json").write_text(json.dumps({"another": 1.0}))
    assert run(report()) == 2
    assert "has none of the ratios" in capsys.readouterr().err


def test_the_baseline_of_the_repository_has_ratios_that_are_still_measured():
    baseline = check.RATIOS.validate_json(check.BASELINE.read_bytes())
    assert any(name.startswith("decode to verdict with map, 384x256") for name in baseline)
    assert all(value > 0 for value in baseline.values())
