"""A folder that stands for one in a bucket."""

import pytest

from forgery_lab.errors import DataError
from forgery_lab.mirror import NOTE, Mirror
from forgery_lab.places import Place

NAMES = ("data", "report.json")


@pytest.fixture
def here(place, tmp_path):
    return Mirror(place, tmp_path / "here")


@pytest.fixture
def there(place, tmp_path):
    """The mirror of the same place on another machine."""
    return Mirror(place, tmp_path / "there")


def write(mirror, name, content):
    file = mirror.folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def contents(mirror):
    return {
        file.relative_to(mirror.folder).as_posix(): file.read_text()
        for file in mirror.folder.rglob("*")
        if file.is_file() and file.name != NOTE
    }


def test_what_one_machine_wrote_another_one_reads_changes_and_removes(here, there):
    here.fetch(NAMES)
    for name in ("data/a", "data/b/c", "report.json", "data/.x.partial", "other"):
        write(here, name, name)
    here.send(NAMES)
    there.fetch(NAMES)
    assert contents(there) == {name: name for name in ("data/a", "data/b/c", "report.json")}
    write(there, "data/a", "changed there")
    (there.folder / "data/b/c").unlink()
    there.send(NAMES)
    assert set(here.place.versions()) == {"data/a", "report.json"}
    here.fetch(NAMES)
    kept = {name: name for name in ("report.json", "data/.x.partial", "other")}
    assert contents(here) == {"data/a": "changed there", **kept}


def test_only_what_changed_is_transferred(here, there, monkeypatch):
    for name in ("data/a", "data/b"):
        write(here, name, name)
    here.send(NAMES)
    there.fetch(NAMES)
    write(here, "data/b", "anew")
    fetched, copied = [], []
    fetch, copy = Place.fetch, Place.copy
    monkeypatch.setattr(
        Place, "fetch", lambda place, names, to: fetched.extend(names) or fetch(place, names, to)
    )
    monkeypatch.setattr(
        Place, "copy", lambda place, file: copied.append(file.name) or copy(place, file)
    )
    here.send(NAMES)
    there.fetch(NAMES)
    assert (fetched, copied) == (["data/b"], ["b"])
    assert contents(there) == {"data/a": "data/a", "data/b": "anew"}


def test_what_a_killed_process_had_not_sent_is_not_lost(here):
    write(here, "data/old", "old")
    here.send(NAMES)
    write(here, "data/old", "newer")  # killed here
    write(here, "data/new", "new")
    here.fetch(NAMES)
    assert contents(here) == {"data/old": "newer", "data/new": "new"}
    here.send(NAMES)
    assert (here.place / "data/old").read() == b"newer"
    assert (here.place / "data/new").read() == b"new"


def test_what_changed_on_both_sides_is_that_of_the_place(here, there):
    write(here, "data/a", "first")
    here.send(NAMES)
    there.fetch(NAMES)
    write(there, "data/a", "there")
    there.send(NAMES)
    write(here, "data/a", "here")
    here.fetch(NAMES)
    assert contents(here) == {"data/a": "there"}


def test_files_are_sent_in_the_order_in_which_they_were_written(here, monkeypatch):
    """Whoever stops between two of them leaves no table without its arrays."""
    for name in ("z.npy", "m.npy", "a.parquet"):
        write(here, f"data/{name}", name)
    sent = []
    monkeypatch.setattr(Place, "copy", lambda place, file: _stop_at_the_third(sent, file.name))
    with pytest.raises(KeyboardInterrupt):
        here.send(NAMES)
    assert sent == ["z.npy", "m.npy"]


def _stop_at_the_third(sent, name):
    if len(sent) == 2:
        raise KeyboardInterrupt
    sent.append(name)


def test_an_object_whose_name_leads_out_of_the_folder_is_refused(here, monkeypatch):
    name = "data/../../outside"
    monkeypatch.setattr(Place, "versions", lambda place: {name: "1"})
    with pytest.raises(DataError, match=r"data/\.\./\.\./outside: the name leads out"):
        here.fetch(NAMES)
    assert not (here.folder.parent / "outside").exists()


def test_other_names_are_not_fetched(here, there):
    write(here, "data/a", "a")
    write(here, "report.json", "{}")
    here.send(NAMES)
    there.fetch(["report.json", "dat"])
    assert contents(there) == {"report.json": "{}"}
