"""The image as operators meet it: locked down, killed, stopped, and started wrongly."""

import http.client
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import pytest
import requests
import yaml
from packaging.utils import canonicalize_name

from deploy import sbom
from deploy.licences import locked
from tests.deploy.engine import (
    DOCKER,
    ROOT,
    Load,
    build,
    compose,
    container,
    docker,
    make_champion,
    status,
    wait_for,
    wait_until,
)
from tests.webui.pictures import encode
from tests.webui.servers import free_port, process

pytestmark = [pytest.mark.container, pytest.mark.timeout(600)]

CHAMPION = "models:/forgery-detector@champion"
START_SECONDS = 120  # some 8 on a machine that does nothing else
RUN_SCAN = (
    "import sys, runpy; sys.argv = ['', '/opt']; runpy.run_path('/pickles.py', {}, '__main__')"
)
PROCESSES = """
import contextlib, pathlib
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    with contextlib.suppress(OSError):  # it has ended meanwhile
        print(folder.name, (folder / "cmdline").read_bytes().replace(b"\\0", b" ").decode())
"""


@pytest.fixture(scope="module")
def service(image: str) -> Iterator[tuple[str, str]]:
    """A running container: its name and URL. With a model inside it needs no tracking server."""
    absent = ("--env", "MLFLOW_TRACKING_URI=http://127.0.0.1:9")
    with container(image, "--health-interval", "1s", *absent) as (name, url):
        seconds = wait_for(f"{url}/readyz", True, START_SECONDS)
        print(f"\nready after {seconds:.1f} s")
        yield name, url


def process_of(name: str, word: str) -> str:
    """The id, inside the container, of the first process with a word in its command, or ""."""
    lines = docker("exec", name, "python", "-c", PROCESSES).splitlines()
    ids = [line.split()[0] for line in lines if word in line and "import contextlib" not in line]
    return min(ids, key=int, default="")


def test_image_is_small_and_holds_no_tools(image: str) -> None:
    size = int(docker("image", "inspect", "--format", "{{.Size}}", image))
    print(f"\nimage: {size / 1e6:.0f} MB")
    assert size < 900e6
    python = ("run", "--rm", image, "python", "-c")
    unwanted = ("tensorflow", "keras", "pytest", "pip", "dvc", "forgery_lab", "steps")
    search = f"import importlib.util as u; print([n for n in {unwanted} if u.find_spec(n)])"
    assert docker(*python, search) == "[]"
    assert docker("run", "--rm", image, "sh", "-c", "command -v gcc cc make || true") == ""


def test_the_image_holds_no_pickle(image: str) -> None:
    """But for the grammars of lib2to3, which Python brings and nothing here loads."""
    scan = ("--volume", f"{ROOT}/tests/pickles.py:/pickles.py:ro", "--user", "0")
    folders = ("/etc", "/home", "/opt", "/root", "/srv", "/usr", "/var")
    found = docker("run", "--rm", *scan, image, "python", "-W", "ignore", "/pickles.py", *folders)
    assert [line for line in found.splitlines() if "/lib2to3/Grammar" not in line and line] == []
    plant = 'python -c \'import pickle; pickle.dump({}, open("/opt/x", "wb"))\''
    rescan = f"{plant} && python -W ignore /pickles.py /opt"
    assert docker("run", "--rm", *scan, image, "sh", "-c", rescan) == "/opt/x"


def test_the_bill_of_materials_lists_what_the_image_holds(image: str) -> None:
    bill = json.loads(sbom.written(sbom.describe(*sbom.ask(DOCKER, image))))
    addresses = {part["purl"].partition("@")[0] for part in bill["components"] if "purl" in part}
    python = {f"pkg:pypi/{canonicalize_name(name)}" for name in installed_in_image()}
    assert python <= addresses
    assert {"pkg:deb/debian/libc6", "pkg:deb/debian/base-files", "pkg:generic/cpython"} <= addresses
    assert not {"pkg:pypi/pytest", "pkg:pypi/tensorflow-cpu", "pkg:pypi/dvc"} & addresses


def installed_in_image() -> list[str]:
    return [*locked(ROOT / "requirements/serve.lock"), "forgery-detector"]


def test_compose_reads_the_file() -> None:
    command = [*compose(), "--file", ROOT / "compose.yaml", "config"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    services = yaml.safe_load(shown)["services"]
    assert services["forgery"]["read_only"]
    assert services["forgery"]["environment"]["MODEL_URI"] == CHAMPION
    assert all("127.0.0.1" in str(service["ports"]) for service in services.values()), (
        "a port is open to the network"
    )


def test_image_says_what_it_is(image: str) -> None:
    facts = json.loads(docker("image", "inspect", image))[0]["Config"]
    assert facts["User"] == "10001:10001"
    assert facts["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert facts["Healthcheck"]["Test"][0] == "CMD"


def test_scores_read_only_and_without_rights(service: tuple[str, str], request_body: dict) -> None:
    name, url = service
    answer = requests.post(f"{url}/invocations", json=request_body, timeout=30)
    assert answer.status_code == 200
    record = answer.json()["predictions"][0]
    assert (record["verdict"], record["width"]) == ("authentic", 160)
    assert docker("exec", name, "id", "-u") == "10001"
    assert "Read-only" in docker("exec", name, "touch", "/opt/model/x", check=False)


def test_serves_the_code_inside_the_model(service: tuple[str, str]) -> None:
    name, _ = service
    worker = process_of(name, "spawn_main")
    environment = docker("exec", name, "sh", "-c", f"tr '\\0' '\\n' < /proc/{worker}/environ")
    assert "PYTHONPATH=\n" in environment


def test_health_check_follows_readiness(service: tuple[str, str]) -> None:
    name, _ = service
    health = ("inspect", "--format", "{{.State.Health.Status}}", name)
    wait_until(lambda: docker(*health) == "healthy", "the container is healthy", START_SECONDS)
    with pytest.raises(AssertionError):  # nobody is there
        docker("exec", "--env", "PORT=9", name, "python", "-m", "deploy.health")


def test_memory_stays_within_a_gigabyte(service: tuple[str, str], request_body: dict) -> None:
    name, url = service
    usage = ("stats", "--no-stream", "--format", "{{.MemUsage}}", name)
    at_rest = docker(*usage)
    with Load(f"{url}/invocations", request_body) as load:
        load.more(100)
        under_load = docker(*usage)
    print(f"\nmemory: {at_rest} at rest, {under_load} after {len(load.answers)} requests")
    assert load.failed() == []
    assert "GiB" not in under_load.split("/")[0]


@pytest.mark.parametrize(
    ("word", "died", "other"),
    [
        ("gunicorn", "page was killed by SIGKILL; restart in", "mlflow models"),
        ("mlflow models", "scoring was killed by SIGKILL; restart in", "gunicorn"),
        ("uvicorn", "scoring exited with ", "gunicorn"),
    ],
    ids=["gunicorn", "mlflow models", "uvicorn"],
)
def test_a_killed_process_is_noticed_and_comes_back(
    service: tuple[str, str], request_body: dict, word: str, died: str, other: str
) -> None:
    name, url = service
    wait_for(f"{url}/readyz", True, START_SECONDS)
    killed, left_alone = process_of(name, word), process_of(name, other)
    deaths = docker("logs", name).count(died)
    with Watch(url, request_body) as watch:
        began = time.monotonic()
        docker("exec", name, "sh", "-c", f"kill -9 {killed}")
        wait_until(lambda: docker("logs", name).count(died) > deaths, f"the log says: {died}")
        wait_until(lambda: process_of(name, word) not in ("", killed), f"another {word}")
        wait_for(f"{url}/readyz", True, START_SECONDS)
        seconds = time.monotonic() - began
        watch.more(10)
    print(f"\n{word}: ready again after {seconds:.1f} s; {len(watch.rounds)} rounds")
    assert docker("logs", name).count(died) == deaths + 1
    assert process_of(name, other) == left_alone
    assert watch.untrue() == [], "ready while nobody could score"
    assert watch.relapses() == 0, watch.changes()
    if word != "gunicorn":
        assert {live for live, *_ in watch.rounds} == {200}, "the page failed with the other one"


def test_not_ready_from_the_moment_when_nobody_can_score(service: tuple[str, str]) -> None:
    name, url = service
    wait_for(f"{url}/readyz", True, START_SECONDS)
    docker("kill", "--signal", "STOP", name)  # the supervisor; nothing is started again meanwhile
    try:
        docker("exec", name, "sh", "-c", f"kill -9 -{process_of(name, 'mlflow models')}")
        assert requests.get(f"{url}/readyz", timeout=30).status_code == 503
    finally:
        docker("kill", "--signal", "CONT", name)
    wait_for(f"{url}/readyz", True, START_SECONDS)


class Watch:
    """Asks the page for `/livez`, a score, `/readyz` and a score, in rounds until left.

    A round is what the four were answered with; 0 stands for no answer.
    """

    def __init__(self, url: str, body: dict) -> None:
        self.url, self.body = url, body
        self.rounds: list[tuple[int, ...]] = []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "Watch":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()

    def _ask(self) -> None:
        while not self.ended.is_set():
            live, before = status(f"{self.url}/livez"), self._score()
            self.rounds.append((live, before, status(f"{self.url}/readyz"), self._score()))

    def _score(self) -> int:
        try:
            answer = requests.post(f"{self.url}/invocations", json=self.body, timeout=30)
        except requests.RequestException:
            return 0
        return answer.status_code

    def more(self, count: int) -> None:
        wanted = len(self.rounds) + count
        wait_until(lambda: len(self.rounds) >= wanted, f"{wanted} rounds")

    def untrue(self) -> list[tuple[int, ...]]:
        """The rounds with "ready" between two scores that both failed."""
        return [one for one in self.rounds if one[2] == 200 and 200 not in (one[1], one[3])]

    def changes(self) -> list[tuple[int, ...]]:
        """The rounds without those that were like the one before."""
        return [one for one, _ in groupby(self.rounds)]

    def relapses(self) -> int:
        """How often a score failed once another one had been answered after a failure."""
        good = [score == 200 for one in self.rounds for score in (one[1], one[3])]
        falls = sum(before and not after for before, after in pairwise(good))
        return max(0, falls - 1)


def test_sigterm_finishes_what_is_in_flight(image: str) -> None:
    picture = encode(np.zeros((128, 128, 3), np.uint8) + 99)
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    body = head + picture + b"\r\n--b--\r\n"
    request = (
        "POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with container(image) as (name, url), ThreadPoolExecutor() as pool:
        wait_for(f"{url}/readyz", True, START_SECONDS)
        port = int(url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as sender:
            sender.sendall(request.encode())
            assert sender.recv(4096).startswith(b"HTTP/1.1 100")  # from here on it is in flight
            stopped = pool.submit(docker, "stop", "--time", "60", name)
            wait_until(lambda: "SIGTERM received; draining" in docker("logs", name), "draining")
            sender.sendall(body)
            answer = http.client.HTTPResponse(sender)
            answer.begin()
            assert answer.status == 200
            assert json.loads(answer.read())["predictions"][0]["width"] == 128
        stopped.result()
        assert docker("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
        assert "did not end in time" not in docker("logs", name)


@pytest.fixture(scope="module")
def tracking(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server whose champion is the first model."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    url = f"http://127.0.0.1:{port}"
    store = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    artifacts = ["--artifacts-destination", str(folder / "artifacts")]
    where = ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command = [sys.executable, "-m", "mlflow", "server", *store, *artifacts, *where]
    lean = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with process(command, f"{url}/health", folder / "log", **lean):
        make_champion(context / "models" / "v1-detector", url, folder)
        yield url


def test_a_model_is_fetched_at_start_and_follows_the_registry(
    image: str, context: Path, tracking: str, request_body: dict, tmp_path: Path
) -> None:
    port, scoring_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    settings = {
        "MODEL_URI": CHAMPION, "MODEL_FOLLOW": 1, "MLFLOW_TRACKING_URI": tracking,
        "HOST": "127.0.0.1", "PORT": port, "SCORING_PORT": scoring_port,
    }  # fmt: skip
    options = [word for key, value in settings.items() for word in ("--env", f"{key}={value}")]
    with container(image, *options, publish=("--network", "host")) as _:
        wait_for(f"{url}/readyz", True, START_SECONDS)
        assert served(url) == "forgery-detector/1"
        with Load(f"{url}/invocations", request_body) as load:
            make_champion(context / "models" / "v1-detector", tracking, tmp_path)
            wait_until(lambda: served(url) == "forgery-detector/2", "version 2", START_SECONDS)
            wait_for(f"http://127.0.0.1:{scoring_port}/ping", False, 60)  # the old server's
        print(f"\n{len(load.answers)} requests, {len(load.failed())} failed")
        assert load.failed() == []


def served(url: str) -> str:
    return requests.get(f"{url}/version", timeout=10).json()["model_version"]


def test_a_model_is_baked_in_from_the_registry(
    image: str, context: Path, tracking: str, tmp_path: Path
) -> None:
    secret = tmp_path / "mlflow"
    secret.write_text(f"MLFLOW_TRACKING_URI='{tracking}'\n")
    tag = image.replace(":v1", ":registry")
    options = ["--build-arg", f"MODEL_URI={CHAMPION}", "--secret", f"id=mlflow,src={secret}"]
    build(tag, context, *options)
    assert "authentic" in docker("run", "--rm", tag, "cat", "/opt/golden/golden.json")
    assert tracking not in docker("history", "--no-trunc", tag)


def test_a_wrong_model_fails_the_build(image: str, context: Path) -> None:
    wrong = context / "models" / "wrong"
    shutil.copytree(context / "models" / "v1", wrong)
    description = wrong / "MLmodel"
    description.write_text(description.read_text().replace('"name": "image"', '"name": "x"'))
    with pytest.raises(AssertionError, match="wrong signature: it takes x"):
        build(image.replace(":v1", ":wrong"), context, "--build-arg", "MODEL_PATH=models/wrong")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--env", "PORT=eighty"], "PORT is 'eighty'; it must be a whole number from 1 to 65535"),
        (["--env", "PORT=5001"], "PORT and SCORING_PORT are both 5001"),
        (["--tmpfs", "/tmp:size=1m"], "no disk: /tmp has"),
    ],
)
def test_a_wrong_start_says_why(image: str, options: list[str], sentence: str) -> None:
    shown = docker("run", "--rm", "--read-only", "--tmpfs", "/tmp", *options, image, check=False)
    assert sentence in shown
    assert "Traceback" not in shown


def test_no_model_says_why(image: str) -> None:
    shown = docker("run", "--rm", "--tmpfs", "/opt/model", image, check=False)
    assert "there is no model in /opt/model" in shown
