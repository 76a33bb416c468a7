"""A scan in each Python answers as the server does, for every picture; none ends in a traceback."""

import csv
import io

import pytest

from forgery_pyfunc.contract import CodedMessage

pytestmark = pytest.mark.doors

TOLERANCE = 1e-9
"""Of probabilities, with the same ONNX Runtime, Pillow and OpenBLAS kernels."""


def test_the_scan_and_the_server_agree(environment, answers, desk):
    # The server's environment has the extra that reads HEIC.
    answers = {path: record for path, record in answers.items() if record.format != "HEIC"}
    command = ["forgery", "scan", "--csv", *answers]
    done = environment.run_offline(*command, cwd=desk, check=False)
    refused = {str(path) for path, record in answers.items() if record.error}
    assert done.returncode == (2 if refused else 1), done.stderr
    rows = {row["path"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert set(rows) == {str(path) for path in answers}
    assert {path for path, row in rows.items() if row["error"]} == refused
    differing = []
    for path, record in answers.items():
        row = rows[str(path)]
        code = CodedMessage.parse(row["error"]).code if row["error"] else None
        theirs = (record.verdict or "", record.format or "", record.error_code)
        if (row["verdict"], row["format"], code) != theirs:
            differing.append((path.name, row, record))
        elif record.probability is not None:
            if abs(float(row["probability"]) - record.probability) > TOLERANCE:
                differing.append((path.name, row["probability"], record.probability))
        elif record.error:
            assert len(CodedMessage.parse(row["error"]).message.split()) > 2, row["error"]
    assert differing == []


def test_enough_pictures_were_asked(answers):
    scored = [record for record in answers.values() if record.verdict]
    refused = [record for record in answers.values() if record.error]
    print(f"{len(scored)} scored, {len(refused)} refused")
    assert len(scored) > 40
    assert len(refused) > 10
