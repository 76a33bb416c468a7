"""The contract of `/invocations`, tried on a real model through its own pyfunc and process."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow

from forgery_lab import packaging
from forgery_lab.scoring import Ask
from forgery_lab.trials import read_heatmap
from forgery_pyfunc.detector import RECORD_FIELDS

VERDICTS = ("authentic", "forged", "inconclusive")


def faults(model: Path, ask: Ask) -> list[str]:
    """Return what breaks the contract, a sentence each; empty for a sound model.

    Args:
        model: folder of the MLflow model.
        ask: the model, opened by `scoring.opened`.

    Raises:
        ModelError: the model's process died.
    """
    golden = [packaging.input_example()["image"][0]]
    return [*_signature(model), *_record(ask(golden)[0]), *_same(ask, golden)]


def _signature(model: Path) -> Iterator[str]:
    if mlflow.models.get_model_info(str(model)).signature != packaging.signature():
        yield "it does not have the signature of the contract"


def _record(record: dict[str, Any]) -> Iterator[str]:
    if record.get("error"):
        yield f"it cannot score the golden image: {record['error']}"
        return
    if set(record) != set(RECORD_FIELDS):
        yield f"it answers with the fields {', '.join(record)}"
    probability = record.get("probability")
    if not isinstance(probability, float) or not 0 <= probability <= 1:
        yield f"it gives the golden image a probability of {probability}"
    if record.get("verdict") not in VERDICTS:
        yield f"it gives the golden image the verdict {record.get('verdict')!r}"


def _same(ask: Ask, golden: list[bytes]) -> Iterator[str]:
    """Yield what is wrong with the second answer: as text, in a batch, at a threshold, as a map."""
    first = ask(golden)[0]
    if first.get("error"):
        return
    if ask(golden)[0] != first:
        yield "it gives two answers for one image"
    if ask([base64.b64encode(golden[0])])[0] != first:
        yield "it does not read base64 text as the image that it encodes"
    broken, beside = ask([b"no image", *golden])
    if not broken.get("error") or broken.get("probability") is not None:
        yield "it gives no error for bytes that are no image"
    if not math.isclose(beside.get("probability") or -1, first["probability"], abs_tol=1e-6):
        yield "a broken image in a batch changes the answer for the one beside it"
    cut = [ask(golden, threshold=value)[0].get("verdict") for value in (0.0, 1.0)]
    if first["probability"] < 1 and cut != ["forged", "authentic"]:
        yield f"the thresholds 0 and 1 give the verdicts {cut[0]} and {cut[1]}"
    heatmap = ask(golden, heatmap=True)[0].get("heatmap")
    if heatmap and read_heatmap(heatmap).shape != (first["height"], first["width"]):
        yield "its heat map is not of the size of the image"
