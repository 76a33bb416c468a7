"""A requirement with what was seen of it."""

from collections.abc import Iterable, Iterator

from pydantic import BaseModel


class Requirement(BaseModel):
    """A figure in words, what it has to reach, and whether it does.

    Attributes:
        what: is required.
        seen: what was measured.
        to_reach: what is asked for.
        met: whether it is reached.
        is_timed: whether it depends on the machine's speed, and needs a load of some minutes.
    """

    what: str
    seen: str
    to_reach: str
    met: bool
    is_timed: bool = False


def lines(requirements: Iterable[Requirement]) -> Iterator[str]:
    """Yield a line of the terminal for each requirement."""
    for one in requirements:
        word = "met" if one.met else "NOT MET"
        yield f"{one.what:72}{one.seen:56}{one.to_reach:40}{word}"
