import numpy as np
import pytest

from forgery_pyfunc.explaining import contributions as module
from forgery_pyfunc.explaining.contributions import contributions

FAMILIES = {"one": 2, "two": 1, "three": 3}


def standing_out(features):
    """How far each channel's highest place is above its mean, float[C]."""
    return (features - features.mean((0, 1))).max((0, 1))


def planted(size=(20, 30), seed=0):
    return np.random.default_rng(seed).normal(0, 1, (*size, 6)).astype(np.float32)


def test_an_additive_network_gives_every_family_what_it_adds():
    features, weights = planted(), np.array([1, 2, -3, 0.5, 0.5, 0.5])

    def network(some):
        return float(standing_out(some) @ weights) - 1.7

    base, added = contributions(features, FAMILIES, network(features), network)
    assert base == pytest.approx(-1.7)
    expected = np.split(standing_out(features) * weights, [2, 3])
    assert list(added.values()) == pytest.approx([part.sum() for part in expected], abs=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_contributions_and_base_sum_to_the_answer_whatever_the_network_is(seed):
    rng = np.random.default_rng(seed)
    inner, outer = rng.normal(0, 1, (6, 8)), rng.normal(0, 1, 8)

    def network(some):
        return float(np.tanh(standing_out(some) @ inner) @ outer)

    features = planted(seed=seed)
    base, added = contributions(features, FAMILIES, network(features), network)
    assert base + sum(added.values()) == pytest.approx(network(features), abs=1e-9)


def test_families_that_say_the_same_share_it_and_one_that_says_nothing_has_none():
    features = planted()
    features[..., 2] = features[..., 0]

    def network(some):
        highest = standing_out(some)
        return float(max(highest[0], highest[2]))

    _, added = contributions(features, FAMILIES, network(features), network)
    assert added["one"] == pytest.approx(added["two"])
    assert added["three"] == 0


def test_a_large_map_is_thinned_and_the_sum_stays_exact(monkeypatch):
    monkeypatch.setattr(module, "MOST_BLOCKS", 100)
    features = np.zeros((40, 40, 6), np.float32)
    features[10:20, 10:20, 0] = 3.0
    features[10:20, 10:20, 2] = 1.0
    asked = []

    def network(some):
        asked.append(some.shape[:2])
        return 2.5 + float(standing_out(some)[[0, 2]].sum())

    base, added = contributions(features, FAMILIES, 7.5, network)
    assert set(asked) == {(10, 10)}
    assert base == pytest.approx(2.5)
    assert base + sum(added.values()) == pytest.approx(7.5)
    assert added["one"] == pytest.approx(3 * added["two"])
    assert added["three"] == 0


def test_a_map_that_says_nothing_when_it_is_thinned_is_shown_whole(monkeypatch):
    monkeypatch.setattr(module, "MOST_BLOCKS", 100)
    features = np.zeros((40, 40, 6), np.float32)
    features[0, 0, 0] = 5.0  # where thinning leaves it out

    def network(some):
        return float(standing_out(some)[0])

    base, added = contributions(features, FAMILIES, network(features), network)
    assert added["one"] == pytest.approx(network(features) - base)
    assert base == pytest.approx(0, abs=1e-6)
