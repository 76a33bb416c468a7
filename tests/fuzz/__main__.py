"""Fuzzes every entrance for so many seconds each: `python -m tests.fuzz --seconds 60`.

What was reached stays in .fuzz/corpus, where the next run goes on; an input that breaks a target is
written to .fuzz/found. Once it is mended, it becomes a file in tests/fuzz/found, which
`test_targets.py` tries on every run of the tests.
"""

import argparse
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

WORK = Path(".fuzz")
SLOWEST_SECONDS = 5
MEMORY_MB = 2048
LONGEST = 20_000
STATISTICS = 20
"""Lines at the end of libFuzzer's output, which say what was found and where it is."""
RUNS = re.compile(rb"Done (\d+) runs")


def fuzz(name: str, seconds: int) -> tuple[bool, int]:
    """Return whether a target held, and how many inputs it was given."""
    corpus, found = WORK / "corpus" / name, WORK / "found"
    for folder in (corpus, found):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS[name]():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    command = [
        sys.executable, "-m", "tests.fuzz.one", name, str(corpus),
        f"-max_total_time={seconds}", f"-timeout={SLOWEST_SECONDS}", f"-max_len={LONGEST}",
        f"-rss_limit_mb={MEMORY_MB}", f"-artifact_prefix={found}/{name}-", "-print_final_stats=1",
    ]  # fmt: skip
    done = subprocess.run(command, check=False, capture_output=True)
    if done.returncode:
        sys.stderr.buffer.write(done.stdout + b"".join(done.stderr.splitlines(True)[-STATISTICS:]))
    runs = RUNS.search(done.stderr)
    return done.returncode == 0, int(runs.group(1)) if runs else 0


def main(names: Iterable[str], seconds: int) -> int:
    """Fuzz targets one after the other; return 1 where one of them broke."""
    broken = []
    for name in names:
        held, runs = fuzz(name, seconds)
        print(f"{name}: {runs:,} inputs, {'nothing found' if held else 'BROKEN'}", flush=True)
        if not held:
            broken.append(name)
    return 1 if broken else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], help="by default all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    asked = parser.parse_args()
    raise SystemExit(main(asked.targets or TARGETS, asked.seconds))
