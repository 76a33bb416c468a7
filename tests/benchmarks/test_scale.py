"""The benchmark of many machines: its arithmetic; clusters are tested in tests/clusters."""

import pandas as pd
import pytest

from benchmarks.scale import archive
from benchmarks.scale.__main__ import HASHES, requirements
from benchmarks.scale.speed import Watch
from forgery_pyfunc.imaging.decoding import decode

SPEEDS = {"bare": 10.0, "one executor": 10.0, "two executors": 19.0, "local": 19.5}
EPOCHS = {"one process": 10.0, "two processes": 6.0}


def test_the_speed_is_counted_from_the_first_part_on(tmp_path):
    watch = Watch(tmp_path)
    assert watch.images_a_second == 0
    for number, (images, at) in enumerate([(5, 100.0), (7, 100.0), (30, 101.0), (10, 104.0)]):
        pd.DataFrame({"path": ["a"] * images}).to_parquet(tmp_path / f"part-{number}.parquet")
        watch.look(at)
    (tmp_path / "part-0.parquet").unlink()
    watch.look(109.0)
    assert watch.images_a_second == (30 + 10) / 4


def test_an_archive_has_so_many_pictures_of_the_size(tmp_path):
    folder = archive.write(tmp_path / "images", 20)
    archive.write(folder, 1, (300, 500), prefix="large-")
    sizes = [(one.width, one.height) for path in sorted(folder.iterdir())
             for one in [decode(path.read_bytes())]]  # fmt: skip
    assert sizes == [(384, 256)] * 20 + [(500, 300)]


@pytest.mark.parametrize(
    ("changed", "not_met"),
    [
        ({}, []),
        ({"one executor": 12.0}, ["Spark, two executors of one core, of one"]),
        ({"local": 25.0}, ["Spark, two executors, of `engine=local`"]),
        ({"bare": 12.0}, ["`engine=local` on two cores, of the bare cost × 2"]),
        ({"two processes": 6.5}, ["two training processes of one thread, of one of one thread"]),
    ],
)
def test_a_speed_that_is_too_low_is_named(changed, not_met):
    speeds = SPEEDS | changed
    epochs = EPOCHS | changed
    seconds = dict(zip(HASHES, (1.0, 12.0, 144.0), strict=True))
    found = list(requirements(speeds, seconds, gigabytes=1.5, epochs=epochs))
    assert len(found) == 7
    assert [one.what for one in found if not one.met] == not_met


def test_all_pairs_would_be_noticed():
    seconds = dict(zip(HASHES, (1.0, 12.0, 1200.0), strict=True))
    found = [one for one in requirements(SPEEDS, seconds, 1.6, EPOCHS) if not one.met]
    assert [one.seen for one in found] == ["1.60 GB", "100.0 ×, 1200.00 s"]
