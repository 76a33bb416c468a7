"""Files and folders appear whole or not at all."""

import pytest

from forgery_lab.files import whole_folder, write_whole


@pytest.mark.parametrize("content", ["new", b"new", lambda path: path.write_text("new")])
def test_a_file_is_replaced_and_nothing_stays_beside_it(tmp_path, content):
    write_whole(tmp_path / "made/file.txt", "old")
    write_whole(tmp_path / "made/file.txt", content)
    assert (tmp_path / "made/file.txt").read_text() == "new"
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["file.txt"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    def write_half(path):
        path.write_text("half")
        raise RuntimeError("stop")

    write_whole(tmp_path / "file.txt", "old")
    with pytest.raises(RuntimeError, match="stop"):
        write_whole(tmp_path / "file.txt", write_half)
    assert (tmp_path / "file.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_what_killed_writers_left_goes_where_nobody_else_writes(tmp_path):
    of_this, of_other = tmp_path / ".file.txt.0.partial", tmp_path / ".other.txt.0.partial"
    for partial in (of_this, of_other):
        partial.write_text("half")
    write_whole(tmp_path / "file.txt", "new")
    assert of_this.exists()
    write_whole(tmp_path / "file.txt", "newer", alone=True)
    assert (tmp_path / "file.txt").read_text() == "newer"
    assert not of_this.exists()
    assert of_other.exists()


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    def write_half():
        with whole_folder(tmp_path / "a") as partial:
            (partial / "half").write_text("x")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "b").mkdir()
    with whole_folder(tmp_path / "b") as partial:
        (partial / "all").write_text("x")
    assert [p.name for p in tmp_path.rglob("*")] == ["b", "all"]
