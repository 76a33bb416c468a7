"""The file that tells the page which scoring server answers, and as which model version."""

import json
from datetime import UTC, datetime
from pathlib import Path

from serving.services import LOOPBACK


def write_pointer(path: Path, port: int, version: str) -> None:
    """Point the page at a scoring server; the file appears whole."""
    content = {
        "url": f"http://{LOOPBACK}:{port}",
        "model_version": version,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content), "utf-8")
    partial.replace(path)
