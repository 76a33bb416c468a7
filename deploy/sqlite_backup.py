"""A consistent copy of an SQLite database that is in use: `python -m deploy.sqlite_backup DB COPY`.

Writers go on meanwhile. The copy is one file, without a log beside it; what was deleted from the
database is not in it. It is checked before it gets its name.
"""

import argparse
import contextlib
import sqlite3
import sys
from pathlib import Path


class BackupError(Exception):
    """Why there is no copy; one sentence."""


def back_up(database: Path, copy: Path) -> None:
    """Write a copy, for its owner's eyes only.

    Raises:
        BackupError: there is no such database, it is damaged or too busy, or the copy cannot be
            written; nothing is left of it then, and a copy that was there stays as it was.
    """
    if not database.is_file():
        raise BackupError(f"{database} is not there; name the file of an SQLite database")
    partial = copy.with_name(f".{copy.name}.part")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(0o600)
        _copy(database, partial)
        partial.replace(copy)
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"{database} cannot be copied to {copy}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _copy(database: Path, target: Path) -> None:
    uri = f"{database.absolute().as_uri()}?mode=rw"  # "ro" could not read a log that was left over
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=60)) as connection:
        connection.execute("VACUUM INTO ?", [str(target)])
    with contextlib.closing(sqlite3.connect(target)) as connection:
        (found,) = connection.execute("PRAGMA integrity_check").fetchone()
    if found != "ok":
        raise sqlite3.DatabaseError(found)


def main() -> None:
    """Copy the database that is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database", type=Path, help="as mlflow.db or feedback.db")
    parser.add_argument("copy", type=Path, help="the file to write; an older copy is replaced")
    arguments = parser.parse_args()
    try:
        back_up(arguments.database, arguments.copy)
    except BackupError as error:
        sys.exit(f"sqlite_backup: {error}")


if __name__ == "__main__":
    main()
