"""Labelled pictures: which files of a folder count, under which label, and how many."""

import hashlib

import numpy as np
import pytest

from forgery_lab.errors import DataError
from forgery_lab.sources import labelled_pictures, photograph_table
from forgery_lab.sources.labelled_pictures import LabelledPicture
from tests.conftest import encoded, picture


def test_of_the_table_only_photographs_and_no_photographs_count(tmp_path):
    chosen = {}
    for row in photograph_table.sorted_pictures():
        chosen.setdefault(row.sorting, row)
    for row in chosen.values():
        path = tmp_path / row.laid_out_as
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"anything")
    found = labelled_pictures.of_table(tmp_path)
    expected = {"photograph", *photograph_table.NO_PHOTOGRAPHS}
    assert {one.path for one in found} == {
        tmp_path / row.laid_out_as for name, row in chosen.items() if name in expected
    }
    assert sum(one.is_photograph for one in found) == 1


def test_what_was_drawn_is_told_by_its_table(tmp_path):
    (tmp_path / "1_chart.png").write_bytes(encoded(picture(), "PNG"))
    header = "file\tsorting\tsubject\tshared_as\twidth\theight\tsha256\n"
    rows = "1_chart.png\tchart\tchart\tPNG\t9\t9\tab\n2_map.png\tchart\tmap\tPNG\t9\t9\tcd\n"
    (tmp_path / "no_photographs.tsv").write_text(header + rows)
    (one,) = labelled_pictures.of_drawn(tmp_path)
    assert (one.source, one.is_photograph, one.may_teach) == ("drawn: chart", False, True)


def test_sealed_originals_of_a_folder_are_left_out(tmp_path, monkeypatch):
    for seed in range(3):
        (tmp_path / f"{seed}.jpg").write_bytes(encoded(picture(seed=seed)))
    digest = hashlib.sha256((tmp_path / "1.jpg").read_bytes()).hexdigest()
    monkeypatch.setattr(labelled_pictures, "sealed", lambda: frozenset([digest]))
    found = labelled_pictures.of_folder(tmp_path, "mine", is_photograph=True, may_teach=False)
    assert [one.path.name for one in found] == ["0.jpg", "2.jpg"]
    assert not any(one.may_teach for one in found)


@pytest.mark.parametrize("name", ["of_table", "of_drawn"])
def test_a_folder_without_any_is_refused_with_what_is_expected(tmp_path, name):
    with pytest.raises(DataError, match="expected: "):
        getattr(labelled_pictures, name)(tmp_path)


def test_of_each_source_and_kind_at_most_so_many_and_always_the_same(tmp_path):
    pictures = [
        LabelledPicture(tmp_path / f"{number}.png", source, is_photograph)
        for number in range(10)
        for source, is_photograph in (("a", True), ("a", False), ("b", True))
    ]
    kept = labelled_pictures.at_most(pictures, 4)
    assert len(kept) == 12
    shuffled = np.random.default_rng(0).permutation(len(pictures))
    again = labelled_pictures.at_most([pictures[place] for place in shuffled], 4)
    assert set(kept) == set(again)
