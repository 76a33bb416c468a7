"""Procedural scenes that look like photographs, for the embedded data set.

`render` draws one scene in linear light (terrain, sea, street, leaves, still life, masonry,
cloth ...) and lets `camera` take a picture of it. No scene shares anything with another one: each
is a source of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from forgery_lab.errors import DataError
from forgery_lab.forgeries.scenes.camera import photograph
from forgery_lab.forgeries.scenes.drawing import Floats, Pixels, Rng
from forgery_lab.forgeries.scenes.landscapes import render_meadow, render_sea, render_terrain
from forgery_lab.forgeries.scenes.plants import render_flower, render_foliage
from forgery_lab.forgeries.scenes.still_life import render_still_life
from forgery_lab.forgeries.scenes.streets import render_facade, render_night
from forgery_lab.forgeries.scenes.surfaces import (
    render_bricks,
    render_cloth,
    render_pebbles,
    render_wood,
)


def render(category: str, rng: Rng, height: int = 256, width: int = 384) -> Pixels:
    """Return a picture uint8[height, width, 3] of a new scene of one of `CATEGORIES`.

    Raises:
        DataError: unknown category or a side below 64 pixels.
    """
    if category not in _RENDERERS:
        raise DataError(f"category: got {category!r}; allowed: {', '.join(CATEGORIES)}")
    if min(height, width) < 64:
        raise DataError(f"size: got {width}x{height} pixels, each side must have at least 64")
    renderers = _RENDERERS[category]
    scene = renderers[int(rng.integers(len(renderers)))]
    return photograph(scene(rng, height, width), rng)


_RENDERERS: dict[str, tuple[Callable[[Rng, int, int], Floats], ...]] = {
    "nat": (render_terrain, render_sea, render_meadow),
    "sec": (render_meadow, render_sea, render_night),
    "arc": (render_facade,),
    "pla": (render_foliage, render_flower),
    "ind": (render_still_life,),
    "txt": (render_pebbles, render_bricks, render_wood, render_cloth),
}

CATEGORIES = tuple(_RENDERERS)
