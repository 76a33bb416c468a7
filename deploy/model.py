"""The model that a container serves: fetched from where it is, and checked before it is started.

`python -m deploy.model URI FOLDER` fetches and checks; `--check` in place of the URI only checks.
It is a process of its own, so that MLflow's memory is given back before the service starts.
"""

import json
import logging
import os
import shutil
import sys
from pathlib import Path

import yaml

from serving.errors import ServiceError

logger = logging.getLogger("model")

OUTPUTS = {"verdict", "probability"}
"""Fields that every answer must have; see the contract of `/invocations`."""


def check(folder: Path) -> None:
    """Raise `ServiceError` unless the folder holds an MLflow model with the right signature."""
    description = folder / "MLmodel"
    try:
        model = yaml.safe_load(description.read_text("utf-8"))
        flavors, signature = set(model["flavors"]), model.get("signature") or {}
        inputs = json.loads(signature.get("inputs") or "[]")
        outputs = {column.get("name") for column in json.loads(signature.get("outputs") or "[]")}
    except FileNotFoundError as error:
        raise ServiceError(
            f"there is no model in {folder}; build the image with MODEL_PATH or MODEL_URI, "
            "or start it with MODEL_URI"
        ) from error
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ServiceError(f"{description} is not the description of an MLflow model") from error
    if "python_function" not in flavors:
        raise ServiceError(f"the model in {folder} is not a pyfunc; it has {sorted(flavors)}")
    columns = [(column.get("name"), column.get("type")) for column in inputs]
    if columns != [("image", "binary")]:
        found = ", ".join(f"{name} ({kind})" for name, kind in columns) or "no columns"
        raise ServiceError(
            f"the model in {folder} has the wrong signature: it takes {found}; "
            "expected: one column, image (binary)"
        )
    if missing := OUTPUTS - outputs:
        raise ServiceError(
            f"the model in {folder} has the wrong signature: it does not answer with "
            f"{', '.join(sorted(missing))}"
        )


def fetch(uri: str, folder: Path) -> None:
    """Write the model of a URI into a new folder and check it.

    Raises:
        ServiceError: it could not be fetched (no such model, server absent, no space), or it is not
            a model that this service can serve.
    """
    # A roll-out waits for this: fail in seconds, not after MLflow's minutes of retries.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    from mlflow.artifacts import download_artifacts

    folder = folder.absolute()  # as MLflow answers
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = os.environ.get("MLFLOW_TRACKING_URI") or "no tracking server (MLFLOW_TRACKING_URI)"
    try:
        fetched = Path(download_artifacts(artifact_uri=uri, dst_path=str(folder)))
        if fetched != folder:  # a folder's name may come with it
            shutil.copytree(fetched, folder, dirs_exist_ok=True)
    except Exception as error:  # MLflow and its stores raise errors of any class
        reason = " ".join(str(error).split())[:300]
        raise ServiceError(
            f"the model {uri} could not be fetched from {server}: {reason}"
        ) from error
    check(folder)


def main(arguments: list[str]) -> int:
    """Fetch or check as the arguments say; return the exit status."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level="INFO")
    source, folder = arguments
    try:
        if source == "--check":
            check(Path(folder))
        else:
            fetch(source, Path(folder))
    except ServiceError as error:
        logger.critical("%s", error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
