"""Sound inputs and those that once broke an entrance: each is taken or refused in words."""

from pathlib import Path

import pytest

from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

FOUND = sorted(Path(__file__).with_name("found").iterdir())


@pytest.mark.parametrize("name", TARGETS)
def test_sound_inputs_break_nothing(name):
    seeds = list(SEEDS[name]())
    assert seeds
    for seed in seeds:
        TARGETS[name](seed)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_once_broke_an_entrance_is_refused(path):
    TARGETS[path.name.partition("-")[0]](path.read_bytes())


def test_an_answer_that_is_no_refusal_is_noticed(monkeypatch):
    monkeypatch.setattr("webui.views.invocations.read_body", lambda _: 1 / 0)
    with pytest.raises(AssertionError, match="500"):
        TARGETS["invocations"](b"{}")
