import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forgery_lab.data.near_duplicates import DISTANCE, looks_like, near_duplicates

RNG = np.random.default_rng(0)


def in_hexadecimal(codes):
    return [f"{code:016x}" for code in codes]


def compared_one_by_one(codes, others):
    """Return bool[n, m]: whether the hashes are near, by comparing all pairs."""
    codes, others = np.array(codes, np.uint64), np.array(others, np.uint64)
    return np.bitwise_count(codes[:, None] ^ others) <= DISTANCE


def related(number):
    """Return hashes of which many differ from others in up to twelve bits, and some in none."""
    codes = RNG.integers(2**64, size=number, dtype=np.uint64)
    for place in range(number // 2):
        bits = RNG.choice(64, size=place % 13, replace=False).astype(np.uint64)
        codes[place] = codes[number // 2 + place // 8] ^ (np.uint64(1) << bits).sum(dtype=np.uint64)
    return RNG.permutation(codes)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 2**10), max_size=30))
def test_near_duplicates_are_all_pairs_within_the_distance(codes):
    near = np.triu(compared_one_by_one(codes, codes), 1)
    assert near_duplicates(in_hexadecimal(codes)).tolist() == np.argwhere(near).tolist()


def test_none_is_missed_among_many():
    codes = related(2000)
    near = np.triu(compared_one_by_one(codes, codes), 1)
    assert near.sum() > 1000
    assert near_duplicates(in_hexadecimal(codes)).tolist() == np.argwhere(near).tolist()


def test_a_picture_that_is_there_a_thousand_times_is_compared_once():
    pairs = near_duplicates(in_hexadecimal([5] * 1000))
    assert len(pairs) == len(np.unique(pairs, axis=0)) == 1000 * 999 // 2
    assert (pairs[:, 0] < pairs[:, 1]).all()


@pytest.mark.parametrize("number", [0, 1, 300])
def test_what_looks_like_others_is_near_to_one_of_them(number):
    codes = related(1200)
    rows, others = codes[:number], codes[600:]
    expected = compared_one_by_one(rows, others).any(axis=1)
    found = looks_like(*(pd.DataFrame({"phash": in_hexadecimal(c)}) for c in (rows, others)))
    assert found.tolist() == expected.tolist()
    assert number < 300 or 0 < expected.sum() < number


def test_tables_without_hashes_look_like_nothing():
    table = pd.DataFrame({"phash": in_hexadecimal([5])})
    assert looks_like(table, table.drop(columns="phash")).tolist() == [False]
    assert looks_like(table, table.iloc[:0]).tolist() == [False]
    assert looks_like(table, table).tolist() == [True]
