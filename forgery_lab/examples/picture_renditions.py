"""Statistics of pictures as they are and as people pass them on: scaled, saved again."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from forgery_lab.forgeries.pictures import Save
from forgery_lab.processes import in_parallel
from forgery_lab.progress import Progress
from forgery_lab.sources.labelled_pictures import LabelledPicture
from forgery_pyfunc import borders
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.features import SMALLEST_SIDE
from forgery_pyfunc.imaging.decoding import DecodedImage, decode, from_pillow
from forgery_pyfunc.picture_statistics import NAMES, Sample, statistics

logger = logging.getLogger(__name__)

SCALES = (0.5, 2.0)
MOST_PIXELS = 3e6
"""Larger renditions would take longer; larger pictures are reduced to that or less."""
LEAST_SIDE = 100
QUALITIES = (60, 95)
LOSSLESS = 0.25
UNSCALED = 0.25
_KERNELS = (
    Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)  # fmt: skip
_CHUNK = 8


@dataclass(frozen=True)
class Rendering:
    """Makes the statistics of one picture's renditions; picklable.

    Attributes:
        renditions: of each picture, beside the picture as it is.
        seed: another one draws others.
    """

    renditions: int
    seed: int

    def __call__(self, picture: LabelledPicture) -> np.ndarray | None:
        """Return float32[1 + renditions, n]; None where the file cannot be read or is too small."""
        data = picture.path.read_bytes()
        try:
            image = decode(data)
        except ImageError as error:
            logger.warning("left out: %s: %s", picture.path.name, error)
            return None
        if min(image.width, image.height) < SMALLEST_SIDE:
            return None
        rng = np.random.default_rng([self.seed, int(hashlib.sha256(data).hexdigest()[:8], 16)])
        others = [passed_on(image.pixels, rng) for _ in range(self.renditions)]
        return np.stack([_inner_statistics(one) for one in (image, *others)])


def table(
    pictures: Sequence[LabelledPicture],
    renditions: int,
    seed: int,
    workers: int | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Return a row per picture and rendition.

    Columns: `picture` (its number), `rendition` (0: as it is), `source`, `is_photograph`,
    `may_teach`, and the statistics by name.
    """
    rendering = Rendering(renditions, seed)
    measured = in_parallel(rendering, pictures, workers, chunk=_CHUNK, progress=progress)
    parts = [
        pd.DataFrame(found, columns=list(NAMES)).assign(
            picture=number,
            rendition=range(len(found)),
            source=picture.source,
            is_photograph=picture.is_photograph,
            may_teach=picture.may_teach,
        )
        for number, (picture, found) in enumerate(zip(pictures, measured, strict=True))
        if found is not None
    ]
    return pd.concat(parts, ignore_index=True)


def passed_on(pixels: np.ndarray, rng: np.random.Generator) -> DecodedImage:
    """Return a picture scaled by a random factor and kernel, and saved as JPEG or without loss."""
    height, width = pixels.shape[:2]
    if rng.random() >= UNSCALED or height * width > MOST_PIXELS:
        image = Image.fromarray(pixels).resize(
            _drawn_size(width, height, rng),
            _KERNELS[rng.integers(len(_KERNELS))],
            reducing_gap=3.0,
        )
        pixels = np.asarray(image)
    return from_pillow(Image.fromarray(Save.drawn(rng, QUALITIES, LOSSLESS).apply(pixels)))


def _drawn_size(width: int, height: int, rng: np.random.Generator) -> tuple[int, int]:
    most = min(SCALES[1], np.sqrt(MOST_PIXELS / (width * height)))
    least = max(min(SCALES[0], most / 3), LEAST_SIDE / min(width, height))
    scale = np.exp(rng.uniform(np.log(min(least, most)), np.log(most)))
    return max(SMALLEST_SIDE, round(width * scale)), max(SMALLEST_SIDE, round(height * scale))


def _inner_statistics(image: DecodedImage) -> np.ndarray:
    """Return the statistics of what lies inside an image's bars, which is what is judged."""
    inner = image.part(*borders.inside(image.luma, SMALLEST_SIDE))
    return statistics(Sample.of(inner))
