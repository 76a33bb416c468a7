"""The table of sorted pictures: what it holds, and what a wrong row is answered with."""

from collections import Counter

import pytest

from forgery_lab.errors import DataError
from forgery_lab.sources import photograph_table
from forgery_lab.sources.photograph_table import (
    NO_PHOTOGRAPHS,
    REPOSITORIES,
    SORTINGS,
    read_table,
    sorted_pictures,
)


def test_every_picture_occurs_once_and_all_that_were_looked_at_are_there():
    pictures = sorted_pictures()
    assert len(pictures) == 3753
    assert len({picture.sha256 for picture in pictures}) == len(pictures)
    assert len({picture.laid_out_as for picture in pictures}) == len(pictures)
    assert len({(picture.source, picture.path) for picture in pictures}) == len(pictures)


def test_digests_are_digests():
    for picture in sorted_pictures():
        for digest, digits in ((picture.sha1, 8), (picture.sha256, 64)):
            assert len(digest) == digits
            assert set(digest) <= set("0123456789abcdef")


def test_the_counts_are_those_of_the_documentation():
    counts = Counter(picture.sorting for picture in sorted_pictures())
    assert set(counts) == set(SORTINGS)
    assert counts["photograph"] == 3002
    assert sum(counts[sorting] for sorting in NO_PHOTOGRAPHS) == 480
    assert Counter(picture.source for picture in sorted_pictures()) == {
        "boofcv": 91,
        "budgie": 13,
        "cameras": 111,
        "clothes": 1533,
        "food": 677,
        "gallery": 32,
        "gb82": 35,
        "kde": 44,
        "mate": 28,
        "offices": 124,
        "pixls": 1065,
    }


def test_attribution_is_known_wherever_it_is_asked_for():
    for picture in sorted_pictures():
        if photograph_table.TERMS[picture.terms] in ("attribution", "share-alike"):
            assert picture.author, picture


def test_unclear_terms_and_restricted_ones_do_not_teach():
    by_terms = {picture.terms: picture.may_teach for picture in sorted_pictures()}
    assert set(by_terms) == set(photograph_table.TERMS)
    assert not any(may for terms, may in by_terms.items() if "NC" in terms or "ND" in terms)
    assert not by_terms["terms unclear"]
    assert not by_terms["all rights reserved"]
    assert by_terms["CC0 1.0"]
    assert by_terms["CC BY-SA 4.0"]


def test_a_group_has_at_least_two_pictures_of_one_source():
    groups: dict[str, set[str]] = {}
    for picture in sorted_pictures():
        if picture.group:
            groups.setdefault(picture.group, set()).add(picture.source)
    sizes = Counter(picture.group for picture in sorted_pictures() if picture.group)
    assert min(sizes.values()) >= 2
    assert all(len(sources) == 1 for sources in groups.values())


def test_camera_originals_name_their_make():
    assert all(picture.make for picture in sorted_pictures() if picture.origin == "camera")


def test_a_repository_is_named_with_its_commit():
    for repository in REPOSITORIES.values():
        assert len(repository.commit) == 40
        assert repository.url("a b.jpg").endswith(f"{repository.commit}/a%20b.jpg")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("photograph", "picture"), "sorting is 'picture'; allowed: photograph, composite"),
        (("CC BY 4.0", ""), "terms is ''; allowed: CC0 1.0"),
        (("web", "lossless-ish"), "origin is 'lossless-ish'; allowed: camera, web, lossless"),
        (("boofcv", "boof"), "line 2: source is 'boof'; allowed: boofcv"),
        (("\tPeter Abeles", ""), "line 2: 9 fields; expected: 10"),
        (("source\t", "origin\t"), "has columns"),
    ],
)
def test_a_wrong_table_is_refused_with_what_is_allowed(tmp_path, change, said):
    lines = photograph_table.TABLE.read_text(encoding="utf-8").splitlines()
    row = next(line for line in lines if line.startswith("boofcv") and "CC BY 4.0" in line)
    path = tmp_path / "table.tsv"
    path.write_text(f"{lines[0]}\n{row}\n".replace(*change, 1), encoding="utf-8")
    with pytest.raises(DataError, match=said.replace("(", r"\(")):
        read_table(path)
