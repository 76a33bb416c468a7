"""How many images a second a job has scored, from its parts: its start is not counted."""

import contextlib
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from pyarrow import ArrowInvalid, parquet

SECONDS_BETWEEN_LOOKS = 0.05


@dataclass
class Watch:
    """The parts of a job's table as they appear in a folder.

    Attributes:
        folder: where they appear, and from where they may go again.
        seen: by name, when each was first seen, in seconds of a monotonic clock, and its images.
    """

    folder: Path
    seen: dict[str, tuple[float, int]] = field(default_factory=dict)

    def follow(self, job: subprocess.Popen[str]) -> None:
        """Look for parts until the job has ended."""
        while job.poll() is None:
            self.look(time.monotonic())
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def look(self, now: float) -> None:
        """Note the parts that are new."""
        for part in self.folder.glob("part-*.parquet"):
            if part.name not in self.seen:
                with contextlib.suppress(FileNotFoundError, ArrowInvalid):  # it has gone, all done
                    self.seen[part.name] = now, parquet.read_metadata(part).num_rows

    @property
    def images_a_second(self) -> float:
        """From the moment of the first part to that of the last one; 0 where there are fewer."""
        moments = [moment for moment, _ in self.seen.values()]
        if len(set(moments)) < 2:
            return 0.0
        first, last = min(moments), max(moments)
        later = sum(images for moment, images in self.seen.values() if moment > first)
        return later / (last - first)
