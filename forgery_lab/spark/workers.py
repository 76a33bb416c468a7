"""Whether a worker has what the driver has; else it would answer otherwise, or not at all."""

import hashlib
import platform
import socket
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

Libraries = tuple[tuple[str, str], ...]
"""Names and versions of Python, of libraries and of code."""

SHARED = "input and output must lie on a file system of all machines, or in a bucket"


def libraries(packages: Sequence[str], code: Iterable[Path]) -> Libraries:
    """Return the versions here of Python and packages, and a digest of installed source files."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    source = b"".join(path.read_bytes() for path in code)
    found["the code of forgery"] = hashlib.sha256(source).hexdigest()[:12]
    return tuple(found.items())


def difference(wanted: Libraries, mine: Libraries) -> str | None:
    """Return a sentence about the first library that is another one here, or None."""
    here = dict(mine)
    for name, of_driver in wanted:
        if here[name] != of_driver:
            return (
                f"the worker {socket.gethostname()} has {name} {here[name]}, and the driver "
                f"{of_driver}; install requirements/spark.lock and the project's wheel there"
            )
    return None
