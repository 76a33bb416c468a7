"""Events of a registered model: JSON for programs, and in the description words for people."""

import json

from steps.registry import events

EVENT = {
    "at": "2026-11-28T04:17:13.705671Z", "version": 2, "to": "Production", "from_version": 1,
    "by": "ann", "action": "promote", "reason": "a {customer}\nwaits",
    "figures": {"champion.AUC": 0.7, "challenger.AUC": 0.81234, "champion.MB": 3.0},
}  # fmt: skip


def test_events_of_this_and_of_earlier_versions_are_read_in_their_order():
    later = {**EVENT, "at": "2026-11-28T04:17:14Z"}
    tags = {
        f"{events.EVENT_TAG}1": json.dumps(later),
        "owner": "x",
        f"{events.SHOWN_EVENT_TAG}2": json.dumps(EVENT),
    }
    assert events.read(tags) == [EVENT, later]


def test_an_event_is_a_sentence_on_one_line():
    assert events.in_words(EVENT) == (
        "version 2 to Production, after version 1, AUC 0.812 against 0.7: a {customer} waits"
    )


def test_the_description_lists_the_newest_events_first_within_what_mlflow_holds():
    long = [{**EVENT, "version": number, "reason": 400 * "why "} for number in range(1, 30)]
    text = events.description("", "forgery-detector", long)
    assert len(text) <= events.DESCRIPTION_LIMIT
    listed = [line for line in text.splitlines() if line.startswith("- 2026")]
    assert len(listed) == events.SHOWN
    assert "version 29 to" in listed[0]
    again = events.description(text, "forgery-detector", long[:1])
    assert again.startswith(events.ABOUT.format(name="forgery-detector"))
    assert again.count(events.HEADING) == 1
