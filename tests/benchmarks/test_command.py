import json
import shutil

import pytest

from benchmarks.__main__ import main


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["benchmarks", *map(str, arguments)])
    return main()


@pytest.mark.parametrize("part", ["servers", "footprint"])
def test_without_wrk_the_report_of_the_other_parts_is_written(monkeypatch, tmp_path, capsys, part):
    (tmp_path / "git").symlink_to(shutil.which("git"))
    monkeypatch.setenv("PATH", str(tmp_path))
    report = tmp_path / "bench.json"
    assert run(monkeypatch, part, "--report", report) == 2
    assert capsys.readouterr().err == (
        f"{part}: the load generator wrk is not installed; "
        "on Debian and Ubuntu: apt-get install wrk\n"
    )
    written = json.loads(report.read_text("utf-8"))
    assert written[part] is None
    assert written["machine"]["cpus"] >= 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["speed"], "there is no part 'speed'; allowed: bare, servers"),
        (["--seconds", "0"], "argument --seconds: got '0'; allowed: whole numbers above 0"),
        (["--servers", "page"], "--servers: page asks scoring, which has to be named too"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(monkeypatch, capsys, arguments, said):
    with pytest.raises(SystemExit, match="2"):
        run(monkeypatch, *arguments)
    assert said in capsys.readouterr().err
