import sys
from collections import Counter
from dataclasses import replace

import pytest

from benchmarks import comparison, servers, table
from benchmarks.bodies import HUGE, LARGE, PING, SMALL
from benchmarks.comparison import Case, Row, Spread
from benchmarks.load import Answers
from benchmarks.servers import FASTAPI, PAGE, USUAL, Server
from benchmarks.targets import targets
from serving.supervisor import Service
from tests.benchmarks.wrk import needs_wrk


def server(name, *paths):
    return Server(name, Service(name, ["true"]), 1, "/", paths)


def test_pictures_are_sent_by_one_to_sixty_four_clients_over_both_connections():
    cases = comparison.cases([server(PAGE, "/predict")])
    small = Counter((one.connection, one.clients) for one in cases if one.picture == SMALL)
    assert small == Counter(
        [*(("kept", n) for n in (1, 8, 32, 64)), *(("new", n) for n in (1, 8, 64))]
    )
    assert [one.clients for one in cases if one.picture == LARGE] == [1, 8]
    assert [one.clients for one in cases if one.picture == HUGE] == [8]


def test_a_ping_needs_no_picture_and_the_usual_application_no_large_one():
    cases = comparison.cases([server("any", PING), server(USUAL, "/predict")])
    assert {one.picture for one in cases if one.path == PING} == {""}
    assert {one.picture for one in cases if one.server == USUAL} == {SMALL}


def test_servers_that_are_compared_follow_each_other():
    cases = comparison.cases([server(PAGE, "/predict"), server(FASTAPI, "/predict")])
    pairs = zip(cases[::2], cases[1::2], strict=True)
    assert all(other == replace(page, server=FASTAPI) for page, other in pairs)


@pytest.mark.parametrize("turns", [1, 2, 3, 5])
def test_every_turn_has_all_cases_and_starts_elsewhere(turns):
    cases = comparison.cases([server(PAGE, "/predict", "/invocations")])
    orders = [comparison.rotated(cases, turns, turn) for turn in range(turns)]
    assert all(Counter(order) == Counter(cases) for order in orders)
    assert len({order[0] for order in orders}) == turns


def test_a_spread_is_median_lowest_and_highest():
    assert Spread.of([5, 1, 3]) == Spread(median=3, low=1, high=5)


@needs_wrk
def test_a_running_server_is_measured_in_every_turn(tmp_path):
    (tmp_path / "ping").write_text("pong")
    [port] = servers.free_ports(1)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    files = Server(
        "files", Service("files", [*command, "--directory", str(tmp_path)]), port, "/", (PING,)
    )
    told = []
    with servers.running([files], tmp_path) as started:
        measured = comparison.compare(
            started.servers, tmp_path, 1, 2, lambda done, total: told.append((done, total))
        )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [row.case for row in measured] == comparison.cases([files])
    assert [len(row.turns) for row in measured] == [2, 2]
    assert all(row.per_second.low > 0 and row.failed == 0 for row in measured)


def rows():
    return [
        Row(
            case=Case(name, "/predict", SMALL, "kept", 8),
            turns=[
                Answers(seconds=1, statuses={200: n, 429: 2, 500: 1}, p50_ms=n, p99_ms=n, broken=1)
                for n in (answers, answers + 10, answers - 10)
            ],
        )
        for name, answers in ((PAGE, 50), (FASTAPI, 100))
    ]


def test_the_table_has_medians_spreads_refusals_failures_and_the_share_of_fastapi():
    left_out = {"flask-keras": "no Keras here"}
    lines = list(table.lines(rows(), {"litserve": "0.2"}, left_out, targets(rows())))
    page = lines[1].split()
    assert page[:6] == [PAGE, "/predict", SMALL, "kept", "8", "clients"]
    assert page[6:10] == ["50.0", "(40.0", "-", "60.0)"]
    assert page[-3:] == ["6", "6", "50%"]
    assert "flask-keras: not measured: no Keras here" in lines
    assert "litserve: version 0.2" in lines
    [target] = [
        line for line in lines if f"/predict: answers a second as a share of {FASTAPI}" in line
    ]
    assert target.endswith("0.50 ×  at least 0.7 ×   NOT MET")


def test_the_report_can_be_read_again():
    [page, _] = rows()
    assert Row.model_validate_json(page.model_dump_json()).per_second == page.per_second
