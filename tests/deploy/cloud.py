"""AWS as moto stands in for it, with the stack of `deploy/cloudformation.yaml` created in it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.deploy.engine import ROOT

TEMPLATE = ROOT / "deploy" / "cloudformation.yaml"
PARAMETERS = {
    "GitHubOrganisation": "acme",
    "GitHubOrganisationId": "1001",
    "GitHubRepository": "forgery",
    "GitHubRepositoryId": "2002",
    "GitHubEnvironment": "production",
    "AllowedCidr": "10.0.0.0/8",
}
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for the AWS CLI


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as their long ones."""


def function(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    readers = {
        yaml.ScalarNode: loader.construct_scalar,
        yaml.SequenceNode: lambda n: loader.construct_sequence(n, deep=True),
        yaml.MappingNode: lambda n: loader.construct_mapping(n, deep=True),
    }
    return {suffix: readers[type(node)](node)}


Loader.add_multi_constructor("!", function)


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    return yaml.load(TEMPLATE.read_text("utf-8"), Loader)


@pytest.fixture(scope="session")
def cloud() -> Iterator[dict[str, str]]:
    """The environment that leads AWS clients to a moto server."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "NO_PROXY": "127.0.0.1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "PATH": PATH,
    }
    server.stop()


@pytest.fixture(scope="session")
def client(cloud: dict[str, str]) -> Any:
    """A function that makes boto3 clients for the moto server."""

    def make(service: str) -> Any:
        return boto3.client(
            service,
            region_name=cloud["AWS_DEFAULT_REGION"],
            endpoint_url=cloud["AWS_ENDPOINT_URL"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    return make


def image_id(client: Any) -> str:
    return client("ec2").describe_images()["Images"][0]["ImageId"]


@pytest.fixture(scope="session")
def stack(client: Any, template: dict[str, Any]) -> dict[str, str]:
    """The physical ids of the created stack, by logical name."""
    subnet = client("ec2").describe_subnets()["Subnets"][0]
    ids = {"VpcId": subnet["VpcId"], "SubnetId": subnet["SubnetId"], "ImageId": image_id(client)}
    parameters = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in (PARAMETERS | ids).items()
    ]
    formation = client("cloudformation")
    formation.create_stack(
        StackName="forgery",
        TemplateBody=TEMPLATE.read_text("utf-8"),
        Parameters=parameters,
        Capabilities=["CAPABILITY_IAM"],
    )
    resources = formation.describe_stack_resources(StackName="forgery")["StackResources"]
    named = (one for one in resources if "LogicalResourceId" in one)  # moto leaves some without
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in named}
