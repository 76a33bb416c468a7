"""The events of a registered model: a tag each, as JSON; the latest in its description, in words.

MLflow's pages leave out tags whose keys begin with `mlflow.`, so that people see the words alone.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from steps.registry.logged_model import comparison

EVENT_TAG = "mlflow.forgery.event."
SHOWN_EVENT_TAG = "event."
"""Under which earlier versions of this project wrote events, for all to see."""
SHOWN = 10
"""Events that the description of the registered model lists."""
DESCRIPTION_LIMIT = 5000
"""Characters that MLflow's tables hold."""
_REASON_LIMIT = 300
"""Characters of a reason in a sentence; the JSON has all of it."""

ABOUT = """\
Detects tampered photographs: gives a verdict (authentic, forged or inconclusive), a calibrated \
probability and a heat map.

- **Aliases**: `champion` is served; `challenger` was registered last and asks the gate for \
that place.
- **Load it**: `mlflow.pyfunc.load_model("models:/{name}@champion")`; input is one column, \
`image`, the bytes of an encoded image.
- **Figures**: a version's description says in words what it scores. Metrics and parameters are on \
its logged model, the model card (`model_card.html`) on its source run.\
"""
HEADING = "### Latest events"


def read(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the events among the tags of a registered model, the oldest first."""
    found = [
        json.loads(value)
        for key, value in tags.items()
        if key.startswith((EVENT_TAG, SHOWN_EVENT_TAG))
    ]
    return sorted(found, key=lambda event: event["at"])


def in_words(event: Mapping[str, Any]) -> str:
    """Return what happened: "version 2 to Production, after version 1, AUC 0.81 against 0.7"."""
    reason = " ".join(str(event.get("reason") or "").split())
    reason = f"{reason[:_REASON_LIMIT]}…" if len(reason) > _REASON_LIMIT else reason
    if "version" not in event:
        return reason
    before, figures = event.get("from_version"), event.get("figures") or {}
    text = f"version {event['version']} to {event['to']}"
    text += f", after version {before}" if before else ""
    auc = {name: value for name, value in figures.items() if name.endswith(".AUC")}
    text += f", {comparison(auc)}" if auc else ""
    return f"{text}: {reason}" if reason else text


def description(present: str, name: str, events: Sequence[Mapping[str, Any]]) -> str:
    """Return the description of a registered model, Markdown, with its latest events.

    What somebody wrote above the events stays.
    """
    above = present.partition(HEADING)[0].strip() or ABOUT.format(name=name)
    lines = [
        f"- {event['at'][:16].replace('T', ' ')} UTC: {event.get('action', 'promote')} by "
        f"{event['by']}: {in_words(event)}"
        for event in reversed(events[-SHOWN:])
    ]
    while lines and len("\n".join([above, *lines])) > DESCRIPTION_LIMIT - len(HEADING) - 4:
        lines.pop()
    text = "\n".join([above, "", HEADING, "", *lines]) if lines else above
    return text[:DESCRIPTION_LIMIT]
