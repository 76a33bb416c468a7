"""A copy of a database that is in use is whole, private and checked; else there is none."""

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from deploy.sqlite_backup import BackupError, back_up
from tests.deploy.engine import ROOT


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with a log, as the feedback store has one."""
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.execute("INSERT INTO t VALUES ('first')")
        connection.commit()
    return path


def rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [x for (x,) in connection.execute("SELECT x FROM t ORDER BY rowid")]


def test_what_stands_in_the_log_only_is_copied(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("INSERT INTO t VALUES ('in the log')")
        writer.commit()
        writer.execute("INSERT INTO t VALUES ('not committed')")
        plain = tmp_path / "plain.db"
        plain.write_bytes(database.read_bytes())
        back_up(database, tmp_path / "copy.db")
    assert rows(plain) == ["first"]  # what `cp` would have kept
    assert rows(tmp_path / "copy.db") == ["first", "in the log"]


def test_the_copy_is_one_private_file_without_what_was_deleted(
    database: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("INSERT INTO t VALUES (?)", ["a secret" * 100])
        writer.commit()
        writer.execute("DELETE FROM t WHERE x LIKE 'a secret%'")
        writer.commit()
        back_up(database, tmp_path / "copy.db")
        assert b"a secret" in database.read_bytes() + Path(f"{database}-wal").read_bytes()
    copy = tmp_path / "copy.db"
    assert b"a secret" not in copy.read_bytes()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("*copy*")] == ["copy.db"]


def test_a_failed_copy_leaves_the_older_one(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    back_up(database, copy)
    database.write_bytes(b"no database at all" * 1000)
    with pytest.raises(
        BackupError, match=r"some.db cannot be copied to .*: file is not a database"
    ):
        back_up(database, copy)
    assert rows(copy) == ["first"]
    assert not list(tmp_path.glob(".*"))


def test_a_damaged_database_is_not_taken_for_a_backup(database: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(database)) as writer:
        writer.executemany("INSERT INTO t VALUES (?)", [[f"row {n}" * 50] for n in range(500)])
        writer.commit()
    content = bytearray(database.read_bytes())
    content[8192:12288] = bytes(4096)
    database.write_bytes(content)
    with pytest.raises(BackupError, match="malformed"):
        back_up(database, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["absent.db", "copy.db"], "absent.db is not there; name the file of an SQLite database"),
        (["some.db", "absent/copy.db"], "cannot be copied to absent/copy.db"),
    ],
)
def test_the_command_says_in_one_sentence_what_is_wrong(
    database: Path, tmp_path: Path, names: list[str], sentence: str
) -> None:
    command = [sys.executable, "-m", "deploy.sqlite_backup", *names]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "absent.db").exists()
