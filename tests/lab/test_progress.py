"""Progress is a line in a log where nobody looks at a terminal."""

import logging

from forgery_lab import progress


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(caplog, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 3600)
    caplog.set_level(logging.INFO)
    with progress.shown("reading", "images") as report:
        for done in range(1, 1201):
            report(done, 1200)
    assert caplog.messages == ["reading: 1,200 of 1,200 images"]


def test_an_unknown_total_is_not_made_up(caplog, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    caplog.set_level(logging.INFO)
    with progress.shown("unpacking", "files") as report:
        report(3, 0)
    assert caplog.messages == ["unpacking: 3 files"]
