import pytest

from benchmarks.bodies import LARGE, SMALL
from benchmarks.comparison import Case, Row
from benchmarks.load import Answers
from benchmarks.servers import FASTAPI, KERAS_PYFUNC, PAGE, SCORING
from benchmarks.targets import Target, ratio, targets


def row(server, path, connection="kept", clients=1, p50=10.0, answers=100, picture=SMALL):
    turn = Answers(seconds=1, statuses={200: answers}, p50_ms=p50, p99_ms=2 * p50, broken=0)
    return Row(case=Case(server, path, picture, connection, clients), turns=[turn])


def one(rows, words):
    [found] = [target for target in targets(rows) if target.what.startswith(words)]
    return found


ADDED = f"{PAGE} /predict: p50 over a kept connection above {SCORING}"


@pytest.mark.parametrize(("page", "met"), [(15.9, True), (16.0, True), (16.1, False)])
def test_what_the_page_adds_is_limited(page, met):
    rows = [row(PAGE, "/predict", p50=page), row(SCORING, "/invocations", p50=10)]
    assert one(rows, ADDED).met is met


def test_a_stall_of_the_scoring_server_does_not_hide_the_same_of_the_page():
    rows = [
        row(PAGE, "/predict", p50=60),
        row(SCORING, "/invocations", "kept", p50=54),
        row(SCORING, "/invocations", "new", p50=14),
    ]
    target = one(rows, ADDED)
    assert target.figure == pytest.approx(46)
    assert target.met is False


@pytest.mark.parametrize(
    ("server", "path", "answers", "met"),
    [(PAGE, "/predict", 70, True), (PAGE, "/predict", 69, False),
     (PAGE, "/invocations", 70, True), (SCORING, "/invocations", 95, True),
     (SCORING, "/invocations", 94, False)],
)  # fmt: skip
def test_a_server_is_compared_with_fastapi_at_the_same_load(server, path, answers, met):
    rows = [
        row(server, path, clients=8, answers=answers),
        row(FASTAPI, path, clients=8, answers=100),
        row(FASTAPI, path, clients=64, answers=1),
        row(FASTAPI, path, clients=8, answers=1, picture=LARGE),
        row(FASTAPI, path, "new", clients=8, answers=1),
    ]
    assert one(rows, f"{server} {path}: answers a second as a share of {FASTAPI}").met is met


@pytest.mark.parametrize(("answers", "met"), [(300, True), (299, False)])
def test_the_page_is_compared_with_the_invocations_of_a_plain_keras_model(answers, met):
    rows = [
        row(PAGE, "/predict", clients=8, answers=answers),
        row(KERAS_PYFUNC, "/invocations", clients=8, answers=100),
    ]
    assert one(rows, f"{PAGE} /predict: answers a second as a share of {KERAS_PYFUNC}").met is met


@pytest.mark.parametrize(("latest", "met"), [(30, True), (31, False)])
def test_the_latest_answers_are_not_much_later_than_others(latest, met):
    measured = row(SCORING, "/invocations", clients=8, p50=10)
    measured.turns[0].p99_ms = latest
    assert one([measured], f"{SCORING} /invocations: p50 as a share of p99").met is met


@pytest.mark.parametrize(("many", "met"), [(90, True), (89, False), (0, False)])
def test_many_clients_get_as_many_answers_as_few(many, met):
    rows = [
        row(PAGE, "/predict", clients=8, answers=100),
        row(PAGE, "/predict", clients=64, answers=many),
    ]
    assert one(rows, f"{PAGE} /predict: answers a second with 64").met is met


@pytest.mark.parametrize(("kept", "met"), [(2, True), (13, True), (13.1, False), (54, False)])
def test_a_kept_connection_is_no_slower_than_a_new_one(kept, met):
    rows = [row("any", "/ping", "kept", p50=kept), row("any", "/ping", "new", p50=10)]
    assert one(rows, "any /ping").met is met


def test_a_server_that_did_not_answer_at_all_meets_nothing():
    stuck = float("inf")
    rows = [row("any", "/ping", "kept", p50=stuck), row("any", "/ping", "new", p50=stuck)]
    assert one(rows, "any /ping").met is False


def test_what_was_not_measured_is_neither_met_nor_missed():
    found = targets([])
    assert found
    assert all(target.met is None for target in found)


def test_a_share_of_nothing_is_none():
    rows = {one.case: one for one in (row("a", "/x", answers=5), row("b", "/x", answers=0))}
    a, b = rows
    assert ratio(rows, b, a) == 0
    assert ratio(rows, a, b) is None


def test_only_loads_of_the_same_turn_are_compared():
    """The machine is slower in some turns; the page is half as fast as FastAPI in each."""
    page, fastapi = row(PAGE, "/predict", clients=8), row(FASTAPI, "/predict", clients=8)
    speeds = (100, 10, 40, 20)
    page.turns = [row(PAGE, "/predict", answers=speed // 2).turns[0] for speed in speeds]
    fastapi.turns = [row(FASTAPI, "/predict", answers=speed).turns[0] for speed in speeds]
    assert ratio({one.case: one for one in (page, fastapi)}, page.case, fastapi.case) == 0.5

    kept, new = row("any", "/ping", "kept"), row("any", "/ping", "new")
    kept.turns = [row("any", "/ping", p50=p50).turns[0] for p50 in (101, 11, 51)]
    new.turns = [row("any", "/ping", p50=p50).turns[0] for p50 in (100, 10, 50)]
    assert one([kept, new], "any /ping").figure == pytest.approx(1)


def test_the_report_says_whether_a_target_is_met():
    assert Target(what="this", figure=2, limit=1, unit="ms").model_dump()["met"] is False
    assert Target(what="this", figure=2, limit=1, unit="×").model_dump()["met"] is True
