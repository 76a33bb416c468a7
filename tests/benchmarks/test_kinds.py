"""Whether the reason that is named is counted as right or wrong."""

import json
import sys

import numpy as np
import pytest

from benchmarks import kinds
from forgery import SHIPPED
from forgery_lab.forgeries import scenes
from forgery_lab.forgeries.forging import ForgeryRecord
from forgery_pyfunc.imaging.jpeg_encoder import encode


def test_a_run_forges_every_photograph_and_says_what_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for number, category in enumerate(scenes.CATEGORIES[:3]):
        pixels = scenes.render(category, np.random.default_rng(number), 256, 384)
        (tmp_path / f"photos/{number}.jpg").write_bytes(encode(pixels, quality=92))
    monkeypatch.setattr(sys, "argv", ["kinds", str(SHIPPED), "--web", "photos"])
    kinds.main()
    said = capsys.readouterr().out.splitlines()
    rows = json.loads((tmp_path / "reports/kinds.json").read_text())
    made = [row["made"] for row in rows]
    assert made[0] == "splice"
    assert made[1].startswith("copy-move, ")
    assert made[2] == "removal"
    assert next(line for line in said if line.startswith("splice ")).split()[1] == "1"
    forged = sum(row["verdict"] == "forged" for row in rows)
    assert next(line for line in said if line.startswith("together")).split()[1:3] == [
        "3",
        str(forged),
    ]


def record(kind, *operations):
    return ForgeryRecord(kind, None, 0.1, list(operations))


@pytest.mark.parametrize(
    ("operations", "made"),
    [
        (("copy-move", {"name": "move"}), "copy-move, moved only"),
        (("copy-move", {"name": "turn"}), "copy-move, turned or scaled"),
        (("inpainting", {"name": "inpaint", "method": "exemplar"}), "inpainting by patches"),
        (("inpainting", {"name": "inpaint", "method": "diffusion"}), "inpainting by diffusion"),
        (("retouching", {"name": "retouch", "method": "stamp"}), "retouching by a clone stamp"),
        (("retouching", {"name": "retouch", "method": "blur"}), "other retouching"),
        (("splice", {"name": "turn"}), "splice"),
    ],
)
def test_how_a_forgery_was_made(operations, made):
    assert kinds.made(record(*operations)) == made
    assert made in kinds.RIGHT


def test_only_what_is_called_forged_is_counted():
    rows = [
        {"made": "splice", "verdict": "forged", "named": "noise"},
        {"made": "splice", "verdict": "forged", "named": "copy"},
        {"made": "splice", "verdict": "inconclusive", "named": "copy"},
        {"made": "removal", "verdict": "forged", "named": "copy"},
    ]
    table = kinds.lines(rows)
    splice = next(line for line in table if line.startswith("splice"))
    assert splice.split()[1:3] == ["3", "2"]
    assert "1 noise, 1 copy; 1 of 2" in splice
    assert table[-1].split()[1:6] == ["4", "3", "2", "of", "3"]


def test_nothing_to_forge_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["kinds", "detector"])
    with pytest.raises(SystemExit):
        kinds.main()
    assert "nothing to forge" in capsys.readouterr().err
