"""A picture of the forgeries that a model is surest of: each with mask, heat map and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from forgery_lab.evaluation import plots
from forgery_lab.evaluation.mistakes import ShownImage
from forgery_lab.files import write_whole

PICTURE = "finds.png"
MOST = 3


def write(path: Path, found: Sequence[ShownImage]) -> None:
    """Write the picture of the first finds; where there is none, remove an earlier one."""
    if not found:
        path.unlink(missing_ok=True)
        return
    drawn = figure(found[:MOST])
    write_whole(path, lambda partial: drawn.savefig(partial, format="png", dpi=110))


def figure(found: Sequence[ShownImage]) -> Figure:
    """Return a row for each find: the picture with its mask outlined, and the heat map over it."""
    drawn = Figure(figsize=(9, 3.2 * len(found)), layout="constrained")
    rows = drawn.subplots(len(found), 2, squeeze=False)
    for (left, right), one in zip(rows, found, strict=True):
        marked = one.picture if one.mask is None else plots.outlined(one.picture, one.mask)
        left.imshow(marked)
        left.set_title(f"{one.kind}, the forged region outlined", fontsize=10)
        if one.heatmap is not None:
            right.imshow(plots.overlay(one.picture, one.heatmap))
        right.set_title(f"verdict {one.verdict}, probability {one.probability:.2f}", fontsize=10)
        for axes in (left, right):
            axes.set_axis_off()
    return drawn
