"""What a pipeline came to, in the few lines that `make run` ends with."""

import os
import shutil
import textwrap

from mlflow.entities.model_registry import ModelVersion

from forgery_lab.evaluation import finds, report
from forgery_pyfunc.detector import NETWORK_FILE
from steps.pipeline import registration
from steps.pipeline.promotion import REFUSAL_TAG
from steps.registry.model_registry import CHAMPION, Registry, number
from steps.settings.configuration import Workspace

WIDTH = 100
"""Columns at most."""


def summary(workspace: Workspace, served: str, url: str) -> str:
    """Return what was learnt, what the gate said of it, where the page is and what to try next.

    Args:
        workspace: whose detector and evaluation are told of, where it has them.
        served: the model that answers.
        url: of the page.
    """
    facts = {
        **trained_here(workspace),
        "Page and API": f"{url}, answered by {served}; Ctrl-C stops both.",
        "Try next": "Drop a photograph on the page. In another terminal, `make ui` shows runs, "
        f"models and reports; `curl -F file=@photo.jpg {url}/predict` asks the API; "
        "`make pipeline DATASET=path/to/casia` trains on your own images.",
    }
    margin = max(map(len, facts)) + 2
    width = min(shutil.get_terminal_size().columns, WIDTH)
    lines = [
        textwrap.fill(
            text, width, initial_indent=name.ljust(margin), subsequent_indent=" " * margin,
            break_long_words=False, break_on_hyphens=False,
        )
        for name, text in facts.items()
    ]  # fmt: skip
    return "\n".join(["", *lines, ""])


def trained_here(workspace: Workspace) -> dict[str, str]:
    """Return what the workspace's detector learnt and found, and what the gate said of it."""
    detector = workspace.path("detector")
    if not (detector / NETWORK_FILE).is_file():
        return {}
    facts = {}
    evaluation = registration.evaluation_of(detector, workspace)
    if evaluation is not None:
        facts["Learnt"] = report.learnt(evaluation)
        picture = workspace.path("evaluation") / finds.PICTURE
        if picture.is_file():
            shows = "shows forgeries that it is surest of, each with its heat map and verdict."
            facts["Found"] = f"{os.path.relpath(picture)} {shows}"
    registry = Registry(workspace.registered_model)
    version = registry.by_digest(registration.detector_digest(detector))
    if version is not None:
        facts["The gate"] = verdict(registry, version)
    return facts


def verdict(registry: Registry, version: ModelVersion) -> str:
    """Return what became of a version, in one sentence."""
    name, champion = f"Version {number(version)}, trained here,", registry.by_alias(CHAMPION)
    if champion is not None and number(champion) == number(version):
        events = [one for one in registry.history() if one.get("version") == number(version)]
        reason = events[-1].get("reason") if events else ""
        return f"{name} is the champion" + (f": {reason}." if reason else ".")
    refusal = version.tags.get(REFUSAL_TAG)
    how = f"was refused ({refusal})" if refusal else "was not promoted"
    rest = "there is no champion"
    if champion is not None:
        rest = f"version {number(champion)} is the champion"
    return f"{name} {how}; {rest}."
