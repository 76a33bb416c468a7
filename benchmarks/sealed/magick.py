"""ImageMagick's `convert` on pictures in memory."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def converted(pictures: Mapping[str, np.ndarray], arguments: Sequence[str]) -> np.ndarray:
    """Return uint8[H, W, 3] that `convert` makes of pictures.

    Args:
        pictures: uint8 by the names that stand for them in the arguments.
        arguments: of `convert`, without the output.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{number}.ppm" for number, name in enumerate(pictures)}
        for name, path in paths.items():
            Image.fromarray(pictures[name]).save(path)
        output = Path(folder) / "out.ppm"
        run([*(str(paths.get(one, one)) for one in arguments), "-depth", "8", f"ppm:{output}"])
        return np.asarray(Image.open(output).convert("RGB"))


def run(arguments: Sequence[str], given: bytes | None = None) -> bytes:
    """Return what `convert` writes to its standard output."""
    command = ["magick"] if shutil.which("magick") else ["convert"]
    done = subprocess.run([*command, *arguments], input=given, check=True, capture_output=True)
    return done.stdout
