"""What can be told without a network: the rules and small models that every figure stands beside.

Each baseline gives a probability for equal priors, learnt from the same training images, saved
under the same protocol, as the figures it stands beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from scipy.fft import dctn
from scipy.ndimage import laplace
from threadpoolctl import threadpool_limits

from forgery_lab.processes import in_parallel
from forgery_lab.progress import Progress
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.ela import error_levels
from forgery_pyfunc.imaging.jpeg_header import read_header
from forgery_pyfunc.imaging.sniffing import sniff

BASELINES = {
    "majority": "the more common class of the training images, always",
    "category": "category in the file name (animal, texture, …), by its rate in training",
    "extension": "file extension, by its rate in training",
    "header": "stored header fields (tables, subsampling, markers), boosted trees",
    "dimensions": "width, height and bytes, boosted trees",
    "pixels": "whole-image ELA and pixel statistics, boosted trees",
}
LAST = "pixels"
"""The baseline that a network has to beat to have learnt anything worth its cost."""

ELA_QUALITIES = (60, 70, 75, 80, 85, 90, 95, 98)
_MARKERS = ("JFIF", "EXIF", "XMP", "ICC", "Adobe", "Photoshop", "Ducky", "COM", "MPF")
_SUBSAMPLINGS = ("grey", "4:4:4", "4:4:0", "4:2:2", "4:2:0", "4:1:1")
_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
_SMOOTHING = 0.5
_CHUNK = 16
_LEAST_FOR_PROCESSES = 64

Load = Callable[[], bytes]


def header_features(data: bytes) -> np.ndarray:
    """Return float32[146] of what a file's header stores; neither dimensions nor bytes.

    Format, luma and chroma tables, quality, subsampling, process and markers; NaN where a file
    has none.
    """
    name = sniff(data)
    formats = [float(name == one) for one in _FORMATS]
    try:
        header = read_header(data) if name == "JPEG" else None
    except ImageError:
        header = None
    if header is None:
        rest = np.full(128 + 4 + len(_MARKERS), np.nan)
        return np.array([*formats, *rest], np.float32)
    luma = header.tables[0]
    chroma = header.tables[1] if len(header.tables) > 1 else (np.nan,) * 64
    subsampling = (
        _SUBSAMPLINGS.index(header.subsampling) if header.subsampling in _SUBSAMPLINGS else -1
    )
    facts = [header.quality, header.standard, subsampling, header.progressive]
    markers = [float(marker in header.markers) for marker in _MARKERS]
    return np.array([*formats, *luma, *chroma, *facts, *markers], np.float32)


def dimension_features(data: bytes) -> np.ndarray:
    """Return float32[5]: width, height, area, bytes, and bytes per pixel."""
    image = decode(data)
    area = image.width * image.height
    return np.array([image.width, image.height, area, len(data), len(data) / area], np.float32)


def pixel_features(data: bytes) -> np.ndarray:
    """Return float32[n]: statistics of the whole picture and of its ELA at eight qualities."""
    image = decode(data)
    found: list[float] = []
    for quality in ELA_QUALITIES:
        found += _distribution(error_levels(image.pixels, quality))
    for channel in np.moveaxis(image.pixels, 2, 0):
        found += _distribution(channel)
    return np.array([*found, *_texture(image.luma)], np.float32)


def _distribution(levels: np.ndarray) -> list[float]:
    """Mean, deviation, skewness, kurtosis, four quantiles and both extremes of uint8 levels."""
    share = np.bincount(levels.ravel(), minlength=256) / levels.size
    value = np.arange(256)
    mean = share @ value
    second, third, fourth = (share @ (value - mean) ** power for power in (2, 3, 4))
    spread = np.sqrt(second) + 1e-6
    quantiles = np.searchsorted(share.cumsum(), [0.05, 0.5, 0.9, 0.99])
    shape = [third / spread**3, fourth / spread**4]
    return [mean, spread, *shape, *quantiles, share[0], share[255]]


def _texture(luma: np.ndarray) -> list[float]:
    """Gradients, high-pass residual, blockiness on the JPEG grid and energy in eight DCT bands."""
    luma = luma.astype(np.float32)
    rows, columns = np.abs(np.diff(luma, axis=0)), np.abs(np.diff(luma, axis=1))
    residual = laplace(luma)
    found = [rows.mean(), columns.mean(), residual.std(), np.median(np.abs(residual))]
    for steps in (rows, columns.T):
        on_grid = steps[7::8].mean() if len(steps) > 7 else steps.mean()
        found.append(on_grid / (steps.mean() + 1e-3))
    height, width = (side // 8 * 8 for side in luma.shape)
    if height and width:
        blocks = luma[:height, :width].reshape(height // 8, 8, width // 8, 8).swapaxes(1, 2)
        spectrum = np.abs(dctn(blocks, axes=(2, 3), norm="ortho"))
        band = np.add.outer(np.arange(8), np.arange(8)) * 8 // 15
        found += [np.log1p(spectrum[..., band == b].mean()) for b in range(8)]
        found += [(spectrum[..., band == b] < 0.5).mean() for b in range(8)]
    else:
        found += [0.0] * 16
    return [float(value) for value in found]


_FEATURES: dict[str, Callable[[bytes], np.ndarray]] = {
    "header": header_features,
    "dimensions": dimension_features,
    "pixels": pixel_features,
}


def extract(
    images: Sequence[Load],
    families: Sequence[str] = tuple(_FEATURES),
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Return float32[n, features] per family for images that are loaded one by one.

    Args:
        images: callables that return the bytes of an image; picklable, as they run in processes.
        families: of "header", "dimensions" and "pixels".
        workers: processes.
        progress: called with images done and images in all.
    """
    look = partial(_extract_one, families)
    found = list(in_parallel(look, images, workers, _CHUNK, _LEAST_FOR_PROCESSES, progress))
    return {name: np.stack([row[i] for row in found]) for i, name in enumerate(families)}


def _extract_one(families: Sequence[str], load: Load) -> list[np.ndarray]:
    data = load()
    return [_FEATURES[name](data) for name in families]


def predict(
    name: str,
    train: pd.DataFrame,
    test: pd.DataFrame,
    train_features: Mapping[str, np.ndarray],
    test_features: Mapping[str, np.ndarray],
    seed: int = 0,
) -> np.ndarray:
    """Return float64[n]: the probability that each row of `test` is forged.

    Args:
        name: one of `BASELINES`.
        train: manifest rows to learn from; `label`, `category` and `extension` are read.
        test: manifest rows to judge.
        train_features: what `extract` gave for the images of `train`, in their order.
        test_features: the same for `test`.
        seed: of the boosted trees.

    Raises:
        ValueError: `name` is not a baseline.
    """
    if name not in BASELINES:
        raise ValueError(f"baseline {name!r} is unknown; allowed: {', '.join(BASELINES)}")
    label = train["label"].to_numpy() == 1
    if name == "majority":
        return np.full(len(test), float(label.mean() > 0.5))
    if name in ("category", "extension"):
        return rates(train[name], label, test[name])
    return boosted_trees(train_features[name], label, test_features[name], seed)


def rates(train: pd.Series, label: np.ndarray, test: pd.Series) -> np.ndarray:
    """Return float64[n]: how often a value stands with forgeries, under equal priors.

    Values not met in training give one half.
    """
    forged = train[label].value_counts()
    authentic = train[~label].value_counts()
    in_forged = (test.map(forged).fillna(0) + _SMOOTHING) / (label.sum() + 1)
    in_authentic = (test.map(authentic).fillna(0) + _SMOOTHING) / ((~label).sum() + 1)
    known = test.isin(train)
    share = (in_forged / (in_forged + in_authentic)).to_numpy(float)
    return np.where(known, share, 0.5)


def boosted_trees(
    train: np.ndarray, label: np.ndarray, test: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Return float64[n]: probabilities of gradient-boosted trees with balanced classes.

    Without a feature that varies, the probability is one half.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # most steps need no trees

    if not len(test):
        return np.zeros(0)
    spread = np.nan_to_num(train, nan=-1.0)
    if (spread == spread[0]).all():
        return np.full(len(test), 0.5)
    trees = HistGradientBoostingClassifier(
        max_iter=150,
        learning_rate=0.06,
        max_leaf_nodes=15,
        min_samples_leaf=min(20, max(len(train) // 20, 2)),
        l2_regularization=1.0,
        early_stopping=False,
        class_weight="balanced",
        random_state=seed,
    )
    # One thread: on so few rows more of them only wait, and on a busy machine for minutes.
    with threadpool_limits(1, user_api="openmp"):
        return trees.fit(train, label).predict_proba(test)[:, 1]


def with_extension(rows: pd.DataFrame, matched: bool) -> pd.DataFrame:
    """Return the rows with a column `extension`; after matching every file is a JPEG."""
    extension = rows["path"].str.extract(r"\.([^./]+)$", expand=False).fillna("").str.lower()
    return rows.assign(extension="jpg" if matched else extension)
