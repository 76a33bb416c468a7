"""Scoring on a cluster: what the local engine answers, also when an executor is killed."""

import pandas as pd
import pytest

from benchmarks.scale.cluster import ended, until
from forgery_lab.places import Place
from forgery_lab.scoring.job import SUCCESS
from tests.clusters.conftest import BAD, PARTS, SOUND, parts, read_parts
from tests.steps.tracking.tracking_server import BUCKET

pytestmark = pytest.mark.spark


def check_rows(table: pd.DataFrame, images: Place) -> None:
    """Every image of the listing has exactly one row, and those of no use their error."""
    listing = pd.DataFrame({"path": [name for name, _ in images.files()]})
    joined = listing.merge(table, on="path", how="outer", indicator=True, validate="one_to_one")
    assert (joined["_merge"] == "both").all()
    assert len(table) == SOUND + BAD
    errors = table.set_index("path")["error"].dropna().str.partition(":")[0].to_dict()
    assert errors == {
        "bomb.png": "too_many_pixels", "cut.jpg": "broken_image", "deadly.jpg": "internal_error",
        "deep/empty.jpg": "empty_image", "notes.txt": "not_an_image",
    }  # fmt: skip


def test_a_bucket_is_scored_as_on_one_machine_while_an_executor_is_killed(
    running, bucket, deadly_model, tmp_path
):
    output = Place.parse(f"s3://{BUCKET}/scored.parquet")
    driver = running.start(input=bucket.images, output=output, model=deadly_model)
    until(lambda: driver.poll() is not None or parts(output))
    assert 0 < parts(output) < PARTS
    running.executors()[0].kill()
    assert f"wrote {output}" in ended(driver)

    alone = tmp_path / "alone.parquet"
    running.score(input=bucket.images, output=alone, model=deadly_model, engine="local")
    assert (output / SUCCESS).exists()
    found = read_parts(output)
    check_rows(found, bucket.images)
    pd.testing.assert_frame_equal(
        found, pd.read_parquet(alone), check_exact=False, rtol=0, atol=1e-6
    )
