"""The decoders of a running service: they are there, may die, and end with their worker."""

import base64
import os
import signal

import psutil
import pytest
import requests

from forgery_pyfunc.imaging import sandbox
from serving.services import LOOPBACK, scoring_server, web_page
from tests.conftest import encoded, picture
from tests.deploy.engine import wait_until
from tests.webui.servers import free_port, process

PHOTO = encoded(picture())
FORK_SERVER = "forgery_pyfunc.imaging.sandbox.server"


@pytest.fixture(scope="module")
def scoring(stand_in, tmp_path_factory):
    """A scoring server with two workers: its process, and where it answers."""
    service = scoring_server(str(stand_in), free_port(), 2)
    log = tmp_path_factory.mktemp("scoring") / "log"
    with process(service.command, service.ping, log, **service.environment) as server:
        wait_until(lambda: len(fork_servers(server)) == 2, "both workers have their decoders")
        yield server, service.ping.replace("/ping", "/invocations")


def fork_servers(server):
    children = psutil.Process(server.pid).children(recursive=True)
    return [child for child in children if is_fork_server(child)]


def is_fork_server(child):
    return FORK_SERVER in child.cmdline() and FORK_SERVER not in child.parent().cmdline()


def score(url):
    rows = [{"image": base64.b64encode(PHOTO).decode()}]
    answer = requests.post(url, json={"dataframe_records": rows}, timeout=60)
    assert answer.status_code == 200
    (record,) = answer.json()["predictions"]
    return record


def test_the_service_turns_the_sandbox_on_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv(sandbox.VARIABLE, raising=False)
    assert sandbox.is_wanted(scoring_server("models/x", 5001, 1).environment)
    monkeypatch.setenv(sandbox.VARIABLE, "off")
    assert not sandbox.is_wanted(scoring_server("models/x", 5001, 1).environment)


def test_every_worker_decodes_elsewhere_and_survives_its_decoders(scoring):
    server, url = scoring
    servers = fork_servers(server)
    assert len({one.ppid() for one in servers}) == len(servers) == 2
    for _ in range(3):
        assert score(url)["error"] is None
        for one in servers:
            for decoder in one.children():
                decoder.kill()
                decoder.wait(5)
    for _ in range(4):
        assert score(url)["error"] is None


def test_a_worker_that_is_killed_takes_its_decoders_with_it(scoring):
    server, url = scoring
    score(url)
    first, *_ = fork_servers(server)
    its = [first, *first.children()]
    os.kill(first.ppid(), signal.SIGKILL)
    _, alive = psutil.wait_procs(its, timeout=10)
    assert not alive


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_page_that_ends_leaves_no_decoder(tmp_path, how):
    page = web_page(LOOPBACK, free_port(), free_port(), tmp_path / "pointer")
    url = f"http://{LOOPBACK}:{page.environment['PORT']}"
    log = tmp_path / "log"
    with process(page.command, f"{url}/livez", log, **page.environment) as server:
        evidence = requests.post(f"{url}/v1/evidence", files={"file": PHOTO}, timeout=60)
        assert evidence.status_code == 200
        its = [
            one
            for one in psutil.Process(server.pid).children(recursive=True)
            if FORK_SERVER in one.cmdline()
        ]
        assert len(its) >= 2
        for worker in psutil.Process(server.pid).children():
            worker.send_signal(how)
        _, alive = psutil.wait_procs(its, timeout=20)
        assert not alive
