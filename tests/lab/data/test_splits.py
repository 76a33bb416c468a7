"""Splits: nobody learns from what another side is judged on."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgery_lab.data import casia, splits
from forgery_lab.errors import DataError

CASIA2_NAMES = Path(__file__).resolve().parents[4] / "shared" / "data" / "casia2_names"
LABELS = {"authentic": 0, "splice": 1, "copy-move": 1}


def assign(frame, scheme="source", fractions=(0.7, 0.15, 0.15), seed=0):
    return splits.assign(frame, scheme, fractions, seed)


def manifest(rows, hashes=None):
    """Rows are (kind, source ids)."""
    return pd.DataFrame(
        {
            "path": [f"{i}.jpg" for i in range(len(rows))],
            "label": [LABELS[kind] for kind, _ in rows],
            "kind": [kind for kind, _ in rows],
            "source_ids": [list(ids) for _, ids in rows],
            "sha256": [hashlib.sha256(str(i).encode()).hexdigest() for i in range(len(rows))],
            "phash": hashes if hashes is not None else [""] * len(rows),
        }
    )


def plain(photographs=60):
    """One authentic image and one copy-move of each photograph."""
    names = [f"ani{i:05d}" for i in range(photographs)]
    return [("authentic", [n]) for n in names] + [("copy-move", [n]) for n in names]


@st.composite
def name_graphs(draw):
    photographs = draw(st.integers(30, 120))
    numbers = st.integers(0, photographs - 1)
    splices = draw(st.lists(st.tuples(numbers, numbers), max_size=150))
    return plain(photographs) + [
        ("splice", sorted({f"ani{a:05d}", f"ani{b:05d}"})) for a, b in splices
    ]


def sides_of_sources(frame, column):
    kept = frame[~frame[column].isin(["dropped", -1])]
    return kept.explode("source_ids").groupby("source_ids")[column].nunique()


@settings(max_examples=40, deadline=None)
@given(name_graphs(), st.integers(0, 5))
def test_no_source_is_ever_on_two_sides(rows, seed):
    try:
        made = assign(manifest(rows), "source", seed=seed)
    except DataError:
        return
    assert sides_of_sources(made.frame, "split").max() == 1
    assert set(made.frame["split"]) >= {"train", "validation", "test"}
    assert made.report.disjoint.sources_on_two_sides == 0


@settings(max_examples=20, deadline=None)
@given(name_graphs(), st.integers(2, 5))
def test_no_source_is_ever_in_two_folds(rows, k):
    try:
        made = splits.folds(manifest(rows), k, seed=0)
    except DataError:
        return
    assert sides_of_sources(made.frame, "fold").max() == 1
    assert set(made.frame["fold"]) - {-1} == set(range(k))


def test_a_split_without_ties_is_balanced_and_repeatable():
    frame = manifest(plain(200))
    made = assign(frame, "source", seed=3)
    shares = made.frame["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.7, abs=0.01)
    assert shares["test"] == pytest.approx(0.15, abs=0.01)
    again = assign(frame, "source", seed=3)
    pd.testing.assert_frame_equal(made.frame, again.frame)
    other = assign(frame, "source", seed=4)
    assert (made.frame["split"] != other.frame["split"]).any()


def test_a_large_component_goes_to_training_where_balance_allows():
    hub = [("splice", ["art00001", f"nat{i:05d}"]) for i in range(20)]
    made = assign(manifest(plain(100) + hub), "source")
    assert set(made.frame["split"].iloc[-20:]) == {"train"}
    assert made.report.components.cut_by_metis == 0


def test_near_duplicates_stay_together_though_no_name_says_so():
    rows = plain(40)
    hashes = [f"{value:016x}" for value in np.random.default_rng(0).integers(2**62, size=80)]
    hashes[0] = hashes[1] = hashes[45] = "00000000000000ff"
    made = assign(manifest(rows, hashes), "source", seed=1)
    assert made.frame["split"].iloc[[0, 1, 40, 41, 45, 5]].nunique() == 1
    assert made.report.disjoint.near_duplicate_pairs_checked == 3


def test_without_ids_the_report_says_that_only_near_duplicates_were_used():
    rows = [(kind, []) for kind, _ in plain(30)]
    hashes = [f"{value:016x}" for value in np.random.default_rng(0).integers(2**62, size=30)] * 2
    made = assign(manifest(rows, hashes), "source")
    first, second = made.frame["split"].iloc[:30], made.frame["split"].iloc[30:]
    assert (first.to_numpy() == second.to_numpy()).all()
    assert made.report.basis.startswith("near-duplicates by perceptual hash only")


def test_a_random_split_reports_its_leak():
    made = assign(manifest(plain(100)), "random")
    proof = made.report.disjoint
    assert proof.share_of_last_sides_forgeries_with_a_source_in_the_first > 0.5


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("authentic", ["a1"])] * 20 + [("splice", ["a1"])] * 20, "one source"),
        (plain(2), "too small"),
        ([("authentic", [f"a{i}"]) for i in range(9)], "no forged image"),
        (
            [("authentic", [f"a{i}"]) for i in range(50)] + [("copy-move", ["b1"])] * 20,
            "no forged image in",
        ),
    ],
)
def test_a_data_set_that_cannot_be_split_is_refused_in_one_sentence(rows, message):
    with pytest.raises(DataError, match=message):
        assign(manifest(rows), "source")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "sorce"}, "allowed: source, random"),
        ({"fractions": (0.5, 0.5, 0.5)}, "sum to 1"),
        ({"fractions": (1.0, 0.0, 0.0)}, "positive"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(DataError, match=message):
        assign(manifest(plain()), **options)


@pytest.mark.skipif(not CASIA2_NAMES.is_dir(), reason="needs ../shared/data/casia2_names")
def test_casia2_at_full_size_meets_the_promised_balance():
    frame = casia2_names()
    made = assign(frame, "source", seed=0)
    report = made.report
    assert sides_of_sources(made.frame, "split").max() == 1
    assert report.dropped.share_of_forgeries <= 0.05
    whole = report.whole
    for name, share in zip(splits.SIDES, (0.70, 0.15, 0.15), strict=True):
        side = report.sides[name]
        assert side.share == pytest.approx(share, abs=0.02)
        assert side.share_forged == pytest.approx(whole.share_forged, abs=0.02)
        for kind in ("splice", "copy-move"):
            expected = whole.kinds_of_forgeries[kind]
            assert side.kinds_of_forgeries[kind] == pytest.approx(expected, abs=0.08)
    proof = assign(frame, "random").report.disjoint
    assert proof.share_of_last_sides_forgeries_with_a_source_in_the_first > 0.9


def casia2_names():
    names = [
        name.strip()
        for listing in ("au_list.txt", "tp_list.txt")
        for name in (CASIA2_NAMES / listing).read_text().splitlines()
        if name.strip()
    ]
    parsed = [casia.parse(name) for name in names]
    return manifest([(name.kind, name.source_ids) for name in parsed])


def test_a_split_out_of_balance_says_so():
    rows = [("authentic", ["ani00000"])] * 60 + [("copy-move", ["ani00000"])] * 60 + plain(12)
    hashes = [""] * len(rows)
    made = assign(manifest(rows, hashes), "source", seed=1)
    assert any(
        "train has a share of the images" in said
        for said in made.report.to_dict()["beyond_tolerance"]
    )
    assert assign(manifest(plain()), "source", seed=1).report.beyond_tolerance() == []
