"""A container engine, the images of the tests, a registry, a front and an operator, all here."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.webui.servers import free_port

ROOT = Path(__file__).parents[2]
STARTER = ROOT.parent / "shared" / "tools" / "container-engine"
ANSWERED = 200
LOCKED_DOWN = (
    "--read-only", "--tmpfs", "/tmp:size=256m", "--cap-drop", "ALL",
    "--security-opt", "no-new-privileges",
)  # fmt: skip


def find_docker() -> str:
    """Return the Docker client; one with BuildKit comes first."""
    named = os.environ.get("FORGERY_DOCKER")
    return named or ("/usr/bin/docker" if Path("/usr/bin/docker").exists() else "docker")


DOCKER = find_docker()


def docker(*arguments: str | Path, check: bool = True) -> str:
    """Return what a command of the engine printed; in an error both of its outputs are shown."""
    command = [DOCKER, *map(str, arguments)]
    environment = os.environ | {"DOCKER_BUILDKIT": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if check and done.returncode:
        raise AssertionError(f"{command}: {done.stdout}{done.stderr}")
    return (done.stdout + done.stderr).strip()


def why_no_engine() -> str:
    """Return why there is no container engine, or nothing when there is one."""
    if shutil.which(DOCKER) is None and STARTER.exists():
        subprocess.run([STARTER, "up"], check=False, capture_output=True)
    if shutil.which(DOCKER) is None:
        return "no container engine: Docker's client is not installed"
    for _ in range(2):
        done = subprocess.run([DOCKER, "info"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return ""
        if STARTER.exists():
            subprocess.run([STARTER, "up"], check=False, capture_output=True)
    return f"no container engine: {done.stderr.strip().splitlines()[-1]}"


def why_no_programs(*programs: str) -> str:
    """Return which programs are missing, installing them where this machine is Debian's root."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.geteuid() == 0 and STARTER.exists():
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        command = ["apt-get", "install", "--yes", "--quiet", *missing]
        subprocess.run(command, env=environment, check=False, capture_output=True)
        missing = [program for program in programs if shutil.which(program) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def compose() -> list[str]:
    """Return the command of Compose: the client's plugin, else the program of old."""
    if shutil.which(DOCKER):
        plugin = subprocess.run([DOCKER, "compose", "version"], check=False, capture_output=True)
        if plugin.returncode == 0:
            return [DOCKER, "compose"]
    need(why_no_programs("docker-compose"))
    return ["docker-compose"]


def need(missing: str) -> None:
    """Skip the test where something is missing; with CONTAINERS=required, fail it."""
    if missing:
        (pytest.fail if os.environ.get("CONTAINERS") == "required" else pytest.skip)(missing)


def make_model(folder: Path, bias: float) -> None:
    """Save a model that answers the same for all images, but for a trace: by its bias."""
    numbers = ["--weight", "0.001", f"--bias={bias}", "--name", f"tiny{bias:+g}"]
    command = [sys.executable, "-m", "tests.stand_ins.detector", folder, *numbers]
    subprocess.run(command, cwd=ROOT, check=True)


def make_champion(detector: Path, tracking_uri: str, folder: Path) -> None:
    """Register a detector as the champion; a store without a server keeps its files in `folder`."""
    script = (
        "import mlflow, sys; from mlflow import MlflowClient as C; "
        "from forgery_lab.export.pyfunc import log_model; from pathlib import Path; "
        "run = mlflow.start_run(); model = log_model(Path(sys.argv[1])); "
        "version = mlflow.register_model(model.model_uri, 'forgery-detector').version; "
        "C().set_registered_model_alias('forgery-detector', 'champion', version)"
    )
    environment = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, detector]
    subprocess.run(command, cwd=folder, env=environment, check=True)


def build(tag: str, context: Path, *options: str) -> None:
    """Build from the repository's Dockerfile, in a copy of what goes into the image."""
    pip = Path("/etc/pip.conf")
    secret = ["--secret", f"id=pip,src={pip}"] if pip.exists() else []
    command = ["build", "--network", "host", "--quiet", *secret, *options, "--tag", tag, context]
    docker(*command)


def copy_context(context: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("forgery", "forgery_pyfunc", "serving", "webui", "deploy", "requirements"):
        shutil.copytree(ROOT / name, context / name, ignore=ignored)
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, context / name)


def derive(tag: str, base: str, folder: Path, *lines: str) -> None:
    """Build an image from another one with a few lines more, as root."""
    folder.mkdir()
    text = "\n".join([f"FROM {base}", "USER root", *lines, "USER 10001:10001"])
    (folder / "Dockerfile").write_text(text + "\n")
    docker("build", "--quiet", "--tag", tag, folder)


@contextlib.contextmanager
def container(
    image: str, *options: str, publish: tuple[str, ...] = ()
) -> Iterator[tuple[str, str]]:
    """A locked-down container; yields its name and its page's URL."""
    port = free_port()
    name = f"forgery-test-{port}"
    publish = publish or ("--publish", f"127.0.0.1:{port}:8080")
    docker("run", "--detach", "--name", name, *LOCKED_DOWN, *publish, *options, image)
    try:
        yield name, f"http://127.0.0.1:{port}"
    finally:
        docker("rm", "--force", name)


def status(url: str) -> int:
    """Return the status that a URL answers with, 0 where nobody does."""
    try:
        return requests.get(url, timeout=5).status_code
    except requests.RequestException:
        return 0


def wait_for(url: str, wanted: bool, seconds: float) -> float:
    """Return after how many seconds a URL answered 200 (or no longer did); fail after too many."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if (status(url) == ANSWERED) == wanted:
            return time.monotonic() - began
        time.sleep(0.1)
    raise AssertionError(f"{url} did not turn {wanted} within {seconds} s")


def wait_until(condition: Callable[[], object], what: str, seconds: float = 120) -> None:
    """Return once a condition holds; fail, saying what was waited for, after so long."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, f"after {seconds} s not yet: {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def registry(folder: Path, **settings: str) -> Iterator[str]:
    """A real registry on loopback; yields its address."""
    port = free_port()
    config = folder / f"registry-{port}.yml"
    config.write_text("version: 0.1\nlog: {level: error}\nstorage: {delete: {enabled: true}}\n")
    environment = os.environ | {
        "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
        "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(folder / "registry"),
        **settings,
    }
    with (folder / f"registry-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", config], env=environment, stdout=log, stderr=log
        )
        try:
            wait_until(lambda: status(f"http://127.0.0.1:{port}/v2/"), "the registry answers")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def push(image: str, address: str) -> str:
    """Push an image and return its name by digest; only the registry has it afterwards."""
    name = f"{address}/forgery"
    tag = f"{name}:{image.rsplit(':', 1)[-1]}"
    docker("tag", image, tag)
    docker("push", "--quiet", tag)
    digest = docker("inspect", "--format", "{{index .RepoDigests 0}}", tag).rpartition("@")[2]
    docker("image", "rm", tag)
    return f"{name}@{digest}"


@contextlib.contextmanager
def front(state: Path, slots: tuple[int, int]) -> Iterator[str]:
    """The front of deploy/haproxy.cfg; yields its URL."""
    port = free_port()
    environment = os.environ | {
        "FRONT_SOCKET": str(state / "admin.sock"),
        "FRONT_STATE": str(state / "front.state"),
        "FRONT_ADDRESS": "127.0.0.1",
        "FRONT_PORT": str(port),
        "BLUE_PORT": str(slots[0]),
        "GREEN_PORT": str(slots[1]),
    }
    with (state / "front.log").open("wb") as log:
        command = ["haproxy", "-W", "-f", ROOT / "deploy" / "haproxy.cfg"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        (state / "front.pid").write_text(str(process.pid))
        try:
            wait_until(lambda: status(f"http://127.0.0.1:{port}/"), "the front answers")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def front_process(state: Path) -> int:
    """Return the process id of the front."""
    return int((state / "front.pid").read_text())


@contextlib.contextmanager
def listening(port: int) -> Iterator[socket.socket]:
    """Somebody else on a port of loopback, who answers nothing."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield other


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def child_of(pid: int) -> int:
    """Return the only child of a process, as soon as it has one."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    wait_until(children.read_text, f"process {pid} has a child")
    return int(children.read_text().split()[0])


class Load:
    """Constant requests against one URL, on kept and on fresh connections, until left."""

    def __init__(self, url: str, body: dict) -> None:
        self.url = url
        self.body = body
        self.answers: list[tuple[float, int, str]] = []
        self.ended = threading.Event()

    def __enter__(self) -> "Load":
        kinds = [True, True, False]
        self.threads = [threading.Thread(target=self._ask, args=(kept,)) for kept in kinds]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, kept: bool) -> None:
        session = requests.Session()
        while not self.ended.is_set():
            try:
                answer = (session if kept else requests).post(self.url, json=self.body, timeout=60)
                text = answer.text if answer.status_code != ANSWERED else self.version(answer)
                self.answers.append((time.time(), answer.status_code, text))
            except requests.RequestException as error:
                self.answers.append((time.time(), 0, repr(error)))
            time.sleep(0.02)

    def more(self, count: int) -> None:
        """Wait for so many answers to requests that were sent from now on."""
        wanted = len(self.answers) + count + len(self.threads)  # one each is under way
        wait_until(lambda: len(self.answers) >= wanted, f"{wanted} answers")

    @staticmethod
    def version(answer: requests.Response) -> str:
        return answer.json()["predictions"][0]["model_version"]

    def failed(self) -> list[tuple[float, int, str]]:
        return [answer for answer in self.answers if answer[1] != ANSWERED]

    def versions(self) -> list[str]:
        """The versions that answered, in the order in which they first did."""
        good = (text for _, code, text in sorted(self.answers) if code == ANSWERED)
        return list(dict.fromkeys(good))


class Operator:
    """Runs `rollout` as a workflow or a person would."""

    watch_seconds = 4.0

    def __init__(
        self, state: Path, address: str, slots: tuple[int, int], docker: str = DOCKER
    ) -> None:
        self.state = state
        self.name = f"forgery-test-{os.getpid()}"
        self.slots = dict(zip(("blue", "green"), slots, strict=True))
        self.address = address
        self.docker = docker

    def command(self, *arguments: str) -> list[str]:
        settings = ["--state", str(self.state), "--docker", self.docker, "--front", self.address]
        settings += ["--socket", str(self.state / "admin.sock")]
        settings += ["--name", self.name, "--ports", *map(str, self.slots.values())]
        settings += ["--watch-seconds", str(self.watch_seconds), "--ready-seconds", "120"]
        return [str(ROOT / "deploy" / "rollout"), *settings, *arguments]

    def run(self, *arguments: str) -> tuple[int, str]:
        """Return exit status and all that was said."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)
        print(f"\n$ rollout {' '.join(arguments)}\n{done.stderr}", end="")
        return done.returncode, done.stdout + done.stderr

    def status(self) -> dict:
        return json.loads(self.run("status")[1])

    def serving(self) -> str:
        return self.status()["current"]["image"]
