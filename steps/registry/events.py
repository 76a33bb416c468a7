"""The events of a registered model: one tag each, for people first and then for programs.

The value of a tag is a sentence, and below it all that is known as JSON.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from steps.registry.logged_model import comparison

EVENT_TAG = "event."
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


def written(event: Mapping[str, Any]) -> str:
    """Return the value of an event's tag."""
    return f"{_sentence(event)}\n{json.dumps(event)}"


def read(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the events among the tags of a registered model, the oldest first."""
    keys = sorted(key for key in tags if key.startswith(EVENT_TAG))
    return [json.loads(tags[key][tags[key].index("\n") + 1 if _has_words(tags[key]) else 0 :])
            for key in keys]  # fmt: skip


def unreadable(tags: Mapping[str, str]) -> list[str]:
    """Return the keys of events that are JSON alone, as earlier versions wrote them."""
    return [key for key in tags if key.startswith(EVENT_TAG) and not _has_words(tags[key])]


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
        f"- {event['at'][:16].replace('T', ' ')} UTC: {_sentence(event)}"
        for event in reversed(events[-SHOWN:])
    ]
    while lines and len("\n".join([above, *lines])) > DESCRIPTION_LIMIT - len(HEADING) - 4:
        lines.pop()
    text = "\n".join([above, "", HEADING, "", *lines]) if lines else above
    return text[:DESCRIPTION_LIMIT]


def _sentence(event: Mapping[str, Any]) -> str:
    return f"{event.get('action', 'promote')} by {event['by']}: {in_words(event)}"


def _has_words(value: str) -> bool:
    return not value.startswith("{")
