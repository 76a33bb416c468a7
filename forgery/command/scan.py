"""`forgery scan`: verdicts on files and folders."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from forgery.command import scorers
from forgery.command.exits import CLEAN, FAILED, FORGED, INTERRUPTED, Failure, end
from forgery_pyfunc.contract import VERDICTS
from forgery_pyfunc.errors import ForgeryError
from forgery_pyfunc.request_parameters import Parameters

if TYPE_CHECKING:
    from forgery.command.heatmaps import HeatmapFolder
    from forgery.scanning import ScannedFile

STANDARD_INPUT = "-"
SUMMARY = ("forged", "inconclusive", "authentic")
LAYOUT_OF_SUFFIX = {".csv": "csv", ".json": "json", ".jsonl": "jsonl", ".html": "html"}

EXAMPLES = """\b
Examples:
  forgery scan photo.jpg
  forgery scan PHOTOS --csv -o verdicts.csv
  forgery scan PHOTOS --only forged --heatmaps MAPS
  find PHOTOS -newer last-time -print0 | forgery scan -0 -
"""


@click.command(epilog=EXAMPLES)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--csv", "layout", flag_value="csv", help="Comma-separated values with a header.")
@click.option("--json", "layout", flag_value="json", help="One JSON array.")
@click.option("--jsonl", "layout", flag_value="jsonl", help="One JSON object per line.")
@click.option("--html", "layout", flag_value="html", help="One self-contained page.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write there; .csv, .json, .jsonl or .html chooses the layout, unless an option does.",
)
@click.option(
    "--heatmaps",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    help="Also write a map of where per picture: a grey PNG, bright where altered.",
)
@click.option(
    "--threshold",
    metavar="PROBABILITY",
    type=click.FloatRange(0, 1),
    help="Call forged from this probability on, without a grey band.",
)
@click.option(
    "--only",
    type=click.Choice(VERDICTS),
    multiple=True,
    help="List this verdict alone (may be repeated), and what could not be scored.",
)
@click.option(
    "--jobs",
    metavar="NUMBER",
    type=click.IntRange(1, 256),
    help="Files at a time; by default one per core.",
)
@click.option(
    "--explain", is_flag=True, help="Also tell why; a file then takes two to three times as long."
)
@click.option("-0", "--null", is_flag=True, help="Names on standard input end with NUL.")
@scorers.model_option
@scorers.url_option
def scan(
    paths: tuple[str, ...],
    layout: str | None,
    output: Path | None,
    heatmaps: Path | None,
    threshold: float | None,
    only: tuple[str, ...],
    jobs: int | None,
    explain: bool,
    null: bool,
    model: str | None,
    url: str | None,
) -> None:
    """Say of pictures whether they were forged.

    PATH is a file, a folder, or - for a list of them on standard input, one per line. In folders,
    files are known by their content, not by their names: all JPEG, PNG, TIFF, BMP, WebP, HEIC and
    AVIF files are scored; pictures of other kinds, and what cannot be read, are listed with the
    reason.

    The shipped detector answers in this process, without a network.

    Exit status: 0 when nothing is called forged, 1 when something is, 2 when a file could not be
    scored or the command failed, 130 after Ctrl-C.
    """
    scorers.prepare()
    from forgery.command.heatmaps import HeatmapFolder
    from forgery.command.layouts import LAYOUTS
    from forgery.command.progress import shown
    from forgery.evidence.facts.trust_list import read_trust_list, trust_list_folder
    from forgery.finding import Search
    from forgery.scanning import scan as scan_files

    named = list(read_names(paths, null))
    maps = HeatmapFolder(heatmaps, named) if heatmaps and named else None
    search = Search(avoided=[heatmaps] if heatmaps else [])
    files = list(search.find(named))
    if not files:
        raise Failure(f"No pictures found{left_out(search.left_out)}.")
    if output and any(file.path.absolute() == output.absolute() for file in files):
        raise Failure(f"--output: {output} is one of the pictures.")
    url = scorers.chosen_url(url, model)
    jobs = min(jobs or cores(), len(files))
    if maps:
        maps.make(files)
    tally = Tally(maps)
    chosen = layout or LAYOUT_OF_SUFFIX.get(output.suffix.lower() if output else "", "text")
    with ExitStack() as stack:
        try:
            read_trust_list(trust_list_folder())  # a wrong one is told at the start
            Parameters(threshold=threshold)  # NaN is within no range and outside none
            scorer = stack.enter_context(scorers.opened(model, url, jobs))
            out = stack.enter_context(opened_output(output))
            bar = stack.enter_context(shown(len(files), out))
            scanned = scan_files(scorer, files, threshold, maps is not None, jobs, explain)
            stack.enter_context(tally.told_of_interrupts())
            counted = tally.counted(bar.over(scanned))
            listed = (f for f in counted if not only or f.record.verdict in (*only, None))
            LAYOUTS[chosen](listed, bar)
        except ForgeryError as error:
            raise Failure(str(error)) from error
    click.echo(f"{tally.summary()}{left_out(search.left_out)}", err=True)
    end(tally.exit_status())


def read_names(paths: Iterable[str], null: bool) -> Iterator[Path]:
    """Yield the files and folders named, on the command line or in a list on standard input.

    Raises:
        UsageError: a name is empty, or the list looks as if it needed `-0`.
    """
    for path in paths:
        if path == STANDARD_INPUT:
            content = sys.stdin.buffer.read()
            if b"\0" in content and not null:
                raise click.UsageError("The names on standard input end with NUL: add -0.")
            names = content.split(b"\0") if null else content.splitlines()
            yield from (Path(os.fsdecode(name)) for name in names if name)
        elif path:
            yield Path(path)
        else:
            raise click.UsageError("A PATH is empty.")


@dataclass
class Tally:
    """What became of the files of a scan, listed or not."""

    heatmaps: HeatmapFolder | None = None
    verdicts: Counter[str | None] = field(default_factory=Counter)
    unwritten: int = 0
    interrupted: bool = False
    waiting: bool = False

    def counted(self, files: Iterable[ScannedFile]) -> Iterator[ScannedFile]:
        """Yield the files without their maps, which are written; Ctrl-C ends the files early.

        It does so between two files, never while one of them is written to the output.
        """
        scored = iter(files)
        while (file := self._next(scored)) is not None:
            self.verdicts[file.record.verdict] += 1
            if self.heatmaps:
                self._write_map(self.heatmaps, file)
            yield replace(file, record=replace(file.record, heatmap=None))

    def _next(self, scored: Iterator[ScannedFile]) -> ScannedFile | None:
        """Return the next file, None after the last one and after Ctrl-C."""
        try:
            self.waiting = True
            return None if self.interrupted else next(scored, None)
        except KeyboardInterrupt:
            self.interrupted = True
            return None
        finally:
            self.waiting = False

    @contextmanager
    def told_of_interrupts(self) -> Iterator[None]:
        """Note Ctrl-C, and let it end a wait; a second one ends whatever goes on."""

        def note(number: int, frame: object) -> None:
            ends_now = self.waiting or self.interrupted
            self.interrupted = True
            if ends_now:
                raise KeyboardInterrupt

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _write_map(self, heatmaps: HeatmapFolder, file: ScannedFile) -> None:
        try:
            heatmaps.write(file)
        except OSError as error:
            self.unwritten += 1
            click.echo(f"The heat map of {file.name} was not written: {error.strerror}", err=True)

    def summary(self) -> str:
        """Return the counts in words."""
        counts = ", ".join(f"{self.verdicts[verdict]} {verdict}" for verdict in SUMMARY)
        number = self.verdicts.total()
        files = f"{number} {'file' if number == 1 else 'files'}"
        stopped = "Interrupted after " if self.interrupted else ""
        return f"{stopped}{files}: {counts}, {self.verdicts[None]} not scored"

    def exit_status(self) -> int:
        """Return the exit status; a failure outweighs a forgery."""
        if self.interrupted:
            return INTERRUPTED
        if self.verdicts[None] or self.unwritten:
            return FAILED
        return FORGED if self.verdicts["forged"] else CLEAN


def left_out(number: int) -> str:
    """Return a sentence on the files that folders hold beside pictures."""
    what = "file that is no picture was" if number == 1 else "files that are no pictures were"
    return f"; {number} {what} left out" if number else ""


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def opened_output(path: Path | None) -> Iterator[TextIO]:
    """Yield the file to write, or standard output, which shows what it cannot encode as escapes.

    Raises:
        Failure: the file cannot be written.
    """
    if path is None:
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        yield sys.stdout
        return
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise Failure(f"--output: {path}: {error.strerror}") from error
    with file:
        yield file
