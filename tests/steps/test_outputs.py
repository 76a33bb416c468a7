"""Outputs are replaced, never written into: DVC's cache is on the other end of a hard link."""

import json
import os


def test_a_step_by_hand_leaves_the_objects_of_dvcs_cache_as_they_are(clone, tmp_path):
    cache, workspace = tmp_path / "cache", tmp_path / "workspace"
    outputs = ("reports/ingest.json", "runs/ingest.json", "data/manifest.parquet")
    for name in outputs:
        for path in (cache / name, workspace / name):
            path.parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_text("cached")
        os.link(cache / name, workspace / name)
        (cache / name).chmod(0o444)
    clone.step("ingest", "--demo_count", "40", "--workspace", str(workspace))
    assert [(cache / name).read_text() for name in outputs] == ["cached"] * 3
    assert json.loads((workspace / "reports/ingest.json").read_text())["images"] == 40
    assert json.loads((workspace / "runs/ingest.json").read_text())["run_id"]
