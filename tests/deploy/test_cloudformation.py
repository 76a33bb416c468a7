"""The stack against moto, its policies against GitHub's claims, and the scripts' AWS calls."""

import json
import os
import re
import stat
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.cloud import PARAMETERS, PATH, image_id
from tests.deploy.engine import ROOT

UNKNOWN_TO_MOTO = {"AWS::IAM::OIDCProvider", "AWS::S3::BucketPolicy"}
"""Covered by cfn-lint, and by the tests of the policies."""
PREFIX = "token.actions.githubusercontent.com"
DIGEST = f"sha256:{'a' * 64}"


def test_every_resource_is_created(stack: dict[str, str], template: dict[str, Any]) -> None:
    wanted = {
        name
        for name, resource in template["Resources"].items()
        if resource["Type"] not in UNKNOWN_TO_MOTO
    }
    assert wanted <= set(stack)


def test_registry_is_immutable(stack: dict[str, str], client: Any) -> None:
    ecr = client("ecr")
    (registry,) = ecr.describe_repositories(repositoryNames=[stack["Registry"]])["repositories"]
    assert registry["imageTagMutability"] == "IMMUTABLE"


def test_server_is_closed(stack: dict[str, str], client: Any) -> None:
    ec2 = client("ec2")
    (versions,) = ec2.describe_launch_template_versions(LaunchTemplateId=stack["ServerTemplate"])[
        "LaunchTemplateVersions"
    ]
    data = versions["LaunchTemplateData"]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
    assert all(disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"])
    assert "KeyName" not in data
    groups = ec2.describe_security_groups(GroupIds=[stack["FrontSecurityGroup"]])
    (rule,) = groups["SecurityGroups"][0]["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (80, 80)
    reservations = ec2.describe_instances(InstanceIds=[stack["Server"]])["Reservations"]
    assert reservations[0]["Instances"][0]["SubnetId"]
    assert reservations[0]["Instances"][0]["ImageId"] == image_id(client)


def test_no_update_of_the_stack_brings_another_image_by_itself(template: dict[str, Any]) -> None:
    """Another one replaces the server, so it is a value, and none that AWS looks up anew."""
    parameter = template["Parameters"]["ImageId"]
    assert parameter["Type"] == "AWS::EC2::Image::Id"
    assert "Default" not in parameter


@pytest.mark.parametrize(
    ("value", "allowed"),
    [("10.0.0.0/8", True), ("0.0.0.0/0", True), ("2001:db8::/32", False), ("10.0.0.0", False)],
)
def test_the_security_group_takes_what_the_parameter_allows(
    template: dict[str, Any], value: str, allowed: bool
) -> None:
    """The rule has an IPv4 field only; anything else would fail half-way through the stack."""
    pattern = template["Parameters"]["AllowedCidr"]["AllowedPattern"]
    assert bool(re.fullmatch(pattern, value)) == allowed


def test_what_moto_does_not_keep_is_asked_for(template: dict[str, Any]) -> None:
    resources = template["Resources"]
    assert resources["Registry"]["Properties"]["ImageScanningConfiguration"] == {"ScanOnPush": True}
    policy = resources["Registry"]["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"]
    rules = json.loads(policy)["rules"]
    assert [rule["selection"]["tagStatus"] for rule in rules] == ["untagged", "tagged"]
    assert rules[1]["selection"]["tagPatternList"] == ["*"]  # every release has one tag
    bucket = resources["Artefacts"]["Properties"]
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["BucketEncryption"]


def test_bucket_refuses_plain_connections(template: dict[str, Any]) -> None:
    policy = template["Resources"]["ArtefactsPolicy"]["Properties"]["PolicyDocument"]
    (statement,) = policy["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == (
        "Deny", "*", "s3:*",
    )  # fmt: skip
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


# The policies.


def rendered(value: Any) -> Any:
    """Return a part of the template with the parameters in it."""
    if isinstance(value, dict):
        if "Sub" in value:
            names = PARAMETERS | {
                "AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com",
                "AWS::AccountId": "123456789012", "AWS::Region": "eu-central-1",
                "Registry": "forgery",
            }  # fmt: skip
            return re.sub(r"\$\{([^}]+)\}", lambda m: names.get(m[1], f"<{m[1]}>"), value["Sub"])
        return {key: rendered(part) for key, part in value.items()}
    return [rendered(part) for part in value] if isinstance(value, list) else value


def trusts(template: dict[str, Any], role: str, claims: dict[str, str]) -> bool:
    """Return whether the role's trust policy lets a token with these claims in."""
    policy = rendered(template["Resources"][role]["Properties"]["AssumeRolePolicyDocument"])
    return any(
        statement["Effect"] == "Allow"
        and statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        and "Condition" in statement
        and all(
            holds(operator, claims.get(key.removeprefix(f"{PREFIX}:"), ""), allowed)
            for operator, tests in statement["Condition"].items()
            for key, allowed in tests.items()
        )
        for statement in policy["Statement"]
    )


def holds(operator: str, value: str, allowed: str | list[str]) -> bool:
    patterns = [allowed] if isinstance(allowed, str) else allowed
    if operator == "StringEquals":
        return value in patterns
    assert operator == "StringLike", f"this test does not know {operator}"
    return any(fnmatchcase(value, pattern) for pattern in patterns)


NAMED, NUMBERED = "repo:acme/forgery", "repo:acme@1001/forgery@2002"


@pytest.mark.parametrize("repository", [NAMED, NUMBERED])
def test_both_forms_of_the_subject_are_trusted(template: dict, repository: str) -> None:
    audience = {"aud": "sts.amazonaws.com"}
    main = audience | {"sub": f"{repository}:ref:refs/heads/main"}
    approved = audience | {"sub": f"{repository}:environment:production"}
    assert trusts(template, "PushRole", main)
    assert trusts(template, "DeployRole", approved)
    assert not trusts(template, "PushRole", approved)
    assert not trusts(template, "DeployRole", main)


@pytest.mark.parametrize("role", ["PushRole", "DeployRole"])
@pytest.mark.parametrize(
    "claims",
    [
        {"sub": f"{NAMED}:pull_request"},
        {"sub": f"{NAMED}:ref:refs/heads/other"},
        {"sub": f"{NAMED}:ref:refs/tags/main"},
        {"sub": f"{NAMED}:environment:staging"},
        {"sub": "repo:acme/forgery-fork:ref:refs/heads/main"},
        {"sub": "repo:acme@1001/forgery@9:ref:refs/heads/main"},
        {"sub": "repo:acme@9/forgery@2002:ref:refs/heads/main"},
        {"sub": "repo:acme@9/forgery@2002:environment:production"},
        {"sub": "repo:evil/acme/forgery:ref:refs/heads/main"},
        {"sub": f"{NAMED}:ref:refs/heads/main", "aud": "https://github.com/acme"},
        {"sub": f"{NUMBERED}:environment:production", "aud": "https://github.com/acme"},
        {"sub": ""},
    ],
)
def test_nobody_else_is_trusted(template: dict, role: str, claims: dict[str, str]) -> None:
    assert not trusts(template, role, {"aud": "sts.amazonaws.com"} | claims)


def granted(template: dict[str, Any], role: str) -> dict[str, set[str]]:
    """Return the actions of a role's policies, by what they apply to ("*" or anything else)."""
    found: dict[str, set[str]] = {"*": set(), "named": set()}
    for policy in template["Resources"][role]["Properties"]["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"]
            where = "*" if statement["Resource"] == "*" else "named"
            found[where] |= {actions} if isinstance(actions, str) else set(actions)
    return found


def test_push_role_grants_what_a_push_needs(template: dict) -> None:
    assert granted(template, "PushRole") == {
        "*": {"ecr:GetAuthorizationToken"},
        "named": {
            f"ecr:{action}"
            for action in (
                "BatchGetImage", "BatchCheckLayerAvailability", "CompleteLayerUpload",
                "GetDownloadUrlForLayer", "InitiateLayerUpload", "PutImage", "UploadLayerPart",
            )
        },
    }  # fmt: skip


@pytest.mark.parametrize("role", ["PushRole", "DeployRole", "InstanceRole"])
def test_no_role_has_wildcards_or_managed_policies(template: dict, role: str) -> None:
    properties = template["Resources"][role]["Properties"]
    assert "ManagedPolicyArns" not in properties
    actions = set().union(*granted(template, role).values())
    assert not [action for action in actions if "*" in action or action.startswith("iam:")]


# The scripts against moto.


def run(script: str, *arguments: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [ROOT / "deploy" / script, *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def deployment(stack: dict[str, str], cloud: dict[str, str]) -> dict[str, str]:
    """What the workflow sets for a deployment."""
    return cloud | {
        "SERVER_ID": stack["Server"],
        "ROLLOUT_DOCUMENT": stack["RolloutDocument"],
        "ARTEFACT_BUCKET": stack["Artefacts"],
        "REVISION": "0123abc",
        "POLL_SECONDS": "0.1",
    }


IMAGE = f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/forgery@{DIGEST}"


@pytest.fixture
def document(template: dict[str, Any]) -> dict[str, Any]:
    """What the command document holds, as far as the tests know the values in it."""
    return rendered(template["Resources"]["RolloutDocument"]["Properties"]["Content"])


def test_a_deployment_through_systems_manager(
    deployment: dict[str, str], client: Any, document: dict[str, Any]
) -> None:
    status, said = run("rollout-through-ssm", "deploy", IMAGE, **deployment)
    assert status == 0, said
    command = client("ssm").list_commands()["Commands"][-1]
    assert command["Parameters"] == {
        "command": ["deploy"], "image": [IMAGE], "revision": ["0123abc"],
    }  # fmt: skip
    assert set(command["Parameters"]) == set(document["parameters"])
    left = client("s3").list_objects_v2(Bucket=deployment["ARTEFACT_BUCKET"])["Contents"]
    assert {entry["Key"] for entry in left} == {
        f"operations/0123abc/{name}" for name in ("rollout", "haproxy.cfg", "server-setup")
    }


def test_a_roll_back_through_systems_manager_brings_no_scripts(
    deployment: dict[str, str], client: Any, document: dict[str, Any]
) -> None:
    status, said = run("rollout-through-ssm", "rollback", **deployment | {"REVISION": "beef001"})
    assert status == 0, said
    command = client("ssm").list_commands()["Commands"][-1]
    assert command["Parameters"] == {"command": ["rollback"]}
    defaults = {name: part.get("default") for name, part in document["parameters"].items()}
    assert defaults == {"command": None, "image": "none", "revision": "none"}
    bucket = deployment["ARTEFACT_BUCKET"]
    left = client("s3").list_objects_v2(Bucket=bucket, Prefix="operations/beef001")
    assert left["KeyCount"] == 0


@pytest.mark.parametrize(
    ("answers", "wait_seconds", "sentence"),
    [
        ("echo AccessDenied >&2; exit 254", "60", "AccessDenied\n.*does not say how"),
        ("echo InProgress", "1", "is still running after 1 s"),
        ("echo Failed", "60", "the roll-out ended with Failed"),
    ],
)
def test_a_roll_out_that_is_not_seen_to_succeed_says_why(
    deployment: dict[str, str], tmp_path: Path, answers: str, wait_seconds: str, sentence: str
) -> None:
    """The AWS CLI is stood in for: moto knows no command that goes on."""
    aws = tmp_path / "aws"
    aws.write_text(f'#!/bin/sh\ncase "$2" in get-*) {answers} ;; *) echo 12-34 ;; esac\n')
    aws.chmod(0o755)
    changed = {"PATH": f"{tmp_path}:{PATH}", "WAIT_SECONDS": wait_seconds}
    status, said = run("rollout-through-ssm", "rollback", **deployment | changed)
    assert status == 1
    assert re.search(sentence, said), said


@pytest.mark.parametrize(
    ("arguments", "changed", "sentence"),
    [
        (["deploy", "forgery:latest"], {}, "does not name an image by its digest"),
        (["destroy"], {}, "allowed are deploy and rollback"),
        (["rollback"], {"SERVER_ID": ""}, "SERVER_ID is not set"),
        (
            ["deploy", IMAGE],
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            "could not be left in the bucket",
        ),
        (["deploy", IMAGE], {"ARTEFACT_BUCKET": "none-such"}, "bucket none-such"),
    ],
)
def test_a_wrong_deployment_says_why(
    deployment: dict[str, str], arguments: list[str], changed: dict[str, str], sentence: str
) -> None:
    status, said = run("rollout-through-ssm", *arguments, **(deployment | changed))
    assert status != 0
    assert sentence in said


@pytest.mark.parametrize(
    "image",
    [
        "x; touch /tmp/x",
        f"{IMAGE}'; id",
        f"{IMAGE}\nid",
        "$(id)",
        f"evil.example/forgery@{DIGEST}",
        IMAGE.replace("123456789012", "999999999999"),
        IMAGE.replace("/forgery", "/other"),
        IMAGE.replace("eu-central-1.", "eu-central-1x"),
    ],
)
def test_the_document_takes_images_of_this_registry_only(document: dict, image: str) -> None:
    pattern = document["parameters"]["image"]["allowedPattern"]
    assert re.fullmatch(pattern, IMAGE)
    assert not re.match(pattern + r"\Z", image)


def play(document: dict[str, Any], given: dict[str, str], folder: Path, **environment: str) -> str:
    """Return what the document's own shell lines say; what needs root is stood in for."""
    lines = "\n".join(document["mainSteps"][0]["inputs"]["runCommand"])
    for name, value in given.items():
        lines = lines.replace(f"{{{{ {name} }}}}", value)
    lines = lines.replace("<Artefacts>", environment["ARTEFACT_BUCKET"])
    lines = lines.replace("<FrontPort>", "80")
    lines = lines.replace('bash "$folder', 'say "$folder').replace("/opt/forgery/", "say ")
    program = folder / "say"
    program.write_text('#!/bin/sh\necho "$@"; test ! -f "$1" || cat "$1" > "$SAID"\n')
    program.chmod(0o755)
    settings = {"PATH": f"{folder}:{PATH}", "TMPDIR": str(folder), "SAID": str(folder / "setup")}
    return subprocess.run(
        ["sh", "-c", lines],
        env=os.environ | environment | settings, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_the_document_brings_the_release_and_runs_it(
    deployment: dict[str, str], client: Any, document: dict[str, Any], tmp_path: Path
) -> None:
    bucket = deployment["ARTEFACT_BUCKET"]
    for name in ("rollout", "haproxy.cfg", "server-setup"):
        client("s3").upload_file(ROOT / "deploy" / name, bucket, f"operations/0123abc/{name}")
    given = {"command": "deploy", "image": IMAGE, "revision": "0123abc"}
    setup, rollout = play(document, given, tmp_path, **deployment).splitlines()
    assert (tmp_path / "setup").read_bytes() == (ROOT / "deploy" / "server-setup").read_bytes()
    assert rollout == f"rollout deploy {IMAGE}"
    assert not Path(setup).parent.exists(), "the folder is left behind"


def test_the_document_rolls_back_with_what_the_server_has(
    deployment: dict[str, str], document: dict[str, Any], tmp_path: Path
) -> None:
    given = {"command": "rollback", "image": "none", "revision": "none"}
    assert play(document, given, tmp_path, **deployment) == "rollout rollback\n"


def test_rollout_logs_in_to_ecr(cloud: dict[str, str], tmp_path: Path) -> None:
    """The real AWS CLI asks moto for the login; what Docker is given is written down."""
    docker = tmp_path / "docker"
    docker.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/calls\n'
        f'case "$1" in login) cat > {tmp_path}/password ;; image|pull) exit 1 ;; esac\n'
    )
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    program = """
import runpy, sys, pathlib
names = runpy.run_path(sys.argv[1], run_name="rollout")
rollout = object.__new__(names["Rollout"])
rollout.docker = names["Docker"](sys.argv[2])
rollout.log_in("123456789012.dkr.ecr.eu-central-1.amazonaws.com")
"""
    command = ["python3", "-c", program, ROOT / "deploy" / "rollout", docker]
    subprocess.run(command, env=os.environ | cloud, check=True)
    assert (tmp_path / "calls").read_text().split() == [
        "login", "--username", "AWS", "--password-stdin",
        "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
    ]  # fmt: skip
    assert (tmp_path / "password").read_text().strip()
