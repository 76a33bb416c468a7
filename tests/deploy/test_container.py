"""Settings, CPUs, ports and models as a container checks them, without one."""

import json
import math
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from deploy import model
from deploy.container import Settings, follower, spare_place
from serving import services
from serving.errors import ServiceError
from serving.services import available_cpus, check_port_free, scoring_server
from serving.supervisor import Supervisor
from tests.deploy.engine import ROOT, alive, child_of, listening
from tests.webui.servers import free_port

IMAGE = [{"type": "binary", "name": "image"}]
RECORD = [{"type": "string", "name": "verdict"}, {"type": "double", "name": "probability"}]


def test_defaults() -> None:
    settings = Settings.from_environment({"PORT": ""})
    assert (settings.port, settings.scoring_port, settings.model_uri) == (8080, 5001, "")


@pytest.mark.parametrize("value", ["0", "65536", "-1", "80.5", "eighty", "８０", " 80"])
def test_a_bad_port_is_named(value: str) -> None:
    with pytest.raises(ServiceError, match=r"PORT is .* whole number from 1 to 65535"):
        Settings.from_environment({"PORT": value})


def test_the_two_ports_differ() -> None:
    with pytest.raises(ServiceError, match="both 5001"):
        Settings.from_environment({"PORT": "5001"})


def test_a_port_in_use_is_named() -> None:
    port = free_port()
    check_port_free("127.0.0.1", port)
    with listening(port), pytest.raises(ServiceError, match=f"port {port} .* in use"):
        check_port_free("127.0.0.1", port)


@pytest.mark.parametrize(
    ("limit", "cpus"), [("max 100000", math.inf), ("150000 100000", 1.5), ("50000 100000", 0.5)]
)
def test_workers_follow_the_quota(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, limit: str, cpus: float
) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    monkeypatch.setattr(services, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(services.os, "sched_getaffinity", lambda _: set(range(8)))
    assert services.quota() == cpus
    assert available_cpus() == min(8, max(1, math.ceil(min(cpus, 8))))


def test_the_old_control_groups_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cpu.cfs_quota_us").write_text("200000\n")
    (tmp_path / "cpu.cfs_period_us").write_text("100000\n")
    monkeypatch.setattr(services, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(services, "CPU_QUOTA_V1", tmp_path)
    assert services.quota() == 2


def test_the_scoring_server_listens_on_loopback_only() -> None:
    command = scoring_server("models/x", 5001, 3).command
    assert command[command.index("--host") + 1] == "127.0.0.1"
    assert command[command.index("--workers") + 1] == "3"


def write_model(folder: Path, inputs: object, outputs: object, flavor: str) -> Path:
    description = {
        "flavors": {flavor: {}},
        "signature": {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)},
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(description))
    return folder


def test_the_right_model_is_taken(tmp_path: Path) -> None:
    model.check(write_model(tmp_path, IMAGE, RECORD, "python_function"))


@pytest.mark.parametrize(
    ("inputs", "outputs", "flavor", "sentence"),
    [
        ([{"type": "double", "name": "x"}], RECORD, "python_function", r"it takes x \(double\)"),
        ([{"type": "string", "name": "image"}], RECORD, "python_function", r"image \(string\)"),
        (IMAGE, RECORD[:1], "python_function", "does not answer with probability"),
        ([], RECORD, "python_function", "it takes no columns"),
        ([{"type": "tensor", "tensor-spec": {}}], RECORD, "python_function", "wrong signature"),
        (IMAGE, RECORD, "keras", "is not a pyfunc"),
    ],
)
def test_a_wrong_model_is_named(
    tmp_path: Path, inputs: object, outputs: object, flavor: str, sentence: str
) -> None:
    with pytest.raises(ServiceError, match=sentence):
        model.check(write_model(tmp_path, inputs, outputs, flavor))


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "flavors: 3", "signature: {}"])
def test_a_damaged_description_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    with pytest.raises(ServiceError, match="not the description of an MLflow model"):
        model.check(tmp_path)


def test_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="there is no model in"):
        model.check(tmp_path)


def test_a_path_is_fetched(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    write_model(source, IMAGE, RECORD, "python_function")
    model.fetch(str(source), tmp_path / "target")
    assert (tmp_path / "target" / "MLmodel").is_file()


def test_a_version_is_fetched_as_make_image_does(champion_store: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.model", "models:/forgery-detector/1", "models/serving"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": champion_store, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    model.check(tmp_path / "models" / "serving")


def test_an_absent_server_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(ServiceError, match=r"could not be fetched from http://127\.0\.0\.1:9"):
        model.fetch("models:/forgery-detector/1", tmp_path / "target")


def test_fetching_in_vain_leaves_the_served_model_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    served = tmp_path / "model" / "MLmodel"
    served.parent.mkdir()
    served.touch()
    supervisor = Supervisor([scoring_server(str(served.parent), 5001, 1)])
    following = follower(supervisor, "forgery/1", lambda: "forgery/2", 1, tmp_path / "pointer")
    for _ in range(2):
        with pytest.raises(ServiceError, match="the model forgery/2 is refused"):
            following.prepare("forgery/2", 5002)
        assert served.is_file()
    assert spare_place(scoring_server(str(tmp_path / "model-1"), 5002, 1)) == "model"


def test_sigterm_ends_a_start_that_still_fetches_its_model(tmp_path: Path) -> None:
    tracking, port, scoring_port = free_port(), free_port(), free_port()
    settings = {
        "MODEL_URI": "models:/forgery-detector/1",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{tracking}",
        "PORT": str(port),
        "SCORING_PORT": str(scoring_port),
        "TMPDIR": str(tmp_path),
    }
    command = [sys.executable, "-m", "deploy.container"]
    with listening(tracking) as mute:
        mute.settimeout(120)
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | settings, stderr=subprocess.PIPE, text=True
        )
        fetching = child_of(process.pid)
        with mute.accept()[0]:  # it is in the middle of fetching
            process.send_signal(signal.SIGTERM)
            said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    assert "SIGTERM received; nothing served yet" in said
    assert not alive(fetching)
