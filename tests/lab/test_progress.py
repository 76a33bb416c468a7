"""Progress is a line in a log where nobody looks at a terminal, and one line at the end."""

import logging
import re

import pytest

from forgery_lab import progress


def test_long_work_gets_a_line_now_and_then_and_one_at_the_end(caplog, monkeypatch):
    monkeypatch.setattr(progress, "WORTH_SHOWING", 0)
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    caplog.set_level(logging.INFO)
    with progress.shown("reading", "images") as report:
        report(600, 1200)
        report(1200, 1200)
    assert caplog.messages == [
        "reading: 600 of 1,200 images", "reading: 1,200 of 1,200 images",
        "reading: 1,200 images in 0 s",
    ]  # fmt: skip


def test_short_work_gets_no_line_except_for_who_listens_to_details(caplog):
    caplog.set_level(logging.DEBUG)
    with progress.shown("reading", "files") as report:
        for done in range(6):
            report(done + 1, 6)
    assert caplog.record_tuples == [(progress.__name__, logging.DEBUG, "reading: 6 files in 0 s")]


def test_details_come_more_often_than_lines(caplog, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_DETAILS", 0)
    caplog.set_level(logging.DEBUG)
    with progress.shown("reading", "files") as report:
        report(3, 6)
    assert caplog.record_tuples[0][1:] == (logging.DEBUG, "reading: 3 of 6 files")


def test_an_unknown_total_is_not_made_up(caplog, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0)
    caplog.set_level(logging.INFO)
    with progress.shown("unpacking", "files") as report:
        report(3, 0)
    assert caplog.messages == ["unpacking: 3 files"]


def test_a_terminal_gets_a_bar_of_long_work(capsys, monkeypatch):
    monkeypatch.setattr(progress, "WORTH_SHOWING", 0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress.shown("reading", "files") as report:
        report(3, 6)
    assert "reading" in capsys.readouterr().err


def test_a_terminal_gets_no_bar_of_short_work(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress.shown("reading", "files") as report:
        report(6, 6)
    assert not re.search(r"[█%|]", capsys.readouterr().err)


def test_work_that_failed_is_not_said_to_be_done(caplog, monkeypatch):
    monkeypatch.setattr(progress, "WORTH_SHOWING", 0)
    caplog.set_level(logging.INFO)

    def fail(report):
        report(3, 6)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"), progress.shown("reading", "files") as report:
        fail(report)
    with progress.shown("reading", "files"):
        pass  # there was nothing to do
    assert "reading: 3 files" not in " ".join(caplog.messages)
    assert "0 files" not in " ".join(caplog.messages)


@pytest.mark.parametrize(("seconds", "said"), [(48.2, "48 s"), (185, "3 min 5 s"), (0.3, "0 s")])
def test_times_are_said_as_people_say_them(seconds, said):
    assert progress.duration(seconds) == said
