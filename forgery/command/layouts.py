"""How a scan is written: text for people, JSON, JSON lines, CSV, one HTML page."""

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Protocol

from forgery.evidence.verdict import on_one_line, percent
from forgery.scanning import ScannedFile
from forgery_pyfunc.contract import RECORD_FIELDS


class Stream(Protocol):
    """Where a scan is written."""

    def write(self, text: str, /) -> object:
        """Write text."""

    def flush(self) -> None:
        """Hand on what was written."""


OF_RECORD = tuple(name for name in RECORD_FIELDS if name != "heatmap")
FIELDS = ("path", *OF_RECORD, "content_credentials", "findings")


def write_text(files: Iterable[ScannedFile], out: Stream) -> None:
    """Write a line per file for people."""
    for file in files:
        record = file.record
        share = "" if record.probability is None else percent(record.probability)
        line = f"{record.verdict or 'not scored':13}{share:>7}  {file.name}"
        out.write(on_one_line(f"{line}: {said}" if (said := file.remark) else line) + "\n")
        if record.explanation:
            from forgery.evidence.why import in_short

            out.write("".join(f"    {sentence}\n" for sentence in in_short(record)))
        out.flush()


def write_json(files: Iterable[ScannedFile], out: Stream) -> None:
    """Write one JSON array with an object per file; whole, too, where the scan is broken off."""
    separator = "[\n"
    try:
        for file in files:
            out.write(separator + json.dumps(document(file)))
            separator = ",\n"
            out.flush()
    finally:
        out.write("[]\n" if separator == "[\n" else "\n]\n")


def write_json_lines(files: Iterable[ScannedFile], out: Stream) -> None:
    """Write a JSON object per line."""
    for file in files:
        out.write(json.dumps(document(file)) + "\n")
        out.flush()


def write_csv(files: Iterable[ScannedFile], out: Stream) -> None:
    """Write comma-separated values with a header."""
    table = csv.DictWriter(out, FIELDS, lineterminator="\n")
    table.writeheader()
    for file in files:
        table.writerow(fields(file) | flat(file))
        out.flush()


def write_html(files: Iterable[ScannedFile], out: Stream) -> None:
    """Write one self-contained page."""
    from forgery.report.scan_page import render

    out.write(render(list(files)) + "\n")


def fields(file: ScannedFile) -> dict[str, object]:
    """Return the values of `FIELDS`."""
    origin = file.origin
    return {
        "path": file.name,
        **{name: getattr(file.record, name) for name in OF_RECORD},
        "content_credentials": origin and asdict(origin.content_credentials.summary()),
        "findings": [asdict(finding) for finding in origin.findings] if origin else [],
    }


def flat(file: ScannedFile) -> dict[str, str]:
    """Return the values that are objects in JSON as the state and the codes alone."""
    if file.origin is None:
        return {"content_credentials": "", "findings": ""}
    codes = " ".join(finding.code for finding in file.origin.findings)
    return {"content_credentials": file.origin.content_credentials.state, "findings": codes}


def document(file: ScannedFile) -> dict[str, object]:
    """Return the same with the explanation as an object, not as text."""
    explanation = file.record.explanation
    return {**fields(file), "explanation": json.loads(explanation) if explanation else None}


LAYOUTS: dict[str, Callable[[Iterable[ScannedFile], Stream], None]] = {
    "text": write_text,
    "json": write_json,
    "jsonl": write_json_lines,
    "csv": write_csv,
    "html": write_html,
}
