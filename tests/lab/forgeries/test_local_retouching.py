import json

import numpy as np
import pytest

from forgery_lab.forgeries import scenes
from forgery_lab.forgeries.local_retouching import METHODS, retouched


@pytest.fixture(scope="module")
def host():
    return scenes.render("ind", np.random.default_rng(2), 160, 200)


@pytest.fixture(scope="module")
def made(host):
    """Two of each method: (forged, mask, operation)."""
    made = {method: [] for method in METHODS}
    for seed in range(200):
        operations = []
        forged, mask = retouched(host, np.random.default_rng(seed), operations)
        made[operations[0]["method"]].append((forged, mask, operations[0]))
        if all(len(some) > 1 for some in made.values()):
            return made
    raise AssertionError("some method is hardly ever drawn")


@pytest.mark.parametrize("method", METHODS)
def test_a_part_is_changed_and_the_rest_hardly(host, made, method):
    for forged, mask, operation in made[method]:
        change = np.abs(forged.astype(int) - host).mean(axis=2)
        assert 0.003 < mask.mean() < 0.3
        assert change[mask].mean() > 5 * change[~mask].mean()
        assert (change[~mask] > 0).mean() < 0.25
        assert json.loads(json.dumps(operation)) == operation


def test_edges_are_soft(host, made):
    for forged, mask, operation in made["brightness"]:
        if operation["feather"] > 2:
            border = mask ^ np.roll(mask, 1, axis=1)
            change = np.abs(forged.astype(int) - host).mean(axis=2)
            assert change[border].mean() < 0.8 * change[mask].mean()


def test_a_stamp_copies_from_the_recorded_place(host, made):
    for forged, mask, operation in made["stamp"]:
        down, right = operation["offset"]
        rows, columns = np.nonzero(mask)
        y = np.clip(rows + down, 0, host.shape[0] - 1)
        x = np.clip(columns + right, 0, host.shape[1] - 1)
        exact = (forged[rows, columns] == host[y, x]).all(axis=1)
        assert exact.mean() > 0.3


def test_a_picture_of_one_colour_has_a_mask_too():
    flat = np.full((80, 100, 3), 128, np.uint8)
    for seed in range(12):
        forged, mask = retouched(flat, np.random.default_rng(seed), [])
        assert forged.shape == flat.shape
        assert mask.any()
