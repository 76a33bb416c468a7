import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from forgery.client import Client, ClientError
from forgery.scoring import LocalScorer
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.command.runner import forgery
from tests.forgery.evidence.scenes import scene, with_exif
from tests.forgery.evidence.signing import signer
from tests.webui.pictures import picture
from tests.webui.servers import free_port


def test_scan_searches_folders_and_exits_with_1_when_something_is_forged(scoring_server, folder):
    result = forgery("scan", folder, "--url", scoring_server)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("authentic")
    assert lines[1].startswith("forged")
    assert result.stderr == (
        "2 files: 1 forged, 0 inconclusive, 1 authentic, 0 not scored; "
        "1 file that is no picture was left out\n"
    )


def test_scan_exits_with_0_when_nothing_is_forged(scoring_server, folder):
    assert forgery("scan", folder / "dark.jpg", "--url", scoring_server).exit_code == 0
    changed = forgery("scan", folder / "dark.jpg", "--threshold", 0.01, "--url", scoring_server)
    assert changed.exit_code == 1


def test_scan_exits_with_2_for_a_bad_file_and_still_scores_the_others(scoring_server, folder):
    (folder / "a.jpg").write_text("no picture")
    result = forgery("scan", "--jsonl", folder, "--url", scoring_server)
    assert result.exit_code == 2
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["verdict"] for row in rows] == [None, "authentic", "forged"]
    assert rows[0]["error"].startswith("not_an_image: ")


def test_scan_writes_csv_and_html(scoring_server, folder):
    (folder / "<b>.jpg").write_bytes(picture(20))
    table = forgery("scan", "--csv", folder, "--url", scoring_server).stdout
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [row["verdict"] for row in rows] == ["authentic", "authentic", "forged"]
    page = forgery("scan", "--html", folder, "--url", scoring_server).stdout
    assert "&lt;b&gt;.jpg" in page
    assert "<b>.jpg" not in page
    assert "http" not in page


def test_scan_tells_why_where_it_is_asked(scoring_server, folder):
    bright = folder / "deep" / "bright.PNG"
    told = json.loads(
        forgery("scan", "--jsonl", "--explain", bright, "--url", scoring_server).stdout
    )
    assert told["explanation"]["contributions"][0]["family"] == "residual"
    plain = json.loads(forgery("scan", "--jsonl", bright, "--url", scoring_server).stdout)
    assert plain["explanation"] is None
    lines = forgery("scan", "--explain", folder, "--url", scoring_server).stdout.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["authentic", "forged", "Mainly"]
    page = forgery("scan", "--html", "--explain", folder, "--url", scoring_server).stdout
    assert f"<p>{lines[2].strip()}</p>" in page
    table = forgery("scan", "--csv", "--explain", bright, "--url", scoring_server).stdout
    (row,) = csv.DictReader(io.StringIO(table))
    assert json.loads(row["explanation"]) == told["explanation"]


def test_without_a_server_there_is_one_sentence_and_no_traceback(folder):
    result = forgery("scan", folder, "--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 2
    assert result.stderr.strip() == "Error: The scoring server cannot be reached."


def test_a_folder_without_pictures_is_a_failure_with_one_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "folder.jpg").mkdir()
    result = forgery("scan", tmp_path)
    assert result.exit_code == 2
    assert result.stderr == ("Error: No pictures found; 1 file that is no picture was left out.\n")


def test_an_answer_that_fails_in_the_middle_is_a_row_and_the_scan_goes_on(
    scoring_server, folder, monkeypatch
):
    def score(self, images, *rest, **more):
        if images == [(folder / "b.jpg").read_bytes()]:
            raise ClientError("The scoring server is busy.", "scoring_server_busy", 503)
        return honest(self, images, *rest, **more)

    honest = Client.score
    (folder / "b.jpg").write_bytes(picture(30))
    monkeypatch.setattr(Client, "score", score)
    result = forgery("scan", "--jsonl", folder, "--url", scoring_server)
    assert result.exit_code == 2
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["verdict"] for row in rows] == [None, "authentic", "forged"]
    assert rows[0]["error"] == "scoring_server_busy: The scoring server is busy."


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "Interrupted after 0 files: "),
        (RuntimeError("odd"), 2, "Error: RuntimeError: odd\n"),
    ],
)
@pytest.mark.parametrize("scorer", [Client, LocalScorer])
def test_no_failure_looks_like_a_forgery(folder, monkeypatch, error, status, said, scorer):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(scorer, "score", fail)
    url = ("--url", "http://127.0.0.1:9") if scorer is Client else ()
    result = forgery("scan", "--html", folder, *url)
    assert result.exit_code == status
    assert result.stderr.startswith(said)


@pytest.mark.parametrize("layout", ["--jsonl", "--csv", "--html"])
def test_a_name_that_is_no_utf_8_is_shown_with_replacements(scoring_server, tmp_path, layout):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/dark\xff.jpg"))
    path.write_bytes(picture(20))
    result = forgery("scan", layout, tmp_path, "--url", scoring_server)
    assert result.exit_code == 0
    shown = json.loads(result.stdout)["path"] if layout == "--jsonl" else result.stdout
    assert "dark\ufffd.jpg" in shown


def test_sizes_are_for_the_server_to_judge(front_end, tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture(20) + bytes(5 * 2**20))
    result = forgery("scan", "--jsonl", tmp_path, "--url", front_end)
    assert (
        json.loads(result.stdout)["error"] == "too_large: A request may be at most 4 MiB in size."
    )


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A photograph, a file that is none and a picture that is too small for the method."""
    (tmp_path / "a.jpg").write_bytes(encode(scene(256, 384), quality=90))
    (tmp_path / "b.jpg").write_text("no picture")
    (tmp_path / "c.png").write_bytes(picture(90, "PNG", 40, 40))
    return tmp_path


def test_without_a_url_the_shipped_detector_answers_in_this_process(photographs, monkeypatch):
    monkeypatch.setattr(Client, "score", None)
    monkeypatch.setenv("FORGERY_URL", "")
    result = forgery("scan", "--jsonl", photographs)
    assert result.exit_code == 2
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["verdict"] for row in rows] == ["authentic", None, "inconclusive"]
    assert rows[0]["model_version"].startswith("release-")
    assert rows[1]["error"].startswith("not_an_image: ")
    assert forgery("scan", photographs / "a.jpg").exit_code == 0
    assert forgery("scan", "--threshold", 0, photographs / "a.jpg").exit_code == 1


def test_a_url_in_the_environment_asks_that_server(scoring_server, folder, monkeypatch):
    monkeypatch.setenv("FORGERY_URL", scoring_server)
    row = json.loads(forgery("scan", "--jsonl", folder / "dark.jpg").stdout)
    assert row["model_version"] == "stand-in/1"


MODULES_AFTER = """
import sys
from forgery.command import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules)
"""


def test_scoring_in_this_process_imports_what_it_needs_and_no_more(photographs):
    command = [sys.executable, "-c", MODULES_AFTER, "scan", photographs / "a.jpg"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1].split()
    assert "onnxruntime" in modules
    for name in ("mlflow", "tensorflow", "pandas", "pydantic", "requests", "jinja2", "reportlab"):
        assert name not in modules
    assert not {"webui", "steps", "forgery_lab", "flask"} & set(modules)


def test_what_a_file_states_of_its_origin_is_beside_the_verdict(tmp_path):
    signed = signer("Anna").sign(with_exif(scene(96, 96), b""), "trainedAlgorithmicMedia")
    (tmp_path / "signed.jpg").write_bytes(signed)
    (tmp_path / "broken.jpg").write_bytes(signed[:200])
    listed = json.loads(forgery("scan", tmp_path, "--json").stdout)
    broken, found = listed
    assert found["content_credentials"]["state"] == "untrusted"
    assert found["content_credentials"]["signer"] == "Anna (Example)"
    assert found["findings"][0]["code"] == "ai_generated"
    assert (broken["content_credentials"], broken["findings"]) == (None, [])
    table = list(csv.DictReader(io.StringIO(forgery("scan", tmp_path, "--csv").stdout)))
    assert [row["content_credentials"] for row in table] == ["", "untrusted"]
    assert table[1]["findings"].split()[0] == "ai_generated"
    text = forgery("scan", tmp_path).stdout
    assert "not on the trust list" in text
    assert "generated by AI" in text
