"""What the workflows promise: pinned actions, no rights by default, no stored keys."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.engine import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


@pytest.fixture(params=WORKFLOWS, ids=lambda path: path.name)
def workflow(request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any]]:
    return request.param, yaml.safe_load(request.param.read_text("utf-8"))


def test_actions_are_pinned_with_their_version(workflow: tuple[Path, dict]) -> None:
    lines = [line.strip() for line in workflow[0].read_text("utf-8").splitlines()]
    used = [line.removeprefix("- ") for line in lines if re.match(r"(- )?uses:", line)]
    outside = [line for line in used if not line.startswith("uses: $/")]
    assert outside
    assert [line for line in outside if not PINNED.match(line)] == []


def test_rights_are_given_job_by_job(workflow: tuple[Path, dict]) -> None:
    _, content = workflow
    assert content["permissions"] == {}
    assert content["concurrency"]["group"]
    for name, job in content["jobs"].items():
        granted = dict(job["permissions"])
        assert granted.pop("contents") == "read", name
        assert set(granted) <= {"id-token"}, name


def test_every_job_ends(workflow: tuple[Path, dict]) -> None:
    jobs = workflow[1]["jobs"].values()
    assert all("timeout-minutes" in job or "uses" in job for job in jobs)


def test_no_aws_key_is_stored(workflow: tuple[Path, dict]) -> None:
    text = workflow[0].read_text("utf-8")
    assert not re.search(r"aws-(access-key-id|secret-access-key)|AWS_SECRET", text)


def test_every_change_of_the_server_is_gated() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "cd.yml").read_text("utf-8"))["jobs"]
    changing = [job for job in jobs.values() if "rollout" in str(job.get("steps"))]
    assert len(changing) == 4
    assert all(job["environment"] == "production" for job in changing)
    assert all("github.ref == 'refs/heads/main'" in job["if"] for job in changing)
