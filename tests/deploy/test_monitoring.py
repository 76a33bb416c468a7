"""Alert rules, dashboard and compose file of the monitoring."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.engine import ROOT, compose
from webui.application import create_app
from webui.settings import Settings

FOLDER = ROOT / "deploy" / "monitoring"
RULES = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((FOLDER / "grafana" / "forgery.json").read_text())
EXPRESSIONS = [
    *(rule["expr"] for rule in RULES),
    *(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]),
]
OF_A_CONTAINER = {"forgery_container_memory_bytes", "forgery_container_memory_limit_bytes"}
OF_PROMETHEUS = {"up"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "deploy/monitoring/prometheus.yml"),
        ("check", "rules", "deploy/monitoring/alerts.yml"),
        ("test", "rules", "tests/deploy/alerts.yml"),
    ],
    ids=" ".join,
)
def test_promtool_accepts_the_files(arguments):
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(
        ["promtool", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_and_panels_ask_for_metrics_that_there_are(tmp_path):
    settings = Settings(results_dir=str(tmp_path / "results"), jobs_dir=str(tmp_path / "jobs"))
    text = create_app(settings).test_client().get("/metrics").text
    known = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    known |= {f"{name}_bucket" for name in known} | OF_A_CONTAINER | OF_PROMETHEUS
    asked = set(re.findall(r"\b(?:forgery|process)_\w+|\bup\b", " ".join(EXPRESSIONS)))
    assert asked >= {"forgery_declined_total", "forgery_score_bucket"}
    assert asked <= known


def test_the_runbook_has_every_alert_and_no_other():
    page = (ROOT / "docs" / "operations.md").read_text()
    listed = re.findall(r"^### (\w+)$", page.split("## Alerts")[1].split("\n## ")[0], re.MULTILINE)
    assert listed == [rule["alert"] for rule in RULES]


@pytest.mark.container
def test_compose_reads_the_file_and_what_it_mounts_is_there():
    command = [
        *compose(),
        "--file",
        ROOT / "compose.yaml",
        "--file",
        ROOT / "compose.monitoring.yaml",
    ]
    environment = os.environ | {"GRAFANA_PASSWORD": "made-up"}
    done = subprocess.run(
        [*command, "config"], env=environment, capture_output=True, text=True, check=True
    )
    services = yaml.safe_load(done.stdout)["services"]
    assert services["forgery"]["environment"]["PREDICTION_LOG"] == "/var/lib/forgery/predictions"
    for service in services.values():
        assert all("127.0.0.1" in str(port) for port in service.get("ports", []))
    mounted = yaml.safe_load((ROOT / "compose.monitoring.yaml").read_text())["services"]
    files = [
        volume.split(":")[0]
        for name in ("prometheus", "grafana")
        for volume in mounted[name]["volumes"]
        if volume.startswith("./")
    ]
    assert len(files) == 5
    assert all(Path(ROOT, file).is_file() for file in files)
