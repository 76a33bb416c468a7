import csv
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from forgery.client import Client, ClientError
from forgery.command import main
from tests.webui.pictures import picture
from tests.webui.servers import free_port
from webui.application import create_app
from webui.settings import Settings


@pytest.fixture(scope="module")
def front_end(settings: Settings) -> Iterator[str]:
    """The URL of the application on a real port."""
    server = make_server("127.0.0.1", 0, create_app(settings), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "dark.jpg").write_bytes(picture(20))
    (tmp_path / "deep" / "bright.PNG").write_bytes(picture(240, "PNG"))
    (tmp_path / "notes.txt").write_text("not searched for")
    return tmp_path


def forgery(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_scan_searches_folders_and_exits_with_1_when_something_is_forged(scoring_server, folder):
    result = forgery("scan", folder, "--url", scoring_server)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("authentic")
    assert lines[1].startswith("forged")
    assert "2 files: 1 forged, 0 inconclusive, 1 authentic, 0 not scored" in result.stderr


def test_scan_exits_with_0_when_nothing_is_forged(scoring_server, folder):
    assert forgery("scan", folder / "dark.jpg", "--url", scoring_server).exit_code == 0
    changed = forgery("scan", folder / "dark.jpg", "--threshold", 0.01, "--url", scoring_server)
    assert changed.exit_code == 1


def test_scan_exits_with_2_for_a_bad_file_and_still_scores_the_others(scoring_server, folder):
    (folder / "a.jpg").write_text("no picture")
    result = forgery("scan", "--json", folder, "--url", scoring_server)
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


def test_without_a_server_there_is_one_sentence_and_no_traceback(folder):
    result = forgery("scan", folder, "--url", f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 2
    assert result.stderr.strip() == "Error: The scoring server cannot be reached."


def test_a_folder_without_pictures_is_a_failure_with_one_sentence(tmp_path):
    (tmp_path / "photo.heic").write_bytes(b"?")
    (tmp_path / "folder.jpg").mkdir()
    result = forgery("scan", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: There is no picture; folders are searched for .bmp,")


def test_an_answer_that_fails_in_the_middle_is_a_row_and_the_scan_goes_on(
    scoring_server, folder, monkeypatch
):
    def score(self, images, *rest):
        if images == [(folder / "b.jpg").read_bytes()]:
            raise ClientError("The scoring server is busy.", "scoring_server_busy", 503)
        return honest(self, images, *rest)

    honest = Client.score
    (folder / "b.jpg").write_bytes(picture(30))
    monkeypatch.setattr(Client, "score", score)
    result = forgery("scan", "--json", folder, "--url", scoring_server)
    assert result.exit_code == 2
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["verdict"] for row in rows] == [None, "authentic", "forged"]
    assert rows[0]["error"] == "scoring_server_busy: The scoring server is busy."


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), 130), (RuntimeError("odd"), 2), (BrokenPipeError(), 2)],
)
def test_no_failure_looks_like_a_forgery(folder, monkeypatch, error, status):
    def fail(*_):
        raise error

    monkeypatch.setattr(Client, "score", fail)
    result = forgery("scan", "--html", folder)
    assert result.exit_code == status
    assert result.stderr == ("Error: RuntimeError: odd\n" if status == 2 and error.args else "")


@pytest.mark.parametrize("layout", ["--json", "--csv", "--html"])
def test_a_name_that_is_no_utf_8_is_shown_with_replacements(scoring_server, tmp_path, layout):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/dark\xff.jpg"))
    path.write_bytes(picture(20))
    result = forgery("scan", layout, tmp_path, "--url", scoring_server)
    assert result.exit_code == 0
    shown = json.loads(result.stdout)["path"] if layout == "--json" else result.stdout
    assert "dark\ufffd.jpg" in shown


def test_sizes_are_for_the_server_to_judge(front_end, tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture(20) + bytes(5 * 2**20))
    result = forgery("scan", "--json", tmp_path, "--url", front_end)
    assert json.loads(result.stdout)["error"] == "too_large: A request may hold at most 4 MiB."


def test_report_writes_a_pdf_beside_the_picture(front_end, folder):
    result = forgery("report", folder / "dark.jpg", "--url", front_end)
    assert result.exit_code == 0
    assert (folder / "dark-report.pdf").read_bytes().startswith(b"%PDF-")


def test_report_on_a_bad_file_says_why(front_end, folder):
    result = forgery("report", folder / "notes.txt", "--url", front_end)
    assert result.exit_code == 2
    assert "not a picture" in result.stderr
    assert not (folder / "notes-report.pdf").exists()


def test_serve_refuses_a_bad_setting(monkeypatch):
    monkeypatch.setenv("MAX_FILES", "many")
    result = forgery("serve", "--port", 8099)
    assert result.exit_code == 2
    assert "MAX_FILES is 'many'" in result.stderr


def test_the_client_gives_typed_answers(front_end):
    client = Client(front_end)
    assert [r.verdict for r in client.score([picture(20), b"?"])] == ["authentic", None]
    analysis = client.analyze("a.jpg", picture(240))
    assert analysis.record.verdict == "forged"
    assert analysis.evidence.facts.format == "JPEG"
    with pytest.raises(ClientError, match="not a picture") as refusal:
        client.analyze("a.jpg", b"hello")
    assert refusal.value.code == "not_an_image"


def test_the_command_needs_none_of_the_heavy_packages():
    code = "import sys, forgery.command, webui.application; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    for name in ("tensorflow", "onnxruntime", "mlflow", "pandas", "forgery_lab", "steps"):
        assert name not in modules
