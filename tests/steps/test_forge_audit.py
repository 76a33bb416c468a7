"""The entry points for one's own pictures: forge them, and audit a data set."""

import json

import numpy as np
import pytest
from mlflow.tracking import MlflowClient

from forgery_lab.forgeries import scenes
from tests.conftest import encoded

pytestmark = pytest.mark.slow


def test_forged_photographs_can_be_audited(clone, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(5)
    for number in range(12):
        scene = scenes.render(("nat", "arc", "pla")[number % 3], rng, 240, 320)
        (photos / f"{number}.jpg").write_bytes(encoded(scene, quality=92))
    made = tmp_path / "forged"
    said = clone.step(
        "forge", "--input", str(photos), "--output", str(made), "--count", "24",
        "--kinds", "copy-move, inpainting", "--workspace", str(tmp_path),
    )  # fmt: skip
    assert "12 authentic" in said
    lines = (made / "records.jsonl").read_text().splitlines()
    kinds = {json.loads(line)["kind"] for line in lines}
    assert {"authentic", "copy-move"} <= kinds <= {"authentic", "copy-move", "inpainting"}
    assert len(list((made / "Tp").iterdir())) == 12
    report = tmp_path / "report"
    options = ("--data", str(made), "--workspace", str(tmp_path))
    clone.step("audit", *options, "--output", str(report))
    assert json.loads((report / "audit.json").read_text())["findings"]

    said = clone.step("audit", *options, "--output", str(photos / "0.jpg/report"), expect=1)
    assert "Traceback" not in said
    client = MlflowClient(clone.environment["MLFLOW_TRACKING_URI"])
    run = next(
        run
        for run in client.search_runs(
            [one.experiment_id for one in client.search_experiments()],
            order_by=["attributes.start_time DESC"],
        )
        if run.data.tags.get("step") == "audit"
    )
    assert run.data.tags["outcome"] == "failed"
    assert run.data.tags["reason"].startswith("Not a directory")
