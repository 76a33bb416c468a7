"""The served model follows the registry, and no request is lost on the way."""

import base64
import sys
import threading
from collections import Counter

import pytest
import requests
from mlflow.tracking import MlflowClient

from tests.conftest import encoded, picture, write_detector
from tests.deploy.engine import make_champion, wait_for, wait_until
from tests.stores import copy_store
from tests.webui.servers import free_port, process

pytestmark = pytest.mark.slow

NAME = "forgery-detector"
BODY = {"instances": [{"image": base64.b64encode(encoded(picture())).decode()}]}


@pytest.fixture
def store(tmp_path, empty_store):
    """The environment of a registry with two versions, of which the first is the champion."""
    uri = copy_store(empty_store, tmp_path)
    for weight in (1.0, 2.0):
        make_champion(write_detector(tmp_path / f"detector{weight}", weight=weight), uri, tmp_path)
    client = MlflowClient(uri)
    client.set_registered_model_alias(NAME, "champion", "1")
    return {"MLFLOW_TRACKING_URI": uri}, client


class Load:
    """Requests in a loop, from two threads, counted by their outcome."""

    def __init__(self, url):
        self.url, self.outcomes, self.stopped = url, Counter(), threading.Event()
        self.threads = [threading.Thread(target=self.ask) for _ in range(2)]

    def ask(self):
        session = requests.Session()
        while not self.stopped.is_set():
            try:
                answer = session.post(f"{self.url}/invocations", json=BODY, timeout=60)
                record = answer.json()["predictions"][0] if answer.ok else {}
                outcome = record.get("model_version") or f"status {answer.status_code}"
            except requests.RequestException as error:
                outcome = repr(error)
            self.outcomes[outcome] += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()


def version_of(url):
    return requests.get(f"{url}/version", timeout=10).json()


def wait_for_version(url, wanted):
    wait_until(lambda: version_of(url)["model_version"] == wanted, wanted, 240)


def test_the_service_changes_over_without_losing_a_request(store, tmp_path):
    environment, client = store
    port, scoring_port = free_port(), free_port()
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    command = [sys.executable, "-m", "steps", "serve", "--follow", "true",
               "--port", str(port), "--scoring_port", str(scoring_port),
               "--workspace", str(tmp_path / "workspace")]  # fmt: skip
    with process(command, f"{url}/readyz", log, **environment), Load(url) as load:
        before = version_of(url)
        assert before["model_version"] == f"{NAME}/1"
        client.set_registered_model_alias(NAME, "champion", "2")
        wait_for_version(url, f"{NAME}/2")
        assert version_of(url)["model_since"] > before["model_since"]
        wait_for(f"http://127.0.0.1:{scoring_port}/ping", False, 60)  # the old server's
        wait_until(lambda: load.outcomes[f"{NAME}/2"], "answers by the second version")
        client.set_registered_model_alias(NAME, "champion", "1")
        wait_for_version(url, f"{NAME}/1")
        seen = load.outcomes[f"{NAME}/1"]
        wait_until(lambda: load.outcomes[f"{NAME}/1"] > seen + 2, "answers by the first version")
        wait_until(lambda: log.read_text().count("is now serving") == 2, "the second change")
    assert set(load.outcomes) == {f"{NAME}/1", f"{NAME}/2"}, load.outcomes


def test_a_version_that_does_not_come_up_leaves_the_old_one_serving(store, tmp_path):
    environment, client = store
    broken = client.create_model_version(NAME, source=(tmp_path / "nowhere").as_uri())
    port, scoring_port = free_port(), free_port()
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    command = [sys.executable, "-m", "steps", "serve", "--follow", "true",
               "--port", str(port), "--scoring_port", str(scoring_port),
               "--workspace", str(tmp_path / "workspace")]  # fmt: skip
    with process(command, f"{url}/readyz", log, **environment):
        client.set_registered_model_alias(NAME, "champion", broken.version)
        wait_until(lambda: "did not start" in log.read_text(), "the refusal", 240)
        answer = requests.post(f"{url}/invocations", json=BODY, timeout=60)
        assert answer.json()["predictions"][0]["model_version"] == f"{NAME}/1"
        assert version_of(url)["model_version"] == f"{NAME}/1"
