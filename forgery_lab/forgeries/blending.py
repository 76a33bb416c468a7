"""A part blended into its host: hard or feathered edges, a membrane, a blurred seam, or cloned.

The membrane follows Farbman et al., "Convolution Pyramids", SIGGRAPH Asia 2011.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from forgery_lab.forgeries.cutting import Part, box_around
from forgery_lab.forgeries.pictures import Floats, Mask, Operation, Pixels
from forgery_lab.forgeries.poisson import harmonic, seamless

_BLENDS = {True: [0.6, 0.25, 0.15], False: [0.06, 0.22, 0.72]}
"""How often `edge`, `feather` and `membrane` join objects and other parts."""
_MARGIN = 12
"""Pixels around a part that are worked on with it."""


def paste(
    host: Pixels,
    part: Part,
    corner: tuple[int, int],
    rng: np.random.Generator,
    operations: list[Operation],
) -> tuple[Pixels, Mask]:
    """The host with the part on it, by one of three blends, and the mask of what was replaced."""
    window, below, above, alpha = _layers(host, part, corner)
    natural = part.shape == "object"
    blend = str(rng.choice(["edge", "feather", "membrane"], p=_BLENDS[natural]))
    sigma = float(rng.uniform(0.5, 0.9) if blend == "edge" else rng.uniform(1.0, 2.5))
    if blend == "membrane":
        above += membrane(below - above, alpha > 0.5)
        sigma = 0.8
    soft = ndimage.gaussian_filter(alpha, sigma)
    if natural:
        soft = np.clip(soft * 1.25 - 0.25, 0.0, 1.0)
    joined = below + soft[..., None] * (above - below)
    operations.append({"name": "blend", "method": blend, "sigma": round(sigma, 3)})
    if rng.random() < 0.2:
        joined = _blurred_seam(joined, soft, float(rng.uniform(0.6, 1.4)), operations)
    return _replaced(host, window, joined, _core(soft))


def cloned(
    host: Pixels,
    part: Part,
    corner: tuple[int, int],
    rng: np.random.Generator,
    operations: list[Operation],
) -> tuple[Pixels, Mask]:
    """The host with the part cloned seamlessly on it, and the mask of what was replaced."""
    window, below, above, alpha = _layers(host, part, corner)
    inside = _core(alpha)
    mixed = bool(rng.random() < 0.35)
    joined = seamless(below, above, inside, mixed)
    gradients = "mixed" if mixed else "imported"
    operations.append({"name": "blend", "method": "seamless", "gradients": gradients})
    return _replaced(host, window, joined, inside)


def membrane(difference: Floats, inside: Mask) -> Floats:
    """Return a smooth float32[h, w, 3] that equals `difference` around `inside`, spread over it.

    Adding it to the pasted part makes it meet its surroundings without a step.
    """
    return harmonic(difference, ndimage.binary_dilation(inside, iterations=3) & ~inside)


def _layers(
    host: Pixels, part: Part, corner: tuple[int, int]
) -> tuple[tuple[slice, slice], Floats, Floats, Floats]:
    """Return a window of the host, what is there below and above, and how far the part covers."""
    height, width = part.alpha.shape
    window = box_around(corner, (height, width), host.shape[:2], grow=_MARGIN)
    below = host[window].astype(np.float32)
    top, left = corner[0] - window[0].start, corner[1] - window[1].start
    place = (slice(top, top + height), slice(left, left + width))
    alpha = np.zeros(below.shape[:2], np.float32)
    alpha[place] = part.alpha
    above = below.copy()
    above[place] = part.pixels
    return window, below, above, alpha


def _core(alpha: Floats) -> Mask:
    """Return where the part covers more than half, or most where that is nowhere."""
    return alpha > min(0.5, 0.99 * float(alpha.max()))


def _replaced(
    host: Pixels, window: tuple[slice, slice], joined: Floats, inside: Mask
) -> tuple[Pixels, Mask]:
    forged, mask = host.copy(), np.zeros(host.shape[:2], np.bool_)
    forged[window] = np.clip(joined + 0.5, 0, 255).astype(np.uint8)
    mask[window] = inside
    return forged, mask


def _blurred_seam(
    joined: Floats, soft: Floats, sigma: float, operations: list[Operation]
) -> Floats:
    seam = ndimage.gaussian_filter(4.0 * soft * (1.0 - soft), 1.5)
    seam = np.clip(seam * 2.0, 0.0, 1.0)[..., None]
    operations.append({"name": "blur_seam", "sigma": round(sigma, 3)})
    return joined + seam * (ndimage.gaussian_filter(joined, (sigma, sigma, 0)) - joined)
