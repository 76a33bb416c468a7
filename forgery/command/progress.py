"""Progress of a scan: a bar on standard error, where that is a terminal."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO, TypeVar

from forgery.command.layouts import Stream

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")


class Progress(Stream, Protocol):
    """A stream to write to, and the progress of what is written."""

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, and count them."""


class Bar:
    """A bar that makes way for what is written to the same terminal."""

    def __init__(self, bar: "tqdm", out: TextIO) -> None:
        self.bar = bar
        self.out = out

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, and count them."""
        for item in items:
            self.bar.update()
            yield item

    def write(self, text: str) -> None:
        """Write above the bar."""
        with self.bar.external_write_mode(file=self.bar.fp):
            self.out.write(text)
            self.out.flush()

    def flush(self) -> None:
        """Return: all has been handed on."""


class Silent:
    """No bar."""

    def __init__(self, out: TextIO) -> None:
        self.write = out.write
        self.flush = out.flush

    def over(self, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items."""
        yield from items


@contextmanager
def shown(total: int, out: TextIO) -> Iterator[Progress]:
    """Yield the progress of a number of files, whose results are written to a stream."""
    if total == 1 or not sys.stderr.isatty():
        yield Silent(out)
        return
    from tqdm import tqdm

    with tqdm(total=total, unit=" files", leave=False, dynamic_ncols=True) as bar:
        yield Bar(bar, out)
