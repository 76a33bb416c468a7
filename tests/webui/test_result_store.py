import os
import stat
import time
import zipfile
from pathlib import Path

import pytest

from forgery.evidence.analysis import Analysis, conclude, gather
from forgery_pyfunc.contract import Record
from forgery_pyfunc.imaging.guards import Limits
from tests.webui.pictures import picture
from webui.private_folder import FolderError
from webui.result_store import ResultStore

PHOTO = picture(20)


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    record = Record(verdict="authentic", probability=0.1)
    return conclude("a.jpg", PHOTO, record, gather(PHOTO, Limits(), ()))


def open_store(folder: Path, max_bytes: int = 10**6, seconds: float = 60) -> ResultStore:
    return ResultStore(folder / "results", max_bytes, seconds)


def age(store: ResultStore, identifier: str, seconds: float) -> None:
    past = time.time() - seconds
    os.utime(store.folder / f"{identifier}.zip", (past, past))


def test_a_result_is_kept_and_another_process_finds_it(tmp_path, analysis):
    kept = open_store(tmp_path).add(PHOTO, analysis)
    found = open_store(tmp_path).get(kept.identifier)
    assert (found.data, found.analysis) == (PHOTO, analysis)
    assert abs((found.kept_until - kept.kept_until).total_seconds()) < 1


def test_the_folder_is_for_its_owner_and_the_names_cannot_be_guessed(tmp_path, analysis):
    store = open_store(tmp_path)
    names = {store.add(PHOTO, analysis).identifier for _ in range(3)}
    assert len(names) == 3
    assert {len(name) for name in names} == {22}
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700


def test_a_link_does_not_tell_where_the_picture_was_taken(tmp_path, analysis):
    facts = analysis.evidence.facts.model_copy(update={"location": "1.0, 2.0"})
    evidence = analysis.evidence.model_copy(update={"facts": facts})
    located = analysis.model_copy(update={"evidence": evidence})
    store = open_store(tmp_path)
    found = store.get(store.add(PHOTO, located).identifier)
    assert found.analysis.evidence.facts.location is None


def test_the_oldest_results_make_room(tmp_path, analysis):
    store = open_store(tmp_path)
    first = store.add(PHOTO, analysis).identifier
    age(store, first, 10)
    size = (store.folder / f"{first}.zip").stat().st_size
    small = open_store(tmp_path, max_bytes=int(2.5 * size))
    second, third = (small.add(PHOTO, analysis).identifier for _ in range(2))
    assert [bool(small.get(name)) for name in (first, second, third)] == [False, True, True]
    assert open_store(tmp_path, max_bytes=size // 2).add(PHOTO, analysis) is None


def test_results_go_in_time(tmp_path, analysis):
    store = open_store(tmp_path)
    old, new = (store.add(PHOTO, analysis).identifier for _ in range(2))
    (store.folder / "left.part").touch()
    age(store, old, 61)
    assert store.get(old) is None
    os.utime(store.folder / "left.part", (0, 0))
    store.sweep()
    assert [path.stem for path in store.folder.iterdir()] == [new]


def test_results_go_although_nobody_asks(tmp_path, analysis):
    store = open_store(tmp_path, seconds=0.2)
    store.add(PHOTO, analysis)
    deadline = time.monotonic() + 30
    while list(store.folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(store.folder.iterdir()) == []


def test_a_result_from_the_future_is_kept_no_longer_than_others(tmp_path, analysis):
    store = open_store(tmp_path)
    name = store.add(PHOTO, analysis).identifier
    age(store, name, -86_400)
    store.sweep()
    left = store.get(name).kept_until.timestamp() - time.time()
    assert 50 < left <= 61


def test_the_time_of_day_may_be_set_while_results_are_kept(tmp_path, analysis, monkeypatch):
    store = open_store(tmp_path)
    name = store.add(PHOTO, analysis).identifier
    today = time.time
    for jump in (86_400, -86_400):
        monkeypatch.setattr(time, "time", lambda jump=jump: today() + jump)
        store.sweep()
        assert store.get(name)
    monkeypatch.undo()
    age(store, name, 61)
    assert store.get(name) is None


def test_a_result_can_be_deleted_and_odd_names_find_nothing(tmp_path, analysis):
    store = open_store(tmp_path)
    name = store.add(PHOTO, analysis).identifier
    assert (store.remove(name), store.remove(name)) == (True, False)
    for odd in ("", "../../etc/passwd", name[:-1], f"{name}/"):
        assert store.get(odd) is None
        assert not store.remove(odd)


def test_a_result_that_another_version_wrote_is_not_shown(tmp_path, analysis):
    store = open_store(tmp_path)
    name = store.add(PHOTO, analysis).identifier
    with zipfile.ZipFile(store.folder / f"{name}.zip", "w") as archive:
        archive.writestr("picture", PHOTO)
        archive.writestr("analysis.json", "{}")
    assert store.get(name) is None


def test_a_folder_that_is_none_is_refused(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(FolderError, match="RESULTS_DIR"):
        open_store(tmp_path)
    (tmp_path / "results").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FolderError, match="RESULTS_DIR"):
        open_store(tmp_path)
