"""A step whose disk is full says so in one sentence; once there is room it ends as undisturbed."""

import shutil
import subprocess

import pytest

from tests.faults.outputs import files
from tests.faults.resumes import benches, environment
from tests.stores import STORE

pytestmark = pytest.mark.faults

ON_A_SMALL_DISK = """
mount -t tmpfs -o size="$1" tmpfs "$2" && cp -r "$3/." "$2" || exit 77
shift 3; disk=$1; result=$2; shift 2
"$@"; echo "first status $?"
mount -o remount,size=2g "$disk"
"$@"; echo "second status $?"
cp -r "$disk/." "$result"
"""
ROOM = (0.0, 0.5, 0.9)
"""Shares of what a step writes that the disk has room for."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The bench of each step."""
    scratch = tmp_path_factory.mktemp("benches")
    return {
        one.step.name: one
        for one in benches(("ingest", "preprocess", "train", "score"), scratch, 1)
    }


def used(folder, *names):
    """Return the bytes that files take in memory: whole pages, and none for a folder."""
    found = [path for name in names for path in (folder / name).rglob("*")]
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in found if path.is_file())


@pytest.mark.parametrize("room", ROOM)
@pytest.mark.parametrize("step", ["ingest", "preprocess", "train", "score"])
def test_a_full_disk_is_named_and_the_step_ends_when_there_is_room(prepared, tmp_path, step, room):
    bench = prepared[step]
    start, disk, result, tracking = (tmp_path / name for name in ("start", "disk", "out", "store"))
    roots = [
        name for name in ("data", "models", "reports", "runs") if (bench.starts[0] / name).is_dir()
    ]
    for name in roots:
        shutil.copytree(bench.starts[0] / name, start / name)
    for folder in (start, disk, result, tracking):
        folder.mkdir(exist_ok=True)
    shutil.copy(bench.starts[0] / STORE, tracking)
    before = used(start, *roots)
    after = used(bench.after, "data", "models", "reports", "runs", "scores")
    size = max(before + int(room * (after - before)), 1)  # 0 would be no limit at all
    options = [
        f"{disk}/{value}" if value.startswith("scores/") else value for value in bench.step.options
    ]
    command = ["python", "-m", "steps", step, "--workspace", str(disk), *options]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", ON_A_SMALL_DISK, "sh", str(size), str(disk), str(start),
         str(disk), str(result), *command],
        cwd=tracking, env=environment(tracking), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 77 or "unshare: " in done.stderr:
        pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")
    said = done.stdout + done.stderr
    assert "first status 1" in said, said
    assert "second status 0" in said, said
    assert "Traceback" not in said
    sentences = [line for line in said.splitlines() if "disk is full" in line or "No space" in line]
    assert len(sentences) == 1, said
    assert sentences[0].startswith(f"{step}: ")
    assert str(disk) in sentences[0]
    assert files(result) == bench.outputs.files
