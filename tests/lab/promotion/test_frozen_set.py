"""The frozen test set: named by its digest, and kept away from all that a model learns from."""

import shutil

import pandas as pd
import pytest

from forgery_lab.data import ingestion, manifest
from forgery_lab.errors import DataError
from forgery_lab.promotion import frozen_set
from forgery_lab.sources.source import Source
from steps.settings.configuration import PROJECT_ROOT, ConfigurationManager
from steps.settings.entities import PromoteSettings
from tests.conftest import training_manifest, write_pictures


@pytest.fixture(scope="module")
def judges(small_frozen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept") / "frozen"
    return frozen_set.ensure(folder, Source.parse(str(small_frozen.source)), small_frozen.digest)


def codes(rows, judges):
    return frozen_set.touching(pd.DataFrame(rows), judges.frame).tolist()


def row(judges, **changes):
    """A row of the frozen set, changed until it is another image unless told otherwise."""
    base = {"sha256": "0" * 64, "phash": "f0f0f0f00f0f0f0f", "source_ids": ["zzz00001"]}
    return base | changes


def test_it_is_fetched_once_and_then_found(judges, small_frozen, tmp_path):
    assert len(judges.frame) == 28
    again = frozen_set.ensure(
        judges.root.parent, Source.parse(str(tmp_path / "gone")), small_frozen.digest
    )
    pd.testing.assert_frame_equal(again.frame, judges.frame)


def test_another_digest_is_refused_and_the_one_found_is_told(small_frozen, tmp_path):
    with pytest.raises(DataError, match=f"set frozen_digest: {small_frozen.digest} in params"):
        frozen_set.ensure(tmp_path / "frozen", Source.parse(str(small_frozen.source)), "0" * 32)
    assert not (tmp_path / "frozen").exists()


def test_a_mistyped_digest_leaves_the_good_set_in_place(small_frozen, tmp_path):
    folder = tmp_path / "frozen"
    frozen_set.ensure(folder, Source.parse(str(small_frozen.source)), small_frozen.digest)
    with pytest.raises(DataError, match="was expected"):
        frozen_set.ensure(folder, Source.parse(str(small_frozen.source)), "0" * 32)
    assert len(frozen_set.ensure(folder, Source.parse("gone"), small_frozen.digest).frame) == 28
    assert [path.name for path in tmp_path.iterdir()] == ["frozen"]


@pytest.mark.parametrize("where", ["data/frozen", "data", "data/frozen/images"])
def test_photographs_in_the_folder_of_the_set_are_never_deleted(small_frozen, tmp_path, where):
    source = shutil.copytree(small_frozen.source, tmp_path / where)
    before = sorted(path for path in source.rglob("*") if path.is_file())
    with pytest.raises(DataError, match="overlap; keep your photographs elsewhere"):
        frozen_set.ensure(tmp_path / "data/frozen", Source.parse(str(source)), small_frozen.digest)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("damage", ["changed", "gone", "manifest"])
def test_a_set_that_was_altered_is_fetched_again(small_frozen, tmp_path, damage):
    kept = frozen_set.ensure(
        tmp_path / "frozen", Source.parse(str(small_frozen.source)), small_frozen.digest
    )
    victim = kept.root / kept.frame["path"].iloc[3]
    good = victim.read_bytes()
    if damage == "changed":
        victim.write_bytes(good + b"0")
    elif damage == "gone":
        victim.unlink()
    else:
        (tmp_path / "frozen/manifest.parquet").write_bytes(b"PAR1")
    frozen_set.ensure(
        tmp_path / "frozen", Source.parse(str(small_frozen.source)), small_frozen.digest
    )
    assert victim.read_bytes() == good


def test_an_image_touches_it_by_bytes_by_looks_and_by_source(judges):
    mine = judges.frame.iloc[0]
    near = f"{int(mine['phash'], 16) ^ 0b111:016x}"
    assert codes(
        [
            row(judges),
            row(judges, sha256=mine["sha256"], source_ids=["zzz00003"]),
            row(judges, phash=near, source_ids=["zzz00004"]),
            row(judges, source_ids=["zzz00002", *mine["source_ids"]]),
        ],
        judges,
    ) == ["", "frozen_image", "frozen_look_alike", "frozen_source"]


def test_what_shares_a_source_with_a_look_alike_touches_it_too(judges):
    mine = judges.frame.iloc[0]
    rows = [row(judges, phash=mine["phash"], source_ids=["zzz00009"]),
            row(judges, source_ids=["zzz00009", "zzz00010"])]  # fmt: skip
    assert codes(rows, judges) == ["frozen_look_alike", "frozen_source"]


def test_a_training_manifest_without_hashes_is_compared_by_bytes_and_source(judges):
    known = training_manifest("ani70001", "zzz00001")
    assert codes(known, judges) == ["frozen_source", ""]


def test_ingestion_takes_out_what_touches_it_and_lists_it(small_frozen, judges, tmp_path):
    folder = write_pictures(tmp_path / "data", 6, first=1, seed=5)
    for path in sorted((small_frozen.source / "Au").iterdir())[:2]:
        (folder / "Au" / f"Au_sec_{path.stem[-5:]}.jpg").write_bytes(path.read_bytes())
    frame, summary = ingestion.ingest(
        folder, touching=lambda rows: frozen_set.issues(rows, judges.frame)
    )
    assert summary.counts == {"frozen_image": 2, "no_masks": 1}
    assert len(frame) == summary.images == 12
    assert not codes(frame, judges).count("frozen_image")


def test_a_data_set_that_is_the_frozen_set_leaves_nothing_to_learn_from(small_frozen, judges):
    with pytest.raises(DataError, match=r"no image in this folder can be used .*frozen test set"):
        ingestion.ingest(
            small_frozen.source, touching=lambda rows: frozen_set.issues(rows, judges.frame)
        )


def test_the_embedded_one_is_what_params_yaml_names(tmp_path):
    settings = ConfigurationManager().settings(PromoteSettings)
    found = frozen_set.ensure(
        tmp_path / "frozen", Source.parse(settings.frozen, PROJECT_ROOT), settings.frozen_digest
    )
    assert manifest.digest(found.frame) == settings.frozen_digest
    assert found.frame["label"].value_counts().to_dict() == {0: 126, 1: 80}
