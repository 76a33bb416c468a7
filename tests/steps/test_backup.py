"""What docs/operations.md says of backups is done literally, while others write."""

import hashlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from datetime import timedelta

import mlflow
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from forgery_lab.evaluation import scoring
from steps.registry.model_registry import Registry, number
from steps.settings.configuration import PROJECT_ROOT
from tests.steps.conftest import make_clone
from tests.steps.test_upgrade import MADE_IN, STORES
from tests.stores import move_store, tracking
from webui.feedback_store import Feedback, Store
from webui.jobs.files import JobFiles
from webui.jobs.store import Bounds, JobStore
from webui.uploads import Upload

PAGE = (PROJECT_ROOT / "docs/operations.md").read_text("utf-8")


def commands(heading, language="bash"):
    """Return the commands of a section of the page."""
    section = re.split(r"^##+ ", PAGE.partition(f"### {heading}\n")[2], flags=re.M)[0]
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", section, re.M | re.S)
    return block


SERVICE = """
import os, sys, threading
from itertools import count
from steps.registry.model_registry import Registry
from tests.steps.test_backup import FIRST, judgement
from webui.feedback_store import Store

store, registry = Store("feedback.db"), Registry("forgery-detector")
ended, done = threading.Event(), []

def repeat(write):
    for n in count(FIRST):
        write(n)
        if n == FIRST:
            print("writing", flush=True)
        if ended.is_set():
            return done.append(n + 1 - FIRST)

writes = (
    lambda n: store.add(judgement(n)),
    lambda n: registry.client.set_model_version_tag(registry.name, "1", "written", str(n)),
)
def fail(failed):
    sys.excepthook(failed.exc_type, failed.exc_value, failed.exc_traceback)
    os._exit(1)

threading.excepthook = fail  # else the test would wait for a thread that has ended
threads = [threading.Thread(target=repeat, args=[write]) for write in writes]
for thread in threads:
    thread.start()
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join()
print(*done)
"""
"""Gives feedback and tags a version, until its input ends; then says how often it did either."""
FIRST = 10**6
OF_0_1_0 = 2
"""How much feedback the stores of 0.1.0 have."""


def judgement(n):
    """Return feedback number `n`, with a picture that tells whether it is whole."""
    image = f"picture {n} ".encode() * 5000
    return Feedback(
        receipt=f"{n:032x}", created_at="2026-11-28", image=image, label="forged", boxes=[],
        sha256=hashlib.sha256(image).hexdigest(), format="JPEG", opinion="wrong",
        verdict=None, probability=None, model_version=None, consent=True,
    )  # fmt: skip


@contextmanager
def service(project):
    """Another process writes to both stores inside the block, and has ended after it."""
    environment = {**project.environment, "PYTHONPATH": str(PROJECT_ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE], cwd=project.root, env=environment,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(2):
        assert process.stdout.readline() == "writing\n"
    done = []
    try:
        yield done
    finally:
        done += map(int, process.communicate()[0].split())


def judgements(store):
    with Session(store.engine) as session:
        return list(session.scalars(select(Feedback).order_by(Feedback.id)))


@pytest.fixture
def project(tmp_path, empty_store):
    """A clone with the registry, models and feedback of 0.1.0; DVC tracks one file, no stages."""
    clone = make_clone(tmp_path / "project", empty_store)
    (clone.root / "dvc.yaml").unlink()
    shutil.unpack_archive(STORES, clone.root)
    move_store(clone.root, MADE_IN)
    (clone.root / "tracked.bin").write_bytes(b"data" * 1000)
    clone.run("dvc", "add", "--quiet", "tracked.bin")
    return clone


@pytest.mark.slow
def test_a_restored_project_has_what_was_backed_up(project):
    root = project.root
    with service(project) as done:
        project.run("bash", "-euo", "pipefail", "-c", commands("Back up"))
    assert min(done) > 1
    destroy(root)
    project.run("bash", "-euo", "pipefail", "-c", commands("Restore"))

    with tracking(f"sqlite:///{root}/mlflow.db"):
        registry = Registry("forgery-detector")
        assert number(registry.by_alias("champion")) == 1
        assert number(registry.by_alias("challenger")) == 2
        assert registry.drift() == []
        assert int(registry.by_number(1).tags["written"]) >= FIRST
        check_answers(root, registry)
    given = judgements(Store(str(root / "feedback.db")))
    ours = given[OF_0_1_0:]
    assert 0 < len(ours) <= max(done)
    assert [one.receipt for one in ours] == [f"{FIRST + n:032x}" for n in range(len(ours))]
    assert all(hashlib.sha256(one.image).hexdigest() == one.sha256 for one in ours)
    assert (root / "tracked.bin").read_bytes() == b"data" * 1000


def destroy(root):
    """Lose everything but the clone and the backup; logs of a crash are left behind."""
    for name in ("mlruns", ".dvc/cache", "../forgery-detector-dvc"):
        shutil.rmtree(root / name)
    (root / "tracked.bin").unlink()
    for name in ("mlflow.db", "feedback.db"):
        (root / name).write_bytes(b"torn")
        (root / f"{name}-wal").write_bytes(b"of another file")


def check_answers(root, registry):
    """Both versions answer as they did when they were logged."""
    before = json.loads((root / "answers.json").read_text("utf-8"))
    picture = (root / "picture.jpg").read_bytes
    for version, expected in before.items():
        uri = registry.uri(registry.by_number(int(version)))
        ((_, answer),) = scoring.score(
            uri, [picture], heatmap=True, workers=1, tracking_uri=mlflow.get_tracking_uri()
        )
        assert answer == expected


def test_a_store_can_move_to_another_folder(tmp_path):
    shutil.unpack_archive(STORES, tmp_path)
    moved = commands("Restore", "sql").replace("OLD", MADE_IN).replace("NEW", str(tmp_path))
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.executescript(moved)
        left = [line for line in database.iterdump() if MADE_IN in line]
    assert all("mlflow.source.name" in line for line in left)  # which program a run was started by


def test_a_copied_folder_of_jobs_is_a_backup(tmp_path):
    bounds = Bounds(jobs=10, size=2**20, kept=timedelta(hours=1))
    store = JobStore(tmp_path / "jobs", bounds)
    uploads = [Upload(f"{n}.jpg", b"x" * n, None) for n in (100, 200)]
    ids = [store.add(iter(uploads), None, "request-1") for _ in range(3)]
    before = [store.find(job_id) for job_id in ids]
    copy = ["cp", "--archive"]
    subprocess.run([*copy, tmp_path / "jobs", tmp_path / "backup"], check=True)
    shutil.rmtree(tmp_path / "jobs")
    subprocess.run([*copy, tmp_path / "backup", tmp_path / "jobs"], check=True)
    restored = JobStore(tmp_path / "jobs", bounds)
    restored.open()
    assert [restored.find(job_id) for job_id in ids] == before
    assert JobFiles(tmp_path / "jobs" / ids[0]).picture(1) == b"x" * 200
