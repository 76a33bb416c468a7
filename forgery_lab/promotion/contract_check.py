"""The contract of `/invocations`, tried on a real model through its own pyfunc and process."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow

from forgery_lab.evaluation.scoring import Ask
from forgery_lab.evaluation.trials import read_heatmap
from forgery_lab.export import pyfunc
from forgery_pyfunc.contract import RECORD_FIELDS, VERDICTS


def faults(model: Path, ask: Ask) -> list[str]:
    """Return what breaks the contract, a sentence each; empty for a sound model.

    Args:
        model: folder of the MLflow model.
        ask: the model, opened by `scoring.opened`.

    Raises:
        ModelError: the model's process died.
    """
    golden = [pyfunc.input_example()["image"][0]]
    first = ask(golden)[0]
    found = [*_signature(model), *_record(first)]
    return found or [*_same(ask, golden, first)]


def odd_value(record: dict[str, Any]) -> str | None:
    """Return what is wrong with the values of a record, None where they may be such."""
    probability, verdict = record.get("probability"), record.get("verdict")
    if probability is not None and not (isinstance(probability, float) and 0 <= probability <= 1):
        return f"it gives an image a probability of {probability!r:.80}"
    if verdict is not None and verdict not in VERDICTS:
        return f"it gives an image the verdict {verdict!r:.80}"
    return None


def _signature(model: Path) -> Iterator[str]:
    if mlflow.models.get_model_info(str(model)).signature != pyfunc.signature():
        yield "it does not have the signature of the contract"


def _record(record: dict[str, Any]) -> Iterator[str]:
    if record.get("error"):
        yield f"it cannot score the golden image: {record['error']}"
        return
    if set(record) != set(RECORD_FIELDS):
        yield f"it answers with the fields {', '.join(record)}"
    if odd := odd_value(record):
        yield odd
    for name in ("probability", "verdict"):
        if record.get(name) is None:
            yield f"it gives the golden image no {name}"


def _same(ask: Ask, golden: list[bytes], first: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the second answer: as text, in a batch, at a threshold, as a map."""
    if ask(golden)[0] != first:
        yield "it is not deterministic: the same image scored differently"
    if ask([base64.b64encode(golden[0])])[0] != first:
        yield "it does not read base64 text as the image that it encodes"
    broken, beside = ask([b"no image", *golden])
    if not broken.get("error") or broken.get("probability") is not None:
        yield "it gives no error for bytes that are not an image"
    if not math.isclose(beside.get("probability") or -1, first["probability"], abs_tol=1e-6):
        yield "a broken image in a batch changes the answer for the one beside it"
    cut = [ask(golden, threshold=value)[0].get("verdict") for value in (0.0, 1.0)]
    if first["probability"] < 1 and cut != ["forged", "authentic"]:
        yield f"the thresholds 0 and 1 give the verdicts {cut[0]} and {cut[1]}"
    heatmap = ask(golden, heatmap=True)[0].get("heatmap")
    try:
        shape = read_heatmap(heatmap).shape if heatmap else None
    except (OSError, ValueError, TypeError):
        yield "its heat map is not an image"
        return
    if shape and shape != (first["height"], first["width"]):
        yield "its heat map does not have the size of the image"
