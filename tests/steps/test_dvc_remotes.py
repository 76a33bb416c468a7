"""Data and model travel through every kind of remote into an empty clone, which then serves."""

import base64
import http.server
import threading

import pytest
import requests
import yaml

from tests.conftest import encoded, picture, training_manifest, write_detector
from tests.steps.conftest import Clone, make_clone
from tests.steps.tracking.tracking_server import BUCKET, object_store
from tests.webui.servers import free_port, process

pytestmark = pytest.mark.slow

TOKEN = "token"


@pytest.fixture(scope="module")
def stocked(tmp_path_factory, empty_store):
    """A clone whose stages have outputs, recorded in dvc.lock as if they had run."""
    clone = make_clone(tmp_path_factory.mktemp("stocked") / "clone", empty_store)
    stages = yaml.safe_load((clone.root / "dvc.yaml").read_text())["stages"]
    for stage in stages.values():
        for output in (*stage["outs"], *stage.get("metrics", [])):
            path = clone.root / (output if isinstance(output, str) else next(iter(output)))
            if path.suffix:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("{}" if path.suffix == ".json" else f"content of {path.name}")
            else:
                path.mkdir(parents=True)
                (path / "file").write_text(f"content of {path.name}")
    write_detector(clone.root / "models/detector", weight=2.0)
    training_manifest("ani00001").to_parquet(
        clone.root / "models/detector/training_manifest.parquet"
    )
    clone.run("dvc", "commit", "--force", "--quiet", *stages)
    clone.run("git", "add", "dvc.lock")
    clone.run("git", "-c", "user.name=t", "-c", "user.email=t@example.invalid",
              "commit", "-qm", "outputs")  # fmt: skip
    return clone


class Storage(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted, as DagsHub does: basic authentication, user and token."""

    def answer(self):
        expected = "Basic " + base64.b64encode(f"me:{TOKEN}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            self.reply(401)
        elif self.command in ("POST", "PUT"):
            self.server.kept[self.path] = self.body()
            self.reply(200)
        elif self.path in self.server.kept:
            self.reply(200, self.server.kept[self.path])
        else:
            self.reply(404)

    def body(self):
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def reply(self, status, content=b""):
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *arguments):
        """Say nothing of single requests."""


for method in ("GET", "HEAD", "POST", "PUT"):
    setattr(Storage, f"do_{method}", Storage.answer)


@pytest.fixture
def http_storage():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Storage) as server:
        server.kept = {}
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/me/repo.dvc"
        server.shutdown()


@pytest.fixture(params=["local", "s3", "http"])
def remote(request, tmp_path):
    """Commands that set the remote up, and the environment that they and DVC need."""
    add = ("dvc", "remote", "add", "--quiet", "--force", "--default", "there")
    if request.param == "local":
        yield [(*add, str(tmp_path / "storage"))], {}
    elif request.param == "s3":
        with object_store(tmp_path) as environment:
            yield [(*add, f"s3://{BUCKET}/dvc")], environment
    else:
        url = request.getfixturevalue("http_storage")
        local = ("dvc", "remote", "modify", "--local", "there")
        settings = [(*local, "auth", "basic"), (*local, "user", "me"), (*local, "password", TOKEN)]
        yield [(*add, url), *settings], {}


def test_an_empty_clone_pulls_and_serves_without_training(stocked, remote, tmp_path):
    commands, environment = remote
    empty = Clone(tmp_path / "empty")
    stocked.run("git", "clone", "-q", str(stocked.root), str(empty.root))
    for clone in (stocked, empty):
        for command in commands:
            clone.run(*command, **environment)
    stocked.run("dvc", "push", "-q", **environment)
    empty.run("dvc", "pull", "-q", **environment)
    for name in ("models/detector/network.onnx", "data/manifest.parquet", "runs/train.json"):
        assert (empty.root / name).read_bytes() == (stocked.root / name).read_bytes()
    if "storage" in str(commands):
        check_served(empty, tmp_path / "log")


def check_served(clone, log):
    """`make serve` as the README says, but with this test's own environment."""
    (clone.root / "runs/train.json").write_text('{"run_id": "0"}')
    port, scoring_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["env", f"--chdir={clone.root}", "python", "-m", "steps", "serve",
               "--port", str(port), "--scoring_port", str(scoring_port)]  # fmt: skip
    with process(command, f"{url}/readyz", log, **clone.environment):
        files = {"file": ("picture.jpg", encoded(picture()))}
        answer = requests.post(f"{url}/predict", files=files, timeout=60)
        assert answer.ok, answer.text
        assert requests.get(f"{url}/version", timeout=10).json()["model_version"] == (
            "forgery-detector/1"
        )
