"""What the service and the pipeline withstand: one table of what other commands measured.

`record` keeps a part of reports/trust.json; `python -m benchmarks.trust` prints the table of all
parts, and `--write` puts it into the README.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel

from benchmarks.machine import Machine

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "reports/trust.json"
PAGE = ROOT / "README.md"
HEADING = "| what | seen | to reach | command |\n| --- | --- | --- | --- |\n"
BAR = r"\|"
TABLE = re.compile(re.escape(HEADING) + r"(?:\|.*\n)*")

Name = Literal["malformed", "soak", "kills", "resumes", "sandbox"]


class Line(BaseModel):
    """A row of the table: a figure in words, and what it has to reach."""

    what: str
    seen: str
    to_reach: str


class Part(BaseModel):
    """What one command measured.

    Attributes:
        command: as it was typed, without what differs between machines.
        machine: where, when, and of which commit.
        lines: for the table.
        details: whatever else a reader may want, for JSON.
    """

    command: str
    machine: Machine
    lines: list[Line]
    details: dict[str, Any]


class Trust(BaseModel):
    """All parts that were measured, in the order of the table."""

    parts: dict[Name, Part] = {}

    @classmethod
    def read(cls, path: Path | None = None) -> "Trust":
        """Return what was recorded so far, in reports/trust.json unless a path is given."""
        path = path or REPORT
        return cls.model_validate_json(path.read_bytes()) if path.exists() else cls()

    def table(self) -> str:
        """Return the table in Markdown."""
        return HEADING + "".join(f"{row}\n" for row in self._rows())

    def _rows(self) -> Iterator[str]:
        for part in self.parts.values():
            for line in part.lines:
                cells = (line.what, line.seen, line.to_reach, f"`{part.command}`")
                yield f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |"


def record(
    name: Name, command: str, lines: list[Line], details: dict[str, Any], path: Path | None = None
) -> None:
    """Put a part in the place of the one that was recorded before; `path` as for `Trust.read`."""
    path = path or REPORT
    trust = Trust.read(path)
    trust.parts[name] = Part(command=command, machine=Machine.here(), lines=lines, details=details)
    trust.parts = {one: trust.parts[one] for one in get_args(Name) if one in trust.parts}
    path.parent.mkdir(exist_ok=True)
    path.write_text(trust.model_dump_json(indent=2) + "\n", "utf-8")


def main() -> None:
    """Print the table, and put it into the README where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into the README, too")
    asked, table = parser.parse_args(), Trust.read().table()
    print(table)
    if asked.write:
        text, count = TABLE.subn(lambda _: table, PAGE.read_text("utf-8"))
        if count != 1:
            raise SystemExit(
                f"{PAGE} has {count} tables with this heading; it needs one:\n{HEADING}"
            )
        PAGE.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
