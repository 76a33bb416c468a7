"""A feature store of noise in which forged blocks are a little brighter: learnt in seconds."""

import numpy as np
import pandas as pd

from forgery_lab.examples.feature_store import FeatureStore

SIZES = ((16, 12), (12, 16), (9, 20))
SIGNAL = 3.0


def planted(folder, count=48, seed=0, draws=1, masks=True, family="copymove"):
    """Return a store of `count` images, half of them forged in 4×4 blocks."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    depth = len(FeatureStore(pd.DataFrame(), (family,)).channels)
    features, targets, rows, offset = [], [], [], 0
    for draw in range(draws):
        for number in range(count):
            height, width = SIZES[number % 3]
            label = number // 3 % 2
            here = rng.normal(size=(height, width, depth))
            truth = np.zeros((height, width))
            if label:
                top, left = rng.integers(height - 4), rng.integers(width - 4)
                truth[top : top + 4, left : left + 4] = 1
                here[..., 0] += SIGNAL * truth
                truth = truth if masks else np.full_like(truth, np.nan)
            features.append(here.reshape(-1, depth))
            targets.append(truth.ravel())
            rows.append(
                {
                    "id": f"{seed}-{number}",
                    "label": label,
                    "group": str(number),
                    "split": "train",
                    "draw": draw,
                    "width": 8 * width,
                    "height": 8 * height,
                    "rows": height,
                    "columns": width,
                    "pixels": 64 * height * width,
                    "shard": str(folder / "planted"),
                    "offset": offset,
                }
            )
            offset += height * width
    np.save(folder / "planted.features.npy", np.concatenate(features).astype(np.float16))
    np.save(folder / "planted.targets.npy", np.concatenate(targets).astype(np.float16))
    return FeatureStore(pd.DataFrame(rows), (family,))
