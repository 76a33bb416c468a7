"""The forgeries of the plan with masks, matched authentic pictures, and a table of both."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from benchmarks.sealed import cutouts, encoders, forging, gimp, plan, views
from benchmarks.sealed.encoders import Save
from benchmarks.sealed.forging import Scene
from benchmarks.sealed.plan import Recipe
from benchmarks.sealed.table import TABLE
from benchmarks.sealed.views import View
from forgery_lab.data.folders import images
from forgery_lab.errors import DataError
from forgery_lab.files import whole_folder
from forgery_lab.processes import in_parallel
from forgery_lab.progress import Progress

MIDDLE_SAVES = 0.4
DONOR_SAVES = 0.4
KERNELS = ("ImageMagick Mitchell", "ImageMagick Lanczos", "ImageMagick spline",
           "OpenCV cubic", "OpenCV area")  # fmt: skip
PROGRAMS = {"GIMP": gimp.PROGRAM, "ImageMagick": "convert"}
"""What the tools of a plan need beside OpenCV and Pillow."""


def make(
    photos: Sequence[Path], out: Path, progress: Progress | None = None, only: str = ""
) -> pd.DataFrame:
    """Write all forgeries of the plan into a new folder; return their table.

    Args:
        photos: folders with the originals.
        out: folder to write, which must not exist or be empty.
        progress: called with forgeries done and in all.
        only: forgeries whose name starts with this.

    Raises:
        DataError: an original is missing, or `out` holds something.
    """
    recipes = [one for one in plan.recipes() if one.name.startswith(only) and not lacks(one)]
    originals = found(photos, {digits for one in recipes for digits in (one.host, one.donor)})
    with whole_folder(out) as folder:
        for name in ("forged", "authentic", "masks"):
            (folder / name).mkdir()
        work = Making(folder, originals)
        rows = list(in_parallel(work, recipes, progress=progress))
        table = pd.DataFrame(rows)
        table.to_csv(folder / TABLE, sep="\t", index=False)
    return table


def lacks(recipe: Recipe) -> str:
    """Return the program that a recipe needs and this machine lacks, or nothing."""
    needed = PROGRAMS.get(recipe.tool.split()[0])
    return needed if needed and shutil.which(needed) is None else ""


def missing() -> list[str]:
    """Return what is left out on this machine, and why."""
    lost = [f"{one.name}: {lacks(one)}" for one in plan.recipes() if lacks(one)]
    return lost + encoders.missing()


def found(photos: Sequence[Path], wanted: set[str]) -> dict[str, Path]:
    """Return the file of every wanted original by the first digits of its SHA-256.

    Raises:
        DataError: one is missing.
    """
    digits = len(min(wanted))
    paths = {
        hashlib.sha256(path.read_bytes()).hexdigest()[:digits]: path
        for folder in photos
        for path in images(folder)
    }
    if lost := sorted(wanted - set(paths)):
        raise DataError(f"{len(lost)} originals are in none of the folders, such as {lost[0]}…")
    return {one: paths[one] for one in wanted}


@dataclass(frozen=True)
class Making:
    """Makes and writes one forgery and its counterpart; picklable.

    Attributes:
        folder: to write to.
        originals: files by the first digits of their SHA-256.
    """

    folder: Path
    originals: dict[str, Path]

    def __call__(self, recipe: Recipe) -> dict[str, Any]:
        """Return a row of the table."""
        cv2.setNumThreads(1)
        pixels = upright(self.originals[recipe.host])
        size = pixels.shape[1], pixels.shape[0]
        view = views.drawn(recipe.rng("view"), size, recipe.needed, recipe.target)
        picture, middle = self._working(recipe, view, pixels)
        scene, donated = self._scene(recipe, view, picture)
        forged = forging.forge(scene)
        last = encoders.drawn(recipe.rng("last save"))
        for name, made in (("forged", forged.pixels), ("authentic", picture)):
            path = self.folder / name / f"{recipe.name}{last.suffix}"
            path.write_bytes(last.encoded(np.ascontiguousarray(made)))
        mask = Image.fromarray(forged.mask.astype(np.uint8) * 255)
        mask.save(self.folder / "masks" / f"{recipe.name}.png")
        return {
            "name": recipe.name,
            "kind": recipe.kind,
            "tool": recipe.tool,
            "host": hashlib.sha256(self.originals[recipe.host].read_bytes()).hexdigest(),
            "donor": hashlib.sha256(self.originals[recipe.donor].read_bytes()).hexdigest(),
            "area": round(float(forged.mask.mean()), 5),
            "width": view.width,
            "height": view.height,
            "view": " ".join(filter(None, [view.how, f"{view.scale:.3f}", view.resampler])),
            "saves": 2 + (middle is not None) - (last.suffix == ".png"),
            "middle_save": str(middle or ""),
            "donor_detail": donated,
            "detail": forged.detail,
            "last_save": str(last),
            "forged": f"forged/{recipe.name}{last.suffix}",
            "authentic": f"authentic/{recipe.name}{last.suffix}",
            "mask": f"masks/{recipe.name}.png",
        }

    def _working(
        self, recipe: Recipe, view: View, pixels: np.ndarray
    ) -> tuple[np.ndarray, Save | None]:
        """Return the picture that is to be forged, and its middle save where it had one."""
        picture = views.shown(view, pixels)
        rng = recipe.rng("middle save")
        if rng.random() >= MIDDLE_SAVES:
            return picture, None
        middle = encoders.drawn(rng, middle=True)
        return decoded(middle.encoded(picture)), middle

    def _scene(self, recipe: Recipe, view: View, picture: np.ndarray) -> tuple[Scene, str]:
        """Return what the tool works on, and how the object was treated before."""
        if recipe.kind in plan.DONATED:
            return self._spliced(recipe, view, picture)
        region = cutouts.outline(picture, view.box(recipe.region), recipe.shape)
        if not region.any():
            raise DataError(f"{recipe.name}: nothing was found in the region")
        if recipe.kind == "copy-move":
            kernel = recipe.tool
            moved = forging.transformed(forging.cut(picture, region), recipe.size, recipe.turn,
                                        recipe.mirror, kernel)  # fmt: skip
            foot = view.point(*(recipe.to or (0.5, 1.0)))
            return Scene(recipe, picture, region, *moved.placed(picture, *foot)), ""
        offset = (0.0, 0.0)
        if recipe.to:
            left, top, right, bottom = recipe.region
            start = view.point((left + right) / 2, (top + bottom) / 2)
            end = view.point(*recipe.to)
            offset = end[0] - start[0], end[1] - start[1]
        return Scene(recipe, picture, region, offset=offset), ""

    def _spliced(self, recipe: Recipe, view: View, picture: np.ndarray) -> tuple[Scene, str]:
        rng = recipe.rng("donor")
        kernel = str(rng.choice(KERNELS))
        saved = rng.random() < DONOR_SAVES
        pixels = upright(self.originals[recipe.donor])
        height, width = pixels.shape[:2]
        whole = View("whole", 0, 0, width, height, 1.0, (width, height))
        box = whole.box(recipe.region)
        left, top, right, bottom = cutouts.widened(box, pixels.shape, 0.5)
        crop = np.ascontiguousarray(pixels[top:bottom, left:right])
        inner = box[0] - left, box[1] - top, box[2] - left, box[3] - top
        region = cutouts.outline(crop, inner, recipe.shape)
        if not region.any():
            raise DataError(f"{recipe.name}: GrabCut found no object")
        scale = recipe.size * view.original[1] * view.scale / (inner[3] - inner[1])
        one = forging.cut(crop, region)
        one = forging.transformed(one, scale, recipe.turn, recipe.mirror, kernel)
        save = encoders.drawn(rng, middle=True) if saved else None
        if save:
            one = forging.Cut(decoded(save.encoded(np.ascontiguousarray(one.pixels))), one.alpha)
        foot = view.point(*(recipe.to or (0.5, 1.0)))
        layer, alpha = one.placed(picture, *foot)
        detail = ", ".join(filter(None, [f"{scale:.2f} {kernel}", str(save or "")]))
        return Scene(recipe, picture, alpha > 0.5, layer, alpha), detail


def upright(path: Path) -> np.ndarray:
    """Return uint8[H, W, 3] of an original, turned as its EXIF says."""
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def decoded(data: bytes) -> np.ndarray:
    """Return uint8[H, W, 3] of a file in memory."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
