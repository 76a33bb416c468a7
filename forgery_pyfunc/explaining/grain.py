"""How the grain and the error levels of a marked part differ from like places of the rest.

Both grow with texture. So a marked block is compared with blocks of the rest of like coarse detail.
"""

import numpy as np

from forgery_pyfunc.features import residual

FEWEST = 12
"""Blocks of the rest, of like detail, that a comparison needs."""

GRAIN = "noise.kv.mean"
_DETAIL, _CLASSES = "energy.low", 12
_ERRORS = {quality: f"ela.{quality}.middle" for quality in residual.LUMA_QUALITIES}


def grain_ratio(features: np.ndarray, marked: np.ndarray) -> float | None:
    """Return how many times as strong the grain of the marked blocks is, None of too few blocks.

    Args:
        features: float32[h, w, 74], the family "residual".
        marked: bool[h, w].
    """
    found = _differences(features, marked, [GRAIN])
    return None if found is None else float(np.exp(found[0][0]))


def error_ratio(features: np.ndarray, marked: np.ndarray) -> tuple[int, float] | None:
    """Return the quality of a re-save at which marked blocks differ most, and their ratio there.

    The ratio is that of what changes; the qualities are those of the family, and differences count
    in units of how much like blocks of the rest vary. None of too few blocks.
    """
    found = _differences(features, marked, list(_ERRORS.values()))
    if found is None:
        return None
    difference, spread = found
    most = int(np.abs(difference / spread).argmax())
    return list(_ERRORS)[most], float(np.exp(difference[most]))


def _differences(
    features: np.ndarray, marked: np.ndarray, names: list[str]
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return float[channels], medians of marked blocks less those of like ones; and the spread."""
    if min(marked.sum(), (~marked).sum()) < FEWEST:
        return None
    values = features[..., [residual.CHANNELS.index(name) for name in names]]
    detail = features[..., residual.CHANNELS.index(_DETAIL)]
    edges = np.quantile(detail[~marked], np.linspace(0, 1, _CLASSES + 1)[1:-1])
    kind = np.digitize(detail, edges)
    weights, differences, spreads = [], [], []
    for number in range(_CLASSES):
        here, others = values[marked & (kind == number)], values[~marked & (kind == number)]
        if len(here) and len(others) >= FEWEST:
            middle = np.median(others, axis=0)
            weights.append(len(here))
            differences.append(np.median(here, axis=0) - middle)
            spreads.append(np.median(np.abs(others - middle), axis=0))
    if not weights:
        return None
    return (
        np.average(differences, axis=0, weights=weights),
        np.average(spreads, axis=0, weights=weights) + 1e-6,
    )
