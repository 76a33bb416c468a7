"""What one worker makes for all workers of a test run."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared_folder(
    tmp_path_factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]
) -> Path:
    """Return a folder of this test run that the first worker to ask for it fills.

    Whoever asks meanwhile waits; where `fill` fails, the next one starts afresh. Do not write
    into the folder: other workers read it.
    """
    run = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        run = run.parent  # of the folders of all workers
    folder, is_filled = run / name, run / f"{name}.filled"
    with FileLock(run / f"{name}.lock"):
        if not is_filled.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            fill(folder)
            is_filled.touch()
    return folder
