"""Batches of a training: one draw of every image, classes of equal weight."""

from dataclasses import replace

import numpy as np

from forgery_lab.training.batches import Windows
from tests.lab.training.planted_features import planted
from tests.lab.training.test_loop import SETTINGS


def test_an_epoch_takes_one_draw_of_every_image_and_the_next_another(tmp_path):
    store = planted(tmp_path, 30, draws=4)
    epochs = [Windows(store, SETTINGS, frozenset({"image", "blocks"}), e) for e in (0, 1)]
    for windows in epochs:
        assert store.index["id"].iloc[windows.order].is_unique
        assert len(windows.order) == 30
    assert set(epochs[0].order) != set(epochs[1].order)
    assert not np.array_equal(epochs[0][0][0], epochs[1][0][0])
    again = Windows(store, SETTINGS, frozenset({"image", "blocks"}), 0)
    np.testing.assert_array_equal(epochs[0][0][0], again[0][0])


def test_rare_classes_weigh_as_much_as_common_ones(tmp_path):
    store = planted(tmp_path, 48)
    rare = store.select(np.flatnonzero((store.index["label"] == 0) | (store.index.index < 12)))
    windows = Windows(rare, SETTINGS, frozenset({"image", "blocks"}), 0)
    labels, weights = [], []
    for batch in range(len(windows)):
        _, y, weight = windows[batch]
        labels.append(y["image"][:, 0])
        weights.append(weight["image"])
    labels, weights = np.concatenate(labels), np.concatenate(weights)
    share = rare.index["label"].mean()
    np.testing.assert_allclose(weights[labels == 1], 0.5 / share, rtol=1e-5)
    np.testing.assert_allclose(weights[labels == 0], 0.5 / (1 - share), rtol=1e-5)


def test_of_draws_of_unlike_hardness_the_hardest_is_taken_and_of_equal_ones_any(tmp_path):
    store = planted(tmp_path, 30, draws=4)
    hardness = np.zeros(len(store))
    hard = ((store.index["draw"] == 2) & (store.index["label"] == 0)).to_numpy()
    hardness[hard] = 1.0
    orders = [
        Windows(store, SETTINGS, frozenset({"image", "blocks"}), e, hardness).order for e in (0, 1)
    ]
    for order in orders:
        taken = store.index.iloc[order]
        assert taken["id"].is_unique
        assert len(taken) == 30
        assert set(taken.loc[taken["label"] == 0, "draw"]) == {2}
        assert len(set(taken.loc[taken["label"] == 1, "draw"])) > 1
        assert not taken["label"].is_monotonic_decreasing
    assert not np.array_equal(*orders)


def test_some_images_larger_than_a_window_are_read_through_larger_ones(tmp_path):
    store = planted(tmp_path, 96)
    settings = replace(SETTINGS, window=12, large_windows=0.5)
    windows = Windows(store, settings, frozenset({"image", "blocks"}), 0)
    shapes = [windows[batch][0].shape[:3] for batch in range(len(windows))]
    assert set(shapes) == {(8, 12, 12), (2, 24, 24)}
    assert shapes not in (sorted(shapes), sorted(shapes, reverse=True))
    large = [position for chosen, size in windows.batches if size == 24 for position in chosen]
    assert 30 <= len(large) <= 60
    read = np.concatenate([chosen for chosen, _ in windows.batches])
    assert len(set(read)) == len(read) > 96 - 8
    fitting = Windows(store, replace(settings, window=20), frozenset({"image", "blocks"}), 0)
    assert {size for _, size in fitting.batches} == {20}


def test_the_parts_of_a_batch_are_the_batch(tmp_path):
    store = planted(tmp_path, 30)
    outputs = frozenset({"image", "blocks"})
    whole, *parts = (
        Windows(store, SETTINGS, outputs, 0, part=part) for part in ((0, 1), (0, 2), (1, 2))
    )
    for batch in range(len(whole)):
        x, y, weight = whole[batch]
        shares = [one[batch] for one in parts]
        np.testing.assert_array_equal(np.concatenate([share[0] for share in shares]), x)
        for name in outputs:
            np.testing.assert_array_equal(np.concatenate([one[1][name] for one in shares]), y[name])
            np.testing.assert_array_equal(
                np.concatenate([one[2][name] for one in shares]), weight[name]
            )
