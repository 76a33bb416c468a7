"""What a step says in the terminal: its own sentences, and only warnings of the libraries.

`VERBOSE=1` brings back what libraries say, with times and names, and the details of our own steps.
Variables that a user has set for a library stay as they are.
"""

import logging
import os
import warnings

OWN = ("forgery", "forgery_lab", "forgery_pyfunc", "steps", "follow")
"""Loggers whose sentences are for whoever started the step."""

QUIET = {
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "UVICORN_LOG_LEVEL": "warning",
    "UVICORN_ACCESS_LOG": "false",  # of the scoring server: mostly what supervisor and page ask it
    "LOG_LEVEL": "WARNING",  # of the page
}
"""The environment of libraries and services, which write to the same terminal."""


def is_verbose() -> bool:
    """Return whether the environment asks for all that there is to say."""
    return os.environ.get("VERBOSE", "") not in ("", "0")


def configure(step: str) -> None:
    """Set up logs and warnings of this process, and by the environment those of its children."""
    verbose = is_verbose()
    for name in OWN:
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
    if verbose:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
        return
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    logging.basicConfig(level=logging.WARNING, format=f"{step.replace('%', '%%')}: %(message)s")
    logging.getLogger("mlflow").setLevel(os.environ["MLFLOW_LOGGING_LEVEL"].upper())
    for category in (UserWarning, FutureWarning):  # hints about schemas, sources and versions
        warnings.filterwarnings("ignore", category=category, module=r"mlflow\.")
