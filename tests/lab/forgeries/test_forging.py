import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgery_lab.errors import DataError
from forgery_lab.forgeries import forging, scenes
from forgery_lab.forgeries.forging import forge
from forgery_lab.forgeries.pictures import Save


@pytest.fixture(scope="module")
def pictures():
    """A host and two donors of different sizes."""
    rng = np.random.default_rng(11)
    return [
        scenes.render("ind", rng, 256, 384),
        scenes.render("pla", rng, 300, 200),
        scenes.render("nat", rng, 240, 320),
    ]


LOSSLESS = Save(None)
EXPECTED_STEPS = {
    "splice": {"cut", "blend"},
    "copy-move": {"cut", "move", "blend"},
    "removal": {"cut", "cover", "blend"},
    "inpainting": {"cut", "inpaint"},
    "retouching": {"retouch"},
}


def steps_of(forgery, name):
    return [step for step in forgery.record.operations if step["name"] == name]


@pytest.mark.parametrize("kind", forging.KINDS)
def test_a_forgery_differs_from_its_host_where_the_mask_says(pictures, kind):
    host, *donors = pictures
    for seed in range(6):
        forgery = forge(host, donors, kind, np.random.default_rng(seed), LOSSLESS)
        changed = np.abs(forgery.pixels.astype(int) - host).max(axis=2)
        assert forgery.pixels.shape == host.shape
        assert forgery.mask.shape == host.shape[:2]
        assert 0.005 <= forgery.mask.mean() <= 0.26
        assert changed[forgery.mask].mean() > 3 * changed[~forgery.mask].mean()
        assert (changed[~forgery.mask] > 0).mean() < 0.15


@pytest.mark.parametrize("kind", forging.KINDS)
def test_the_same_seed_gives_the_same_forgery(pictures, kind):
    host, *donors = pictures
    first, again = (forge(host, donors, kind, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.pixels, again.pixels)
    assert np.array_equal(first.mask, again.mask)
    assert first.record == again.record
    other = forge(host, donors, kind, np.random.default_rng(6))
    assert not np.array_equal(first.mask, other.mask)


def test_inputs_are_left_as_they_were(pictures):
    copies = [picture.copy() for picture in pictures]
    for kind in forging.KINDS:
        forge(pictures[0], pictures[1:], kind, np.random.default_rng(2))
    assert all(np.array_equal(a, b) for a, b in zip(pictures, copies, strict=True))


def test_the_record_is_json_and_tells_every_step(pictures):
    host, *donors = pictures
    for kind in forging.KINDS:
        record = asdict(forge(host, donors, kind, np.random.default_rng(3)).record)
        assert json.loads(json.dumps(record)) == record
        names = [operation["name"] for operation in record["operations"]]
        assert EXPECTED_STEPS[kind] <= set(names)
        assert names[-1] == "editor_save"
        assert record["kind"] == kind
        assert (record["donor"] in (0, 1)) == (kind == "splice")


def test_an_untransformed_copy_move_repeats_the_pixels_of_its_origin(pictures):
    host = pictures[0]
    repeated = 0
    for seed in range(12):
        forgery = forge(host, [], "copy-move", np.random.default_rng(seed), LOSSLESS)
        steps = {step["name"]: step for step in forgery.record.operations}
        if {"scale", "turn", "mirror"} & steps.keys() or steps["blend"]["method"] == "membrane":
            continue
        (y, x), (to_y, to_x) = steps["move"]["from"], steps["move"]["to"]
        rows, columns = np.nonzero(forgery.mask)
        there = host[rows + y - to_y, columns + x - to_x].astype(int)
        same = np.abs(forgery.pixels[rows, columns] - there).max(axis=1) <= 1
        assert same.mean() > 0.4
        repeated += 1
    assert repeated > 0


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(64, 200),
    width=st.integers(64, 200),
    other=st.integers(64, 300),
    kind=st.sampled_from(forging.KINDS),
    seed=st.integers(0, 2**32),
    flat=st.booleans(),
)
def test_any_size_and_any_content_can_be_forged(height, width, other, kind, seed, flat):
    rng = np.random.default_rng(seed)
    host = rng.integers(0, 256, (height, width, 3), np.uint8)
    donor = rng.integers(0, 256, (other, 364 - other, 3), np.uint8)
    if flat:
        host[:], donor[:] = 0, 255
    forgery = forge(host, [donor], kind, rng)
    assert forgery.pixels.shape == host.shape
    assert forgery.pixels.dtype == np.uint8
    assert 0 < forgery.mask.sum() < forgery.mask.size


def test_without_donors_nothing_is_spliced():
    rng = np.random.default_rng(8)
    drawn = {forging.drawn_kind(rng, with_donors=False) for _ in range(40)}
    assert drawn == set(forging.KINDS) - {"splice"}


def test_kinds_are_drawn_as_often_as_stated():
    rng = np.random.default_rng(8)
    drawn = [forging.drawn_kind(rng) for _ in range(4000)]
    for kind, odds in forging.ODDS.items():
        assert drawn.count(kind) / 4000 == pytest.approx(odds, abs=0.03)
    some = ("removal", "inpainting")
    assert {forging.drawn_kind(rng, kinds=some) for _ in range(40)} == set(some)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (["collage"], "kinds: got 'collage'; allowed: splice, copy-move, removal, inpainting, "),
        ([], "kinds: got none; allowed: splice"),
        (["splice"], "needs a second picture"),
    ],
)
def test_kinds_that_cannot_be_drawn_are_named(kinds, message):
    with pytest.raises(DataError, match=message):
        forging.drawn_kind(np.random.default_rng(0), with_donors=False, kinds=kinds)


def test_copies_are_turned_scaled_and_mirrored_and_the_record_says_so(pictures):
    forgeries = [
        forge(pictures[0], [], "copy-move", np.random.default_rng(seed), LOSSLESS, seed % 2 == 1)
        for seed in range(60)
    ]
    degrees = [step["degrees"] for forgery in forgeries for step in steps_of(forgery, "turn")]
    factors = [step["factor"] for forgery in forgeries for step in steps_of(forgery, "scale")]
    assert min(degrees) < -90
    assert max(degrees) > 90
    assert {-90.0, 90.0, 180.0} & set(degrees)
    assert 0.45 < min(factors) < 0.8
    assert 1.3 < max(factors) <= 2.1
    assert any(steps_of(forgery, "mirror") for forgery in forgeries)


def test_some_splices_are_cloned_seamlessly_crude_or_not(pictures):
    host, *donors = pictures
    for crude in (False, True):
        blends = [
            step.get("gradients")
            for seed in range(20)
            for step in steps_of(
                forge(host, donors, "splice", np.random.default_rng(seed), LOSSLESS, crude), "blend"
            )
        ]
        assert {"imported", "mixed"} & set(blends)


def test_a_forgery_that_shows_nothing_is_made_again(pictures):
    host = pictures[0].copy()
    host[:, :200] = 120
    for kind in ("copy-move", "removal", "inpainting"):
        for seed in range(8):
            forgery = forge(host, [], kind, np.random.default_rng(seed), LOSSLESS)
            change = np.abs(forgery.pixels[forgery.mask].astype(int) - host[forgery.mask])
            assert change.mean() >= 3


@pytest.mark.parametrize(
    ("host", "donors", "kind", "message"),
    [
        (np.zeros((40, 90, 3), np.uint8), [], "copy-move", "host: got 90x40 pixels"),
        (np.zeros((90, 90), np.uint8), [], "copy-move", r"host: got uint8\[90, 90\]"),
        (np.zeros((90, 90, 3), np.uint8), [], "splice", "at least one donor"),
        (
            np.zeros((90, 90, 3), np.uint8),
            [],
            "collage",
            "kind: got 'collage'; allowed: splice, .*retouching",
        ),
        (np.zeros((90, 90, 3)), [], "removal", "host: got float64"),
    ],
)
def test_bad_input_is_named(host, donors, kind, message):
    with pytest.raises(DataError, match=message):
        forge(host, donors, kind, np.random.default_rng(0))
