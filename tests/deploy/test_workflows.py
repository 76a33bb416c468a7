"""What the workflows promise: pinned actions, no rights by default, no stored keys."""

import os
import re
import subprocess
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
    path, content = workflow
    assert content["permissions"] == {}
    assert content["concurrency"]["group"]
    for name, job in content["jobs"].items():
        granted = dict(job["permissions"])
        if (path.name, name) != ("release.yml", "announce"):  # which creates the GitHub release
            assert granted.pop("contents", "read") == "read", name
        assert set(granted) <= {"id-token", "contents"}, name


def test_every_job_ends(workflow: tuple[Path, dict]) -> None:
    jobs = workflow[1]["jobs"].values()
    assert all("timeout-minutes" in job or "uses" in job for job in jobs)


def test_no_aws_key_is_stored(workflow: tuple[Path, dict]) -> None:
    text = workflow[0].read_text("utf-8")
    assert not re.search(r"aws-(access-key-id|secret-access-key)|AWS_SECRET", text)


DELIVERY = ROOT / ".github" / "workflows" / "cd.yml"


@pytest.fixture(scope="module")
def delivery() -> dict[str, Any]:
    """The jobs of cd.yml."""
    return yaml.safe_load(DELIVERY.read_text("utf-8"))["jobs"]


def test_no_push_takes_the_place_of_a_roll_back_that_waits() -> None:
    concurrency = yaml.safe_load(DELIVERY.read_text("utf-8"))["concurrency"]
    assert concurrency["cancel-in-progress"] is False
    expression = re.fullmatch(r"cd-(\$\{\{ .* \}\})", concurrency["group"])
    assert expression
    groups = {
        action: value(expression[1], {"inputs.action": action})
        for action in ("", "deploy", "rollback")
    }
    assert groups == {"": "deploy", "deploy": "deploy", "rollback": "rollback"}


@pytest.mark.parametrize(("uri", "status"), [("", 1), ("models:/forgery-detector/7", 0)])
def test_an_image_without_a_model_is_not_built(
    delivery: dict[str, Any], uri: str, status: int
) -> None:
    first = delivery["build"]["steps"][0]
    assert first["env"] == {"MODEL_URI": "${{ vars.MODEL_URI }}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", first["run"]],
        env=os.environ | {"MODEL_URI": uri}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == status
    assert ("MODEL_URI is not set" in done.stdout) == (status == 1)


def test_every_change_of_the_server_is_gated(delivery: dict[str, Any]) -> None:
    changing = [job for job in delivery.values() if "rollout" in str(job.get("steps"))]
    assert len(changing) == 4
    assert all(job["environment"] == "production" for job in changing)
    assert all("github.ref == 'refs/heads/main'" in job["if"] for job in changing)


ROLE = {"AWS_PUSH_ROLE": "arn:aws:iam::1:role/push"}
DIGEST = f"sha256:{'a' * 64}"


@pytest.mark.parametrize(
    ("inputs", "variables", "jobs"),
    [
        ({}, {}, ["ci"]),
        ({}, ROLE, ["ci", "build"]),
        ({}, ROLE | {"DEPLOY_THROUGH": "runner"}, ["ci", "build", "deploy"]),
        ({}, ROLE | {"DEPLOY_THROUGH": "ssm"}, ["ci", "build", "deploy-through-ssm"]),
        ({}, {"DEPLOY_THROUGH": "ssm"}, ["ci"]),
        ({"action": "rollback"}, ROLE | {"DEPLOY_THROUGH": "runner"}, ["rollback"]),
        ({"action": "rollback"}, ROLE | {"DEPLOY_THROUGH": "ssm"}, ["rollback-through-ssm"]),
        ({"action": "deploy", "digest": DIGEST}, ROLE | {"DEPLOY_THROUGH": "runner"}, ["deploy"]),
        (
            {"action": "rollback", "digest": DIGEST},
            ROLE | {"DEPLOY_THROUGH": "ssm"},
            ["rollback-through-ssm"],
        ),
    ],
)
def test_what_runs_when(
    delivery: dict[str, Any], inputs: dict[str, str], variables: dict[str, str], jobs: list[str]
) -> None:
    assert list(running(delivery, inputs, variables, "refs/heads/main")) == jobs


def test_other_branches_change_nothing(delivery: dict[str, Any]) -> None:
    everything = ROLE | {"DEPLOY_THROUGH": "ssm"}
    assert list(running(delivery, {}, everything, "refs/heads/other")) == ["ci"]
    assert running(delivery, {"action": "rollback"}, everything, "refs/heads/other") == {}


def test_a_failed_build_is_not_deployed(delivery: dict[str, Any]) -> None:
    everything = ROLE | {"DEPLOY_THROUGH": "ssm"}
    assert list(running(delivery, {}, everything, "refs/heads/main", fails="build")) == [
        "ci", "build",
    ]  # fmt: skip
    assert list(running(delivery, {}, everything, "refs/heads/main", fails="ci")) == ["ci"]


def running(
    jobs: dict[str, Any], inputs: dict[str, str], variables: dict[str, str], ref: str,
    fails: str = "",
) -> dict[str, str]:  # fmt: skip
    """Return the jobs that GitHub would run, with their results; an absent value equals ''."""
    results: dict[str, str] = {}
    for name, job in jobs.items():
        before = results.get(job.get("needs", ""), "skipped")
        values = {
            **{f"vars.{key}": value for key, value in variables.items()},
            **{f"inputs.{key}": value for key, value in inputs.items()},
            "github.ref": ref,
            "needs.build.result": before,
        }
        free = "!cancelled()" in job["if"]  # else the job needs the success of the one before
        if (free or "needs" not in job or before == "success") and holds(job["if"], values):
            results[name] = "failure" if name == fails else "success"
    return results


def holds(condition: str, values: dict[str, str]) -> bool:
    """Return whether an `if:` holds."""
    return bool(value(condition, values))


def value(condition: str, values: dict[str, str]) -> Any:
    """Return what an expression is, by reading it as Python."""
    text = condition.removeprefix("${{").removesuffix("}}").strip()
    for theirs, ours in (("!cancelled()", "True"), ("&&", "and"), ("||", "or")):
        text = text.replace(theirs, ours)
    name = re.compile(r"\b(vars|inputs|needs|github)(\.\w+)+")
    return eval(name.sub(lambda match: repr(values.get(match[0], "")), text))


@pytest.mark.parametrize(
    ("job", "done"),
    [
        (
            "deploy",
            [
                "FRONT_PORT=8000 deploy/server-setup",
                "FORGERY_FRONT=http://127.0.0.1:8000 /opt/forgery/rollout deploy "
                f"registry/forgery@{DIGEST}",
            ],
        ),
        ("rollback", ["FORGERY_FRONT=http://127.0.0.1:8000 /opt/forgery/rollout rollback"]),
    ],
)
def test_the_runner_is_told_what_to_do(
    delivery: dict[str, Any], tmp_path: Path, job: str, done: list[str]
) -> None:
    """`sudo` is stood in for: what it gets is what would be done to the server."""
    sudo = tmp_path / "sudo"
    sudo.write_text('#!/bin/sh\nprintf "%s\\n" "$*"\n')
    sudo.chmod(0o755)
    settings = {"IMAGE": f"registry/forgery@{DIGEST}", "FRONT_PORT": "8000"}
    environment = os.environ | settings | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    script = delivery[job]["steps"][-1]["run"]
    said = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env=environment, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert said.splitlines() == done


def test_what_is_pushed_says_how_it_was_built_and_what_is_in_it(delivery: dict[str, Any]) -> None:
    (build,) = [step for step in delivery["build"]["steps"] if step.get("id") == "build"]
    assert build["with"]["provenance"] == "mode=max"
    assert build["with"]["sbom"] is True
    arguments = build["with"]["build-args"].splitlines()
    assert "SOURCE_DATE_EPOCH=${{ env.SOURCE_DATE_EPOCH }}" in arguments
    secret = [line for line in arguments if "secrets." in line or "TRACKING" in line]
    assert secret == []  # the provenance tells them


RELEASE = ROOT / ".github" / "workflows" / "release.yml"


@pytest.fixture(scope="module")
def release() -> dict[str, Any]:
    """The jobs of release.yml."""
    return yaml.safe_load(RELEASE.read_text("utf-8"))["jobs"]


def test_only_the_job_that_publishes_may_and_it_runs_nothing_of_the_tree(
    release: dict[str, Any],
) -> None:
    asking = {name for name, job in release.items() if "id-token" in job["permissions"]}
    assert asking == {"publish"}
    assert release["publish"]["environment"] == "pypi"
    assert set(release["publish"]["needs"]) == {"ci", "build"}
    assert all("run" not in step for step in release["publish"]["steps"])


def test_what_the_doors_installed_is_published(release: dict[str, Any]) -> None:
    build = release["build"]
    assert build["env"]["DIST"] == "${{ github.workspace }}/dist"
    runs = [step.get("run") or step["uses"].partition("@")[0] for step in build["steps"]]
    made = runs.index(".venv/bin/python -m hatchling build --directory dist")
    assert runs[made + 1 : made + 3] == ["make doors", "actions/upload-artifact"]


def test_the_release_has_the_bill_of_its_image(release: dict[str, Any]) -> None:
    made = script(release, "The image of this commit, and what is in it")
    assert 'python -m deploy.sbom forgery > "bill/' in made
    uploaded = [
        step["with"]["path"] for step in release["build"]["steps"] if "path" in step.get("with", {})
    ]
    assert "bill" in uploaded
    assert release["announce"]["steps"][-1]["run"].endswith("dist/* bill/*")
    assert release["publish"]["steps"][0]["with"] == {"name": "dist", "path": "dist"}


def test_dependabot_groups_and_waits() -> None:
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text("utf-8"))["updates"]
    assert {one["package-ecosystem"] for one in updates} == {
        "github-actions", "pip", "docker-compose",
    }  # fmt: skip
    assert all(group == {"patterns": ["*"]} for one in updates for group in one["groups"].values())
    assert all(one["cooldown"]["default-days"] >= 7 for one in updates)


def script(release: dict[str, Any], name: str) -> str:
    """Return what a step of the job `build` runs."""
    return next(step["run"] for step in release["build"]["steps"] if step.get("name") == name)


@pytest.mark.parametrize(
    ("tag", "on_main", "says"),
    [
        ("v1.2.3", True, ""),
        ("v1.2.4", True, "The tag is v1.2.4, but pyproject.toml has version 1.2.3."),
        ("v1.2.3", False, "v1.2.3 is not on main."),
    ],
)
def test_a_tag_of_another_version_or_branch_is_not_published(
    release: dict[str, Any], tmp_path: Path, tag: str, on_main: bool, says: str
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for arguments in (["init", "--quiet"], ["add", "."], [*identity, "commit", "-qm", "a"]):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True)
    subprocess.run(["git", "update-ref", "refs/remotes/origin/main", "HEAD"], cwd=tmp_path)
    if not on_main:
        commit = [*identity, "commit", "-qm", "b", "--allow-empty"]
        subprocess.run(["git", *commit], cwd=tmp_path, check=True)
    check = script(release, "Is the tag this version, and on main?")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", check],
        cwd=tmp_path, env=os.environ | {"GITHUB_REF_NAME": tag}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == bool(says), done.stderr
    assert says in done.stdout


@pytest.mark.parametrize("text", ["# Changelog\n\n## [1.2.3] - 2026-01-01\n\n{}\n", "# None\n{}"])
def test_the_release_has_the_changelogs_text(
    release: dict[str, Any], tmp_path: Path, text: str
) -> None:
    changes = "### Added\n\n- This.\n"
    last = "## [1.2.2] - 2025-01-01\n\n- That.\n"
    (tmp_path / "CHANGELOG.md").write_text(text.format(changes) + last)
    extract = script(release, "The changelog's text of this version")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", extract],
        cwd=tmp_path, env=os.environ | {"GITHUB_REF_NAME": "v1.2.3"}, check=False,
    )  # fmt: skip
    notes = (tmp_path / "notes/notes.md").read_text()
    assert (done.returncode, notes.strip()) == ((1, "") if "None" in text else (0, changes.strip()))
