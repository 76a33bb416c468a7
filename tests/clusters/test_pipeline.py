"""Ingesting and preprocessing on a cluster leave the files that one machine would."""

import filecmp
from pathlib import Path

import pytest

from benchmarks.scale.cluster import ended, until
from tests.conftest import write_pictures

pytestmark = pytest.mark.spark

PICTURES = 80


def shards(features: Path) -> set[str]:
    return {path.name for path in features.glob("shard-*.parquet")}


def test_manifest_and_features_are_those_of_one_machine_while_an_executor_is_killed(
    running, small_frozen, tmp_path
):
    images = write_pictures(tmp_path / "images", PICTURES, seed=9)  # none is a frozen one
    (images / "Au" / "broken.jpg").write_bytes(b"no picture")
    judges = {"frozen": small_frozen.source, "frozen_digest": small_frozen.digest}
    of_features = {"features": "residual", "draws": 2, "rescaled": 1}
    for engine in ("local", "spark"):
        workspace = {"engine": engine, "workspace": tmp_path / engine}
        said = running.run("ingest", source=images, **judges, **workspace)
        assert f"{2 * PICTURES} images" in said
        assert "not_an_image: 1" in said
        step = running.start("preprocess", **of_features, **workspace)
        features = tmp_path / engine / "data/features"
        if engine == "spark":
            until(lambda: step.poll() is not None or shards(features))  # noqa: B023
            running.executors()[0].kill()
        ended(step)

    here, there = (tmp_path / engine / "data" for engine in ("local", "spark"))
    files = ["manifest.parquet", "splits.parquet"]
    files += [str(path.relative_to(here)) for path in sorted((here / "features").iterdir())]
    assert len(shards(here / "features")) > 3
    assert filecmp.cmpfiles(here, there, files, shallow=False) == (files, [], [])
    assert {path.name for path in (there / "features").iterdir()} == {
        path.name for path in (here / "features").iterdir()
    }
