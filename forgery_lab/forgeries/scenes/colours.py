"""Colours in linear light."""

from __future__ import annotations

import numpy as np

from forgery_lab.forgeries.scenes.drawing import Floats, Rng


def rgb(*values: float) -> Floats:
    """Return a colour in linear light, float32[3]."""
    return np.array(values, np.float32)


def earth_colour(rng: Rng, spread: float = 0.25) -> Floats:
    """Return a colour of stone, wood or earth in linear light."""
    base = np.array(
        [
            [0.32, 0.22, 0.13],
            [0.45, 0.38, 0.28],
            [0.25, 0.24, 0.23],
            [0.35, 0.14, 0.09],
            [0.5, 0.45, 0.38],
            [0.18, 0.12, 0.08],
        ]
    )[rng.integers(6)]
    return (base * np.exp(rng.normal(0, spread, 3) * 0.5 + rng.normal(0, spread))).astype(
        np.float32
    )


def vivid_colour(rng: Rng) -> Floats:
    """A colour of paint, fruit, petals or cloth in linear light: often warm, seldom garish."""
    hues = [[0.6, 0.08, 0.05], [0.7, 0.28, 0.05], [0.75, 0.55, 0.1], [0.7, 0.66, 0.6]]
    hues += [[0.2, 0.35, 0.08], [0.1, 0.2, 0.45], [0.45, 0.12, 0.35], [0.6, 0.3, 0.32]]
    odds = [0.2, 0.16, 0.14, 0.16, 0.1, 0.1, 0.06, 0.08]
    hue = np.array(hues)[rng.choice(8, p=odds)]
    grey = hue.mean() + (hue - hue.mean()) * rng.uniform(0.5, 1.1)
    return (grey * np.exp(rng.normal(0, 0.12, 3) + rng.normal(-0.15, 0.3))).astype(np.float32)


def leaf_colour(rng: Rng) -> Floats:
    """Return a colour of leaves or grass in linear light."""
    base = np.array([[0.07, 0.16, 0.03], [0.12, 0.2, 0.04], [0.04, 0.11, 0.04], [0.2, 0.18, 0.05]])
    return (base[rng.integers(4)] * np.exp(rng.normal(0, 0.2, 3))).astype(np.float32)
