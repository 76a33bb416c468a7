"""A model that was logged under one Python is served under another, with the same answers."""

import base64
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import requests
import yaml

from tests.doors import environments
from tests.doors.environments import UV, Environment
from tests.doors.interpreters import ROOT, supported
from tests.webui.servers import free_port, process

pytestmark = pytest.mark.doors

PYTHONS = supported()
PAIRS = list(zip(PYTHONS, [PYTHONS[-1], *PYTHONS[:-1]], strict=True))
"""Logged under, served under: each once, the oldest under the newest."""

SAVE = """
import sys
from pathlib import Path
from forgery import SHIPPED
from forgery_lab.export.pyfunc import save_model
save_model(SHIPPED, Path(sys.argv[1]))
"""


@pytest.fixture(scope="session")
def serving(tmp_path_factory) -> Callable[[str], Environment]:
    """Return a Python's environment with what the image has: the packages of serve.lock."""

    @cache
    def made(python: str) -> Environment:
        environment = environments.make(python, tmp_path_factory.mktemp(f"serving{python}"))
        interpreter = environment.folder / "bin/python"
        install = [UV, "pip", "install", "--quiet", "--require-hashes", "--python", interpreter]
        subprocess.run([*install, "-r", ROOT / "requirements/serve.lock"], check=True)
        return environment

    return made


@pytest.mark.parametrize(("logged", "served"), PAIRS)
def test_a_model_of_another_python_answers_alike(serving, server, photo, tmp_path, logged, served):
    model = tmp_path / "model"
    settings = {"PYTHONPATH": str(ROOT), "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    serving(logged).run("python", "-c", SAVE, model, cwd=tmp_path, **settings)
    written = yaml.safe_load((model / "python_env.yaml").read_text("utf-8"))
    assert written["python"].startswith(f"{logged}.")
    assert [file for file in model.rglob("*") if file.suffix in (".pkl", ".pickle")] == []

    record = answer(serving(served), model, photo, tmp_path / "log")
    expected = server.answer(photo)
    assert record["verdict"] == expected.verdict
    assert record["probability"] == pytest.approx(expected.probability, abs=1e-9)


def answer(environment: Environment, model: Path, data: bytes, log: Path) -> dict[str, object]:
    """Return the record of `mlflow models serve` in that environment; its log may only warn."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    binaries = environment.folder / "bin"
    command = [
        str(binaries / "mlflow"), "models", "serve", "--env-manager", "local",
        "--model-uri", str(model), "--port", str(port),
    ]  # fmt: skip
    settings = {
        "PATH": f"{binaries}:/usr/bin:/bin",
        "PYTHONPATH": "",  # the model runs the code that was logged with it
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "OMP_NUM_THREADS": "1",  # as every server has it: two threads add up in another order
    }
    body = {"instances": [{"image": base64.b64encode(data).decode()}]}
    with process(command, f"{url}/ping", log, **settings):
        reply = requests.post(f"{url}/invocations", json=body, timeout=60)
    assert reply.status_code == 200, reply.text
    assert "Traceback" not in log.read_text("utf-8")
    (record,) = reply.json()["predictions"]
    return record
