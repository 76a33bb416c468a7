"""GIMP's healing brush and clone tool, in its console."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

PROGRAM = "gimp-console"
SCRIPT = """
(let* ((image (car (gimp-file-load RUN-NONINTERACTIVE "{source}" "picture")))
       (layer (car (gimp-image-get-active-layer image)))
       (original (car (gimp-layer-new-from-drawable layer image)))
       (brush (car (gimp-brush-new "round"))))
  (gimp-image-insert-layer image original 0 1)
  (gimp-brush-set-hardness brush {hardness:.3f})
  (gimp-brush-set-radius brush {radius:.1f})
  (gimp-context-set-brush brush)
  (gimp-context-set-brush-size {size:.1f})
  (gimp-context-set-opacity 100)
  {strokes}
  (file-png-save RUN-NONINTERACTIVE image layer "{target}" "picture" 0 1 0 0 0 0 0))
(gimp-quit 0)
"""


def painted(
    picture: np.ndarray,
    tool: str,
    paths: Sequence[np.ndarray],
    offset: tuple[float, float],
    radius: float,
    hardness: float,
) -> np.ndarray:
    """Return the picture with strokes of a tool, which takes what it paints at an offset.

    Args:
        picture: uint8[H, W, 3].
        tool: "heal" or "clone".
        paths: float[points, 2], x and y, of each stroke.
        offset: from what is painted to where that is taken.
        radius: of the brush, in pixels.
        hardness: of the brush, from 0 to 1.
    """
    kind = "IMAGE-CLONE " if tool == "clone" else ""
    strokes = "\n  ".join(
        f"(gimp-{tool} layer original {kind}{_numbers(path[0] + offset)} "
        f"{path.size} #({_numbers(path.ravel())}))"
        for path in paths
    )
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.png", Path(folder) / "target.png"
        Image.fromarray(picture).save(source, compress_level=1)
        script = SCRIPT.format(source=source, target=target, hardness=hardness, radius=radius,
                               size=2 * radius, strokes=strokes)  # fmt: skip
        command = [PROGRAM, "-n", "-i", "-d", "-f", "-b", "-"]
        subprocess.run(command, input=script.encode(), check=True, capture_output=True,
                       env={**os.environ, "GIMP2_DIRECTORY": folder})  # fmt: skip
        return np.asarray(Image.open(target).convert("RGB"))


def _numbers(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{value:.1f}" for value in values)
