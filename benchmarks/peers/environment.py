"""An environment of its own for a peer, with its current version beside this project's wheel."""

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

FOLDER = Path(".peers")


class PeerError(Exception):
    """A peer could not be installed; the message is the installer's last line."""


def python_with(name: str, packages: Sequence[str]) -> str:
    """Return the Python of an environment that has these packages; it is made where it is missing.

    Args:
        name: of the peer.
        packages: as pip takes them; the newest that fit are installed.

    Raises:
        PeerError: they could not be installed.
    """
    folder = (FOLDER / name).absolute()
    python, note = folder / "bin/python", folder / "installed.txt"
    wanted = "\n".join(map(_identity, packages))
    if note.is_file() and note.read_text("utf-8") == wanted:
        return str(python)
    run("uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
    run("uv", "pip", "install", "--quiet", "--python", str(python), *packages)
    note.write_text(wanted, "utf-8")
    return str(python)


@cache
def wheel() -> str:
    """Return the path of this project's wheel, built anew, once for all peers.

    Raises:
        PeerError: it could not be built.
    """
    place = FOLDER / "dist"
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place))
    return str(max(place.glob("*.whl"), key=lambda path: path.stat().st_mtime))


def version_in(python: str, package: str) -> str:
    """Return which version of a package an environment has."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def _identity(package: str) -> str:
    """Return what tells a package from another one: the digest of a file, else its name."""
    file = Path(package)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else package


def run(*command: str) -> None:
    """Run a command to its end.

    Raises:
        PeerError: it does not start, or its exit status is not 0.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise PeerError(f"it could not be installed: {command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise PeerError(f"it could not be installed: {' '.join(last)}")
