"""A part blended into its host: hard or feathered edges, a membrane, a blurred seam.

The membrane follows Farbman et al., "Convolution Pyramids", SIGGRAPH Asia 2011.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from forgery_lab.forgeries.cutting import Part, box_around
from forgery_lab.forgeries.pictures import Floats, Mask, Operation, Pixels

_BLENDS = {True: [0.6, 0.25, 0.15], False: [0.06, 0.22, 0.72]}
"""How often `edge`, `feather` and `membrane` join objects and other parts."""


def paste(
    host: Pixels,
    part: Part,
    corner: tuple[int, int],
    rng: np.random.Generator,
    operations: list[Operation],
) -> tuple[Pixels, Mask]:
    """The host with the part on it, by one of three blends, and the mask of what was replaced."""
    height, width = part.alpha.shape
    margin = 12
    window = box_around(corner, (height, width), host.shape[:2], grow=margin)
    below = host[window].astype(np.float32)
    top, left = corner[0] - window[0].start, corner[1] - window[1].start
    place = (slice(top, top + height), slice(left, left + width))
    alpha = np.zeros(below.shape[:2], np.float32)
    alpha[place] = part.alpha
    above = below.copy()
    above[place] = part.pixels
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
    forged = host.copy()
    forged[window] = np.clip(joined + 0.5, 0, 255).astype(np.uint8)
    mask = np.zeros(host.shape[:2], np.bool_)
    mask[window] = soft > 0.5
    if not mask.any():
        mask[window] = soft >= soft.max()
    return forged, mask


def membrane(difference: Floats, inside: Mask) -> Floats:
    """Return a smooth float32[h, w, 3] that equals `difference` around `inside`, spread over it.

    Adding it to the pasted part makes it meet its surroundings without a step, as Poisson
    blending does: pull-push over a pyramid of halves.
    """
    known = (~inside).astype(np.float32)
    edge = ndimage.binary_dilation(inside, iterations=3)
    weight = known * edge
    if not weight.any():
        return np.zeros_like(difference)
    return _pull_push(difference * weight[..., None], weight)


def _pull_push(weighted: Floats, weight: Floats) -> Floats:
    height, width = weight.shape
    if min(height, width) <= 2:
        total = weight.sum()
        return np.broadcast_to(
            weighted.sum(axis=(0, 1)) / max(float(total), 1e-6), weighted.shape
        ).astype(np.float32)
    smaller_weight = _halved(weight)
    smaller = _halved(weighted)
    strong = np.minimum(1.0, smaller_weight * 4.0)
    scale = strong / np.maximum(smaller_weight, 1e-6)
    filled = _pull_push(smaller * scale[..., None], strong)
    size = (width, height)
    coarse = np.stack(
        [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(filled[..., c])).resize(
                    size, Image.Resampling.BILINEAR
                )
            )
            for c in range(filled.shape[2])
        ],
        axis=-1,
    )
    own = np.minimum(weight, 1.0)[..., None]
    known = weighted / np.maximum(weight, 1e-6)[..., None]
    return np.asarray(known * own + coarse * (1.0 - own), np.float32)


def _halved(array: Floats) -> Floats:
    padded = np.pad(
        array, [(0, array.shape[0] % 2), (0, array.shape[1] % 2)] + [(0, 0)] * (array.ndim - 2)
    )
    return 0.25 * (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2])


def _blurred_seam(
    joined: Floats, soft: Floats, sigma: float, operations: list[Operation]
) -> Floats:
    seam = ndimage.gaussian_filter(4.0 * soft * (1.0 - soft), 1.5)
    seam = np.clip(seam * 2.0, 0.0, 1.0)[..., None]
    operations.append({"name": "blur_seam", "sigma": round(sigma, 3)})
    return joined + seam * (ndimage.gaussian_filter(joined, (sigma, sigma, 0)) - joined)
