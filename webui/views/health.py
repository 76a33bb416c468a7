"""For operators: liveness, readiness, versions and metrics for Prometheus."""

from flask import Blueprint, Response, current_app
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from forgery.client import ClientError
from webui.errors import ApiError
from webui.openapi import describe
from webui.scoring.pool import scoring

blueprint = Blueprint("health", __name__)

PING_ERRORS = (
    "scoring_server_failed",
    "scoring_server_absent",
    "scoring_server_busy",
    "scoring_server_late",
)


class Status(BaseModel):
    """The state in one word."""

    status: str


class Versions(BaseModel):
    """The versions that answer; null where the scoring server has not reported one."""

    model_config = ConfigDict(protected_namespaces=())

    version: str
    model_version: str | None
    model_since: str | None
    mlflow_version: str | None


@blueprint.get("/livez")
@describe({"application/json": Status}, tag="operation")
def livez() -> dict[str, str]:
    """Report that this process is running, whatever the state of the scoring server."""
    return Status(status="alive").model_dump()


@blueprint.get("/readyz")
@describe({"application/json": Status}, errors=["scoring_server_absent"], tag="operation")
def readyz() -> dict[str, str]:
    """Report whether the scoring server answers a real image."""
    if failure := scoring().probe.failing():
        raise ApiError("scoring_server_absent", f"Not ready. {failure}")
    return Status(status="ready").model_dump()


@blueprint.get("/ping")
@describe({"application/json": Status}, errors=PING_ERRORS, tag="operation")
def ping() -> dict[str, str]:
    """Report, as MLflow's scoring server does, whether that server has its model.

    Its status, but not its body: an empty line is no JSON.
    """
    scoring().upstream.current().health.ping()
    return Status(status="healthy").model_dump()


@blueprint.get("/health")
@describe({"application/json": Status}, errors=PING_ERRORS, tag="operation")
def health() -> dict[str, str]:
    """Report the same as `/ping`."""
    return ping()


@blueprint.get("/version")
@describe({"application/json": Versions}, tag="operation")
def versions() -> dict[str, str | None]:
    """Return the versions of this application, of the model and of its server."""
    try:
        mlflow_version = scoring().client.mlflow_version()
        scoring().probe.failing()  # learns the model's version
    except ClientError:
        mlflow_version = None  # the versions of the rest are still worth telling
    target = scoring().upstream.current()
    return Versions(
        version=current_app.config["VERSION"],
        model_version=target.model_version or scoring().probe.model_version,
        model_since=target.since,
        mlflow_version=mlflow_version,
    ).model_dump()


@blueprint.get("/metrics")
@describe({"text/plain": {"type": "string"}}, tag="operation")
def metrics() -> Response:
    """Return the counters in Prometheus' text format."""
    registry = current_app.extensions["metrics"].registry
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
