"""What the service withstands: figures are kept by part, and the README's table is made of them."""

import json

import pytest

from benchmarks import trust
from benchmarks.trust import HEADING, Line, Trust, record

SEEN = Line(what="files tried", seen="2,400", to_reach="≥ 2,000")


def test_a_part_is_replaced_and_the_parts_have_one_order(tmp_path):
    path = tmp_path / "reports" / "trust.json"
    record("soak", "make soak", [SEEN], {"seconds": 60}, path)
    record("malformed", "make fuzz", [SEEN.model_copy(update={"seen": "1"})], {}, path)
    record("malformed", "make fuzz", [SEEN], {}, path)
    assert list(json.loads(path.read_bytes())["parts"]) == ["malformed", "soak"]
    row = "| files tried | 2,400 | ≥ 2,000 | `make {}` |\n"
    assert Trust.read(path).table() == HEADING + row.format("fuzz") + row.format("soak")


def test_a_bar_in_a_figure_ends_no_cell(tmp_path):
    record("soak", "make soak", [SEEN.model_copy(update={"seen": "|Δp| 0"})], {}, tmp_path / "t")
    assert r"| \|Δp\| 0 |" in Trust.read(tmp_path / "t").table()


def test_the_table_in_a_page_is_replaced_and_nothing_beside_it(tmp_path, monkeypatch, capsys):
    record("soak", "make soak", [SEEN], {}, tmp_path / "trust.json")
    page = tmp_path / "README.md"
    page.write_text(f"before\n\n{HEADING}| old | 1 | 2 | `x` |\n\nafter\n", "utf-8")
    monkeypatch.setattr(trust, "REPORT", tmp_path / "trust.json")
    monkeypatch.setattr(trust, "PAGE", page)
    monkeypatch.setattr("sys.argv", ["trust", "--write"])
    trust.main()
    table = Trust.read(tmp_path / "trust.json").table()
    assert page.read_text("utf-8") == f"before\n\n{table}\nafter\n"
    assert table in capsys.readouterr().out
    page.write_text("no table", "utf-8")
    with pytest.raises(SystemExit, match="has 0 tables"):
        trust.main()
    assert page.read_text("utf-8") == "no table"


def test_the_readme_has_the_figures_that_were_recorded():
    assert Trust.read().table() in trust.PAGE.read_text("utf-8")
