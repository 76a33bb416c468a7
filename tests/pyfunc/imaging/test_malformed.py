"""A part of the malformed images: each is read or refused, soon, by every reader."""

import itertools
import time

import pytest

from forgery_pyfunc.imaging.decoding import check
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.sandbox.pool import Sandbox
from tests.pyfunc.imaging.malformed import FAULTS, SLOWEST_SECONDS, code_of, corpus

STEP = 8
"""Every how-manieth file is tried here; `make fuzz` tries all."""


@pytest.fixture(scope="module")
def box():
    made = Sandbox(decoders=1, seconds=SLOWEST_SECONDS)
    yield made
    made.close()


def test_the_corpus_is_large_and_the_same_every_time():
    first = [(name, hash(data)) for name, data in corpus()]
    assert len(first) >= 2000
    assert first == [(name, hash(data)) for name, data in corpus()]


@pytest.mark.parametrize("read", ["check", "decode", "read_metadata"])
def test_malformed_images_are_read_or_refused_and_break_no_decoder(box, read):
    readers = {
        "check": lambda data: check(data, Limits()),
        "decode": box.decode,
        "read_metadata": box.read_metadata,
    }
    refused = 0
    for name, data in itertools.islice(corpus(), 0, None, STEP):
        started = time.monotonic()
        code = code_of(readers[read], data)
        assert code not in FAULTS, name
        refused += bool(code)
        assert time.monotonic() - started < SLOWEST_SECONDS, name
    assert refused >= 100
