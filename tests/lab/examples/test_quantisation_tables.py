import re
from collections import Counter

import numpy as np
import pytest

from forgery_lab.errors import DataError
from forgery_lab.examples.quantisation_tables import (
    TABLE,
    drawn_tables,
    known_tables,
    read_table,
)
from forgery_lab.sources.sealed import sealed_makes
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import estimate_quality, read_header, standard_table


def test_every_row_is_another_way_to_save_that_can_be_imitated():
    rows = known_tables()
    assert len({(row.origin, row.history) for row in rows}) == len(rows) > 200
    assert {row.origin for row in rows} == {"camera", "software"}
    picture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    for row in rows:
        history = row.history
        assert row.files >= 1
        assert row.quality == estimate_quality(history.tables[0])[0]
        data = encode(picture, tables=history.tables, subsampling=history.subsampling)
        assert read_header(data).tables[:2] == history.tables


def test_no_row_is_libjpegs_and_none_names_a_sealed_make():
    libjpegs = {
        tuple(tuple(standard_table(quality, chroma).ravel().tolist()) for chroma in (False, True))
        for quality in range(1, 101)
    }
    for row in known_tables():
        assert row.history.tables not in libjpegs
        if row.origin == "camera":
            assert not set(re.findall(r"\w+", row.saved_by.lower())) & sealed_makes()


def test_tables_are_drawn_by_origin_quality_and_the_root_of_their_files():
    rng = np.random.default_rng(2)
    drawn = Counter(drawn_tables("camera", (90, 97), rng) for _ in range(3000))
    rows = {r.history: r for r in known_tables() if r.origin == "camera"}
    assert all(90 <= rows[history].quality <= 97 for history in drawn)
    pool = [row for row in rows.values() if 90 <= row.quality <= 97]
    weights = np.sqrt([row.files for row in pool])
    most = pool[int(weights.argmax())].history
    assert drawn[most] / 3000 == pytest.approx(weights.max() / weights.sum(), abs=0.02)
    assert drawn_tables("software", (1, 2), rng) is None


def test_a_broken_row_is_named(tmp_path):
    lines = TABLE.read_text("utf-8").splitlines()
    path = tmp_path / "tables.tsv"
    path.write_text(f"{lines[0]}\n{lines[1]} 7\n", "utf-8")
    with pytest.raises(DataError, match=r"tables.tsv, line 2: chroma is .*allowed: 64 values"):
        read_table(path)
    path.write_text(f"{lines[0]}\n{lines[1].replace('camera', 'phone', 1)}\n", "utf-8")
    with pytest.raises(DataError, match="origin is 'phone'; allowed: camera, software"):
        read_table(path)
    path.write_text("luma\n", "utf-8")
    with pytest.raises(DataError, match=r"tables.tsv has columns"):
        read_table(path)
