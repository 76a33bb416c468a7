"""Every folder that a service writes into is full: a clear answer, and all is well with space.

The disks are small file systems in memory, which only root can mount.
"""

import contextlib
import io
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import requests
from PIL import Image

from serving.services import LOOPBACK, scoring_server, web_page
from tests.deploy.engine import wait_until
from tests.webui.pictures import BROWSER, picture
from tests.webui.servers import free_port, process
from webui.feedback_store import Store, StoreError

NAMES = ("results", "jobs", "feedback", "log", "tmp")
MEBIBYTE = 2**20
SIZE = 2 * MEBIBYTE
BRIGHT = picture(240)
FEEDBACK = {"consent": "true", "opinion": "right"}


@dataclass
class Site:
    """A page and a scoring server, each of whose folders is a small disk of its own."""

    url: str
    page: subprocess.Popen
    scoring: subprocess.Popen
    disks: Path

    def post(self, path: str, image: bytes = BRIGHT, **options: Any) -> requests.Response:
        return requests.post(
            f"{self.url}{path}", files={"file": ("a.jpg", image)}, timeout=90, **options
        )

    def said(self, name: str) -> str:
        return (self.disks.parent / f"{name}.log").read_text()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small file system; skip where this machine lets nobody do so."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", folder]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no program `mount`")
    if done.returncode:
        pytest.skip(f"no small disk can be mounted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no byte of a disk free."""
    filler = disk / "filler"
    try:
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        assert os.statvfs(disk).f_bavail == 0
        yield
    finally:
        filler.unlink()


@pytest.fixture(scope="module")
def site(stand_in: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    disks = folder / "disks"
    scoring = scoring_server(str(stand_in), free_port(), 1, {"PREDICTION_LOG": str(disks / "log")})
    port = int(scoring.command[scoring.command.index("--port") + 1])
    page = web_page(LOOPBACK, free_port(), port, folder / "pointer")
    url = f"http://{LOOPBACK}:{page.environment['PORT']}"
    settings = page.environment | {
        "RESULTS_DIR": str(disks / "results"),
        "JOBS_DIR": str(disks / "jobs"),
        "FEEDBACK_DB": str(disks / "feedback" / "feedback.db"),
        "TMPDIR": str(disks / "tmp"),
    }
    with contextlib.ExitStack() as stack:
        for name in NAMES:
            stack.enter_context(small_disk(disks / name))
        log = folder / "scoring.log"
        server = stack.enter_context(
            process(scoring.command, scoring.ping, log, **scoring.environment)
        )
        log = folder / "page.log"
        front = stack.enter_context(process(page.command, f"{url}/readyz", log, **settings))
        yield Site(url, front, server, disks)
        assert "Traceback" not in requests.get(f"{url}/", timeout=60).text


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def refused_for_now(answer: requests.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["error"]["code"] == "no_room"
    assert int(answer.headers["Retry-After"]) > 0
    assert "Traceback" not in answer.text


def test_without_room_for_results_the_verdict_is_shown_and_nothing_is_linked(site):
    with full(site.disks / "results"):
        answer = site.post("/predict", headers=BROWSER)
        assert answer.status_code == 200
        assert "forged" in answer.text.lower()
        assert "/results/" not in answer.text
    assert files(site.disks / "results") == []
    assert "/results/" in site.post("/predict", headers=BROWSER).text


def test_without_room_for_a_job_it_is_refused_and_leaves_nothing(site):
    with full(site.disks / "jobs"):
        refused_for_now(site.post("/v1/jobs"))
    assert set(files(site.disks / "jobs")) <= {"lock"}
    accepted = site.post("/v1/jobs")
    assert accepted.status_code == 202
    job = requests.get(f"{site.url}{accepted.headers['Location']}?wait=30", timeout=90).json()
    assert [record["verdict"] for record in job["results"]] == ["forged"]


def test_without_room_for_its_results_a_job_waits_and_is_then_finished(site):
    waits = site.said("page").count("a job waits for space")
    os.killpg(site.scoring.pid, signal.SIGSTOP)
    try:
        accepted = requests.post(
            f"{site.url}/v1/jobs", files=[("file", ("a.jpg", BRIGHT))] * 2, timeout=60
        )
        wait_until(lambda: requests.get(where(site, accepted), timeout=60).json()["status"]
                   == "running", "the job has begun")  # fmt: skip
        with full(site.disks / "jobs"):
            os.killpg(site.scoring.pid, signal.SIGCONT)
            wait_until(lambda: site.said("page").count("a job waits for space") > waits, "it waits")
            job = requests.get(where(site, accepted), timeout=60).json()
            assert (job["status"], job["failed"]) == ("running", 0)
    finally:
        os.killpg(site.scoring.pid, signal.SIGCONT)
    job = requests.get(f"{where(site, accepted)}?wait=30", timeout=90).json()
    assert [record["verdict"] for record in job["results"]] == ["forged", "forged"]


def where(site: Site, accepted: requests.Response) -> str:
    return f"{site.url}{accepted.headers['Location']}"


def test_without_room_for_feedback_nothing_is_kept_and_later_all_is(site):
    with full(site.disks / "feedback"):
        refused_for_now(site.post("/v1/feedback", data=FEEDBACK))
    answer = site.post("/v1/feedback", data=FEEDBACK)
    assert answer.status_code == 200, answer.text
    receipt = answer.json()["receipt"]
    assert requests.delete(f"{site.url}/v1/feedback/{receipt}", timeout=60).status_code == 200


def test_without_room_for_a_large_upload_it_is_refused(site):
    pixels = np.random.default_rng(0).integers(0, 256, (600, 600, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    large = buffer.getvalue()
    with full(site.disks / "tmp"):
        refused_for_now(site.post("/predict", large))
        assert site.post("/predict").status_code == 200  # a small one stays in memory
    assert site.post("/predict", large).status_code == 200


@pytest.mark.slow
def test_without_room_for_the_prediction_log_verdicts_are_given_and_no_line_is_lost(site):
    pandas = pytest.importorskip("pandas")
    with full(site.disks / "log"):
        assert site.post("/predict").status_code == 200
        wait_until(lambda: "the prediction log cannot be written" in site.said("scoring"), "a try")
    wait_until(lambda: "the prediction log is written again" in site.said("scoring"), "space")
    assert len(pandas.read_parquet(site.disks / "log")) >= 1


def test_a_page_that_starts_with_full_disks_gives_verdicts(site):
    with contextlib.ExitStack() as stack:
        for name in NAMES:
            stack.enter_context(full(site.disks / name))
        (worker,) = psutil.Process(site.page.pid).children()
        worker.kill()
        wait_until(lambda: requests.get(f"{site.url}/readyz", timeout=60).ok, "ready")
        assert site.post("/predict").status_code == 200
        refused_for_now(site.post("/v1/feedback", data=FEEDBACK))
        refused_for_now(site.post("/v1/jobs"))
    assert site.post("/v1/feedback", data=FEEDBACK).status_code == 200
    assert site.post("/v1/jobs").status_code == 202


def test_a_feedback_store_is_made_once_there_is_space(tmp_path):
    with small_disk(tmp_path / "disk"):
        with full(tmp_path / "disk"):
            store = Store(str(tmp_path / "disk" / "feedback.db"))
            with pytest.raises(StoreError) as refusal:
                store.left_to_review()
            assert refusal.value.code == "no_room"
        assert store.left_to_review() == 0
        store.engine.dispose()
