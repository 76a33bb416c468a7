"""`forgery doctor` and `forgery history` on a store of their own."""

import http.server
import threading

import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from forgery.command import main
from steps.operations import doctor
from steps.registry.model_registry import CHAMPION, STAGE_TAG, Registry
from tests.stores import copy_store, tracking


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """The doctor is in a hurry; other tests are not."""
    for name in doctor.QUICK:
        monkeypatch.setenv(name, "")


@pytest.fixture
def registry(tmp_path, monkeypatch, empty_store):
    uri = copy_store(empty_store, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "e")
    with tracking(uri):
        MlflowClient().create_experiment("e", artifact_location=tmp_path.as_uri())
        registry = Registry("forgery-detector")
        for _ in range(2):
            registry.create(f"{tmp_path.as_uri()}/nowhere", None, {})
        yield registry


def forgery(*arguments):
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    return result.exit_code, result.output


def test_history_says_who_when_why_and_with_which_figures(registry):
    registry.move(registry.by_number(1), "Production", {"by": "ann", "action": "promote"})
    figures = {"champion.AUC": 0.7, "challenger.AUC": 0.81}
    registry.move(registry.by_number(2), "Production", {"by": "bob", "figures": figures})
    registry.move(registry.by_number(1), "Production", {"action": "rollback", "reason": "alarms"})
    lines = forgery("history")[1].splitlines()
    assert "ann         promote  version 1 to Production" in lines[0]
    assert lines[1].endswith("version 2 to Production, after version 1, AUC 0.81 against 0.7")
    assert lines[2].endswith("rollback version 1 to Production, after version 2: alarms")


def test_the_doctor_tells_drift_and_lost_artefacts_and_repairs_what_it_can(registry):
    registry.move(registry.by_number(1), "Production", {})
    registry.tag(registry.by_number(2), {STAGE_TAG: "Production"})
    status, said = forgery("doctor")
    assert status == 1
    assert "FAIL  registry    version 2 is marked None and Production" in said
    assert "→ run `forgery doctor --repair`" in said
    assert "FAIL  champion    version 1 cannot be read" in said
    assert "ok    artefacts   logged and read back" in said
    assert "ok    registry    repaired: version 2" in forgery("doctor", "--repair")[1]
    assert "ok    registry    aliases, tags and stages agree" in forgery("doctor")[1]
    registry.client.delete_model_version(registry.name, "1")
    assert registry.by_alias(CHAMPION) is None
    assert "FAIL  champion    forgery-detector has none" in forgery("doctor")[1]


class Refusing(http.server.BaseHTTPRequestHandler):
    """Answers every request with the status in its path."""

    def do_GET(self):
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        """Say nothing of single requests."""


@pytest.mark.parametrize(
    ("status", "said"), [("404", "answers"), ("401", "401"), ("down", "Cannot connect")]
)
def test_a_dvc_remote_over_http_is_sound_where_it_answers_for_an_object(
    status, said, tmp_path, monkeypatch
):
    monkeypatch.setattr(doctor, "PROJECT_ROOT", tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        port = 9 if status == "down" else server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / ".dvc").mkdir()
        config = (
            f"[core]\nno_scm = true\n['remote \"r\"']\nurl = http://127.0.0.1:{port}/{status}\n"
        )
        (tmp_path / ".dvc/config").write_text(config)
        (finding,) = doctor.dvc_remotes()
        server.shutdown()
    assert finding.is_sound == (status == "404")
    assert said in finding.result


def test_a_server_that_is_down_is_told(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with tracking("http://127.0.0.1:9"):
        status, said = forgery("doctor")
    assert status == 1
    assert "FAIL  tracking    http://127.0.0.1:9" in said
    assert "→ check that MLFLOW_TRACKING_URI is right and the server is up" in said
