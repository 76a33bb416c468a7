"""How much every family of features contributes to the logit of an image: Shapley values.

A coalition's worth is the network's answer where only its families are as they are; the channels of
the others are their means over the image, as if nothing of these families stood out anywhere. A
family's contribution is what it adds to a coalition, averaged over all orders in which families may
join (Shapley, *A Value for n-Person Games*, 1953; for models Lundberg & Lee, *A Unified Approach to
Interpreting Model Predictions*, NeurIPS 2017). So contributions and base sum to the answer exactly.

Of a large map every second block, or every third, is enough to tell the proportions, which are then
scaled to the answer: so the time does not grow with the picture.
"""

from collections.abc import Callable, Mapping
from itertools import combinations
from math import factorial

import numpy as np

MOST_BLOCKS = 4096
"""Of a map that is shown to the network as it is."""
LEAST_RISE = 0.1
"""Log odds above the base from which the answer for a thinned map tells anything."""

Network = Callable[[np.ndarray], float]
Coalition = frozenset[str]


def contributions(
    features: np.ndarray, families: Mapping[str, int], answer: float, network: Network
) -> tuple[float, dict[str, float]]:
    """Return the logit where nothing stands out, and what each family adds to it.

    The network is asked 2^n - 1 times, one map after the other: all in one batch would need the
    memory of all, and more time. Of a map that is thinned it is asked once more.

    Args:
        features: float32[h, w, C], the families' channels in their order.
        families: their names and numbers of channels, in that order.
        answer: the network's logit for `features`.
        network: gives the logit of such features.
    """
    step = int(np.ceil(np.sqrt(features[..., 0].size / MOST_BLOCKS)))
    if step > 1 and len(families) > 1:
        thinned = features[step // 2 :: step, step // 2 :: step]
        of_thinned = network(thinned)
        base, added = _exact(thinned, families, of_thinned, network)
        if of_thinned - base >= LEAST_RISE:
            scale = (answer - base) / (of_thinned - base)
            return base, {name: scale * logit for name, logit in added.items()}
    return _exact(features, families, answer, network)


def _exact(
    features: np.ndarray, families: Mapping[str, int], answer: float, network: Network
) -> tuple[float, dict[str, float]]:
    flat = np.broadcast_to(features.mean((0, 1)), features.shape)
    worth: dict[Coalition, float] = {frozenset(families): answer}
    for size in range(len(families)):
        for some in combinations(families, size):
            present = np.repeat([name in some for name in families], list(families.values()))
            worth[frozenset(some)] = network(np.where(present, features, flat))
    return worth[frozenset()], {name: _shapley(name, worth, len(families)) for name in families}


def _shapley(name: str, worth: Mapping[Coalition, float], families: int) -> float:
    total = 0.0
    for some in worth:
        if name not in some:
            orders = factorial(len(some)) * factorial(families - len(some) - 1)
            total += orders * (worth[some | {name}] - worth[some])
    return total / factorial(families)
