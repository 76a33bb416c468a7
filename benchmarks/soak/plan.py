"""What is sent, and what has to be answered: the requests by size class."""

import json
from pathlib import Path

from pydantic import BaseModel

from forgery_pyfunc.contract import Record

LARGEST_DIFFERENCE = 1e-4
"""Of a probability from the one offline."""


class Expected(BaseModel):
    """What the detector says of a picture offline; `probability` is None where it is not judged."""

    verdict: str | None
    probability: float | None
    width: int | None
    height: int | None

    @classmethod
    def of(cls, record: Record) -> "Expected":
        """Return what is compared of a record."""
        return cls.model_validate(record, from_attributes=True)


class Request(BaseModel):
    """A request of one size class.

    Attributes:
        size: the class.
        path: of the page.
        content_type: of the body.
        body: file that holds it.
        expected: of each of its pictures, in order.
    """

    size: str
    path: str
    content_type: str
    body: Path
    expected: list[Expected]


class Plan(BaseModel):
    """All requests, and how often those of each size class are sent, relative to each other."""

    shares: dict[str, int]
    requests: list[Request]


class Comparison(BaseModel):
    """What is wrong with an answer, empty where nothing is, and the largest |Δp| in it."""

    problem: str = ""
    difference: float = 0.0


def compare(expected: list[Expected], body: bytes) -> Comparison:
    """Return how the body of an answer differs from what is expected of its pictures."""
    try:
        rows = json.loads(body)["predictions"]
        answered = [Expected.model_validate(row) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        return Comparison(problem=f"the answer cannot be read: {error}")
    if len(answered) != len(expected):
        return Comparison(problem=f"{len(answered)} records for {len(expected)} pictures")
    each = [_compare(*pair) for pair in zip(expected, answered, strict=True)]
    problems = [
        f"picture {number}: {one.problem}" for number, one in enumerate(each) if one.problem
    ]
    return Comparison(problem="; ".join(problems), difference=max(one.difference for one in each))


def _compare(expected: Expected, answered: Expected) -> Comparison:
    difference = 0.0
    if expected.probability is not None and answered.probability is not None:
        difference = abs(expected.probability - answered.probability)
        answered = answered.model_copy(update={"probability": expected.probability})
    if answered == expected and difference <= LARGEST_DIFFERENCE:
        return Comparison(difference=difference)
    problem = f"answered {answered}, |Δp| {difference:.1e}; expected {expected}"
    return Comparison(problem=problem, difference=difference)
