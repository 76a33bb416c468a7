"""Pictures that are no photographs: what is drawn, charts, and what sharing does to a picture.

The pages themselves are drawn where NO_PHOTOGRAPHS_PACKAGES names the folder node_modules.
"""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.sources import no_photographs
from forgery_lab.sources.no_photographs import INDEX, SUBJECTS, Material, draw
from forgery_lab.sources.no_photographs.browser import PAGES
from forgery_lab.sources.no_photographs.charts import draw_chart
from forgery_lab.sources.no_photographs.sharing import cut, encoded, scanned
from forgery_lab.sources.photograph_table import NO_PHOTOGRAPHS


class Canvas:
    """Stands for the browser, where the pages are not what is tested: a grey page of the size."""

    failures = 0

    def __init__(self, *_):
        self.shots = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def shoot(self, shot):
        self.shots.append(shot)
        if len(self.shots) <= Canvas.failures:
            raise DataError("page dashboard, seed 1: broken")
        file = io.BytesIO()
        Image.new("RGB", shot.size, (90, 120, 150)).save(file, "PNG")
        return file.getvalue()


@pytest.fixture
def material(tmp_path, monkeypatch):
    monkeypatch.setattr(no_photographs, "Browser", Canvas)
    packages = tmp_path / "node_modules"
    for name in ("echarts", "three"):
        (packages / name).mkdir(parents=True)
    return Material(packages)


def test_every_subject_has_a_page_and_is_one_of_the_sortings():
    pages = {path.stem for path in PAGES.glob("*.html")}
    assert {subject.name for subject in SUBJECTS} == pages | {"matplotlib"}
    assert {subject.sorting for subject in SUBJECTS} == set(NO_PHOTOGRAPHS)
    assert sum(subject.share for subject in SUBJECTS) == 700


def test_the_table_says_what_was_drawn_and_the_same_seed_draws_it_again(tmp_path, material):
    first = draw(tmp_path / "a", 40, material, seed=7)
    assert first == draw(tmp_path / "b", 40, material, seed=7)
    assert first != draw(tmp_path / "c", 40, material, seed=8)
    with (tmp_path / "a" / INDEX).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["sha256"] for row in rows] == [row.sha256 for row in first]
    assert {path.name for path in (tmp_path / "a").iterdir()} == {row.file for row in first} | {
        INDEX
    }
    assert {row.sorting for row in first} == set(NO_PHOTOGRAPHS)
    assert not {"feed", "viewer"} & {row.subject for row in first}, "no photograph was given"


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path, material, monkeypatch):
    whole = draw(tmp_path, 12, material)
    index = tmp_path / INDEX
    index.write_text("".join(index.read_text().splitlines(keepends=True)[:9]))
    (tmp_path / whole[2].file).write_bytes(b"changed")
    drawn = []
    write = no_photographs._write
    monkeypatch.setattr(
        no_photographs, "_write", lambda *given: drawn.append(given[1]) or write(*given)
    )
    assert draw(tmp_path, 12, material) == whole
    assert drawn == [2, 8, 9, 10, 11]


def test_a_page_that_fails_is_drawn_again_and_at_last_reported(tmp_path, material, monkeypatch):
    monkeypatch.setattr(Canvas, "failures", 2)
    assert len(draw(tmp_path / "a", 4, material)) == 4
    monkeypatch.setattr(Canvas, "failures", 99)
    with pytest.raises(DataError, match="page dashboard, seed 1: broken"):
        draw(tmp_path / "b", 4, material)


def test_missing_packages_are_named(tmp_path):
    with pytest.raises(DataError, match="lacks echarts, three; expected: the folder node_modules"):
        draw(tmp_path / "out", 1, Material(tmp_path))


def test_charts_have_the_size_asked_for_and_differ():
    pictures = [draw_chart(np.random.default_rng(seed), (640, 480)) for seed in range(8)]
    assert {picture.size for picture in pictures} == {(640, 480)}
    assert len({picture.tobytes() for picture in pictures}) == 8


def test_a_scan_has_grain_where_the_page_was_blank():
    rng = np.random.default_rng(3)
    scans = [np.asarray(scanned(Image.new("RGB", (300, 400), "white"), rng)) for _ in range(6)]
    assert sum(scan.std() > 0.5 for scan in scans) >= 4


def test_a_cut_shows_something():
    page = Image.new("RGB", (900, 900), "white")
    page.paste(Image.linear_gradient("L").resize((120, 120)), (400, 400))
    for seed in range(20):
        assert np.asarray(cut(page, np.random.default_rng(seed)).convert("L")).std() > 1


def test_a_cut_lies_in_the_picture_and_encodings_are_those_of_sharing():
    rng, page = np.random.default_rng(5), Image.linear_gradient("L").resize((800, 600))
    page = page.convert("RGB")
    endings = set()
    for _ in range(60):
        part = cut(page, rng)
        assert part.width <= 800
        assert 200 <= part.height <= 600
        data, ending, shared_as = encoded(part, rng)
        endings.add(ending)
        with Image.open(io.BytesIO(data)) as image:
            assert min(image.size) >= 200
            assert image.format in shared_as.upper()
    assert endings == {".png", ".jpg", ".webp"}


@pytest.mark.skipif(
    "NO_PHOTOGRAPHS_PACKAGES" not in os.environ, reason="NO_PHOTOGRAPHS_PACKAGES is not set"
)
@pytest.mark.slow
def test_every_page_draws_itself_the_same_twice(tmp_path):
    from forgery_lab.sources.no_photographs.browser import Browser, Shot

    with Browser(Path(os.environ["NO_PHOTOGRAPHS_PACKAGES"]), ()) as browser:
        for subject in SUBJECTS:
            if subject.name == "matplotlib" or subject.shows_photographs:
                continue
            shot = Shot(subject.name, (800, 600), 1.0, 11)
            first = browser.shoot(shot)
            assert first == browser.shoot(shot), subject.name
            assert np.asarray(Image.open(io.BytesIO(first)).convert("L")).std() > 1, subject.name
