"""`tools/live-check` against what stands in for the services of others."""

import http.server
import io
import json
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.engine import ROOT
from tests.steps.tracking.tracking_server import (
    BUCKET,
    PASSWORD,
    USER,
    mlflow_server,
    object_store,
)

PROGRAM = ROOT / "tools" / "live-check"
WORKFLOWS = ROOT / ".github" / "workflows"
KAGGLE_PORT = 7777
"""Of Kaggle's client where KAGGLE_API_ENVIRONMENT is TEST."""


def live_check(
    *services: str, program: Path = PROGRAM, **environment: str
) -> tuple[int, list[str], str]:
    """Return the exit status, the lines that were said, and the errors."""
    done = subprocess.run(
        [sys.executable, program, *services],
        env={"PATH": str(Path(sys.executable).parent), "HOME": str(ROOT.parent), **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with object_store(tmp_path_factory.mktemp("store")) as environment:
        yield environment


class Remote(http.server.BaseHTTPRequestHandler):
    """GitHub's and Kaggle's APIs, as far as they are asked."""

    secrets: tuple[str, ...] = ()

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        body, kind = b"{}", "application/json"
        if path.endswith("/DownloadDataset"):
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                for folder in ("Au", "Tp"):
                    archive.writestr(f"{folder}/a.jpg", b"picture")
            body, kind = packed.getvalue(), "application/zip"
        elif path.endswith("/GetDataset"):
            body = json.dumps({"currentVersionNumber": 1}).encode()
        elif "Bearer right" not in self.headers.get("Authorization", ""):
            self.send_error(401)
            return
        elif path.endswith("/workflows"):
            names = [each.name for each in WORKFLOWS.glob("*.yml")]
            body = json.dumps({"workflows": [
                {"path": f".github/workflows/{name}", "state": "active"} for name in names
            ]}).encode()  # fmt: skip
        elif path.endswith("/runs"):
            last = [] if "/retrain.yml/" in path else [{"conclusion": "success"}]
            body = json.dumps({"workflow_runs": last}).encode()
        elif path.endswith("/environments"):
            names = ["production", "training", "pypi"]
            body = json.dumps({"environments": [{"name": name} for name in names]}).encode()
        else:
            kind_of_name = path.rpartition("/")[2]
            names = self.secrets if kind_of_name == "secrets" else ()
            body = json.dumps({kind_of_name: [{"name": name} for name in names]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 the names of http.server

    def log_message(self, *arguments: object) -> None:
        """Say nothing of single requests."""


@pytest.fixture
def remote() -> Iterator[str]:
    class Server(http.server.ThreadingHTTPServer):
        allow_reuse_address = True

    with Server(("127.0.0.1", KAGGLE_PORT), Remote) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{KAGGLE_PORT}"
        server.shutdown()


@pytest.mark.slow
def test_a_server_with_passwords_keeps_a_run_and_a_registered_model(
    tmp_path: Path, store: dict[str, str]
) -> None:
    with mlflow_server(tmp_path, f"sqlite:///{tmp_path}/mlflow.db", store) as uri:
        known = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_TRACKING_USERNAME": USER}
        status, said, _ = live_check("tracking", MLFLOW_TRACKING_PASSWORD=PASSWORD, **known)
        assert status == 0, said
        assert [line.partition(": ")[2] for line in said] == [
            "a run, a metric and an artefact logged", "both read back",
            "a version registered, and loaded by its alias", "all removed again",
        ]  # fmt: skip
        status, said, _ = live_check("tracking", MLFLOW_TRACKING_PASSWORD="wrong", **known)
        assert status == 1
        assert said[0].startswith("FAIL  tracking: MlflowException: ")
    status, said, _ = live_check("tracking")
    assert (status, said) == (1, ["FAIL  tracking: FailedError: MLFLOW_TRACKING_URI is not set"])


def test_a_bucket_takes_files_and_a_prediction_log(store: dict[str, str]) -> None:
    status, said, _ = live_check(f"s3://{BUCKET}/some/where", **store)
    assert status == 0, said
    assert len(said) == 3
    assert said[1].endswith("a prediction log written, and read as `monitor` reads it")
    status, said, _ = live_check("s3://no-such-bucket/where", **store)
    assert status == 1
    assert "no-such-bucket" in said[0]


def test_a_file_goes_through_the_remote_of_this_clone(tmp_path: Path, store: dict) -> None:
    (tmp_path / "tools").mkdir()
    program = Path(shutil.copy(PROGRAM, tmp_path / "tools"))
    (tmp_path / ".dvc").mkdir()
    settings = f"[core]\n    remote = there\n['remote \"there\"']\n    url = s3://{BUCKET}/dvc\n"
    (tmp_path / ".dvc" / "config").write_text(settings)
    status, said, _ = live_check("dvc", program=program, **store)
    assert status == 0, said
    assert said[1].startswith("ok    dvc: and pulled")
    (tmp_path / ".dvc" / "config").write_text(settings.replace(BUCKET, "no-such-bucket"))
    status, said, _ = live_check("dvc", program=program, **store)
    assert status == 1
    assert said[0].startswith("FAIL  dvc: FailedError: dvc push: ")


@pytest.mark.usefixtures("remote")
def test_a_data_set_comes_through_kaggles_own_client() -> None:
    known = {"KAGGLE_USERNAME": "u", "KAGGLE_KEY": "k", "KAGGLE_API_ENVIRONMENT": "TEST"}
    status, said, _ = live_check("kaggle:owner/name", **known)
    # Elsewhere than at Kaggle, the client also prints what it sends and receives.
    assert (status, said[-1]) == (0, "ok    kaggle:owner/name: 2 files downloaded")


def test_what_the_workflows_need_is_read_from_github(
    remote: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Remote, "secrets", ("MLFLOW_TRACKING_USERNAME",))
    status, said, _ = live_check("github:a/b", GITHUB_API_URL=remote, GITHUB_TOKEN="right")
    assert status == 0, said
    assert "ok    github:a/b: retrain.yml is active, no run" in said
    assert "ok    github:a/b: ci.yml is active, its last run: success" in said
    assert "ok    github:a/b: environments: production, pypi, training" in said
    assert re.search(r"secrets: 1 of \d+ set; not set: .*MLFLOW_TRACKING_PASSWORD", said[-1])
    status, said, _ = live_check("github:a/b", GITHUB_API_URL=remote, GITHUB_TOKEN="wrong")
    assert status == 1
    assert "HTTP 401" in said[0]
    assert live_check("github:a/b")[1] == ["FAIL  github:a/b: FailedError: GITHUB_TOKEN is not set"]


@pytest.mark.usefixtures("stack")
def test_the_stack_its_registry_and_its_server_are_asked(cloud: dict[str, str]) -> None:
    status, said, _ = live_check("aws:forgery", **cloud)
    passed = [line.partition(": ")[2] for line in said]
    assert passed[1] == "the stack is CREATE_COMPLETE, with all outputs"
    assert passed[2].startswith("the registry gives a login")
    assert passed[3:5] == ["the server runs", "the document for roll-outs is there"]
    # moto has no agents, and fails where it is asked for them.
    assert status == 1
    assert "calling the DescribeInstanceInformation operation" in said[-1]
    status, said, _ = live_check("aws:other", **cloud)
    assert status == 1
    assert "Stack with id other does not exist" in said[-1]


@pytest.mark.parametrize("service", ["dagshub", "s3://bucket", "github:name", "aws:", "kaggle:a"])
def test_other_services_are_refused_before_anything_runs(service: str) -> None:
    status, said, errors = live_check("tracking", service)
    assert (status, said) == (2, [])
    assert f"'{service}'; allowed: tracking, dvc, s3://BUCKET/PREFIX" in errors
