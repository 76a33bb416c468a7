"""Asks an MLflow server which version an alias points at, without importing MLflow."""

import os
from collections.abc import Callable

from serving.errors import ServiceError


def champion_by_rest(model_uri: str) -> Callable[[], str]:
    """Return a function that asks an MLflow server for the version of `models:/NAME@ALIAS`.

    Raises:
        ServiceError: the URI has no alias, or `MLFLOW_TRACKING_URI` is not an http server.
    """
    name, at, alias = model_uri.removeprefix("models:/").partition("@")
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    if not at or not model_uri.startswith("models:/"):
        raise ServiceError(
            f"MODEL_URI is {model_uri!r}; to follow the registry it must be models:/NAME@ALIAS"
        )
    if not server.startswith("http"):
        raise ServiceError(
            f"MLFLOW_TRACKING_URI is {server!r}; to follow the registry it must be http(s)://…"
        )
    return lambda: ask_alias(server, name, alias)


def ask_alias(server: str, name: str, alias: str) -> str:
    """Return NAME/VERSION of an alias; raise `ServiceError` where the server does not say."""
    import requests  # here: only a follower needs it

    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    secret = os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    try:
        answer = requests.get(
            f"{server.rstrip('/')}/api/2.0/mlflow/registered-models/alias",
            params={"name": name, "alias": alias},
            auth=(user, secret) if user else None,
            timeout=10,
        )
        if answer.ok:
            return f"{name}/{answer.json()['model_version']['version']}"
        reason = f"status {answer.status_code}"
    except (requests.RequestException, ValueError, KeyError) as error:
        reason = type(error).__name__
    raise ServiceError(f"{server} does not say which version has the alias {alias}: {reason}")
