"""Empty environments, what is installed into them, and how their commands are run."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.doors import interpreters

UV = Path(sys.executable).with_name("uv")
NO_NETWORK = ("unshare", "--map-root-user", "--net")
"""In front of a command: it gets no network at all, where the system lets a user ask for that."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment that knows nothing of the checkout."""

    folder: Path
    python: str

    def run(
        self, *command: object, cwd: Path, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Return how a command ended; a traceback fails, and with `check` a status over 1."""
        path = f"{self.folder / 'bin'}:/usr/bin:/bin"
        environment = {"PATH": path, "LANG": "C.UTF-8", "HOME": str(self.folder)}
        # Which kernels OpenBLAS takes changes a probability by 1e-4: the same ones as the server's.
        environment |= {k: v for k, v in os.environ.items() if k.startswith("OPENBLAS_")}
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd, env=environment | variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        said = f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, said
        assert not check or done.returncode in (0, 1), said
        return done

    def run_offline(
        self, *command: object, cwd: Path, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Do the same without a network."""
        return self.run(*no_network(), *command, cwd=cwd, check=check, **variables)


def make(python: str, folder: Path) -> Environment:
    """Return an empty environment of that Python; skip, or fail with DOORS=required, without it."""
    found = interpreters.find(python)
    if found is None:
        reason = f"Python {python} is neither on the path nor under pyenv, or has no venv module"
        if os.environ.get("DOORS") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    subprocess.run([found, "-m", "venv", folder], check=True)
    return Environment(folder, python)


def no_network() -> tuple[str, ...]:
    """Return `NO_NETWORK` where it works, else nothing."""
    if shutil.which("unshare") is None:
        return ()
    works = subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False)
    return NO_NETWORK if works.returncode == 0 else ()
