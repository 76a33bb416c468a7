import sys

import pytest

from benchmarks import bodies, servers
from benchmarks.bodies import SMALL
from serving.supervisor import Service, answers


@pytest.mark.slow
def test_every_server_answers_what_is_measured_and_is_stopped(tmp_path):
    names = (servers.SCORING, servers.PAGE, servers.FASTAPI, servers.USUAL)
    wanted, not_made = servers.known(1, tmp_path, names)
    with servers.running(wanted, tmp_path) as started:
        assert not_made == started.left_out == {}
        assert [server.name for server in started.servers] == list(names)
        for server in started.servers:
            for path in server.paths:
                bodies.ask_once(bodies.request(server.url, path, SMALL, tmp_path))
        servers.wait_until_idle(started.servers)
    for server in started.servers:
        assert server.service.gone()
        assert not answers(f"{server.url}{server.ready}")


def test_a_server_that_ends_while_starting_is_named_with_its_last_words(tmp_path):
    command = [sys.executable, "-c", "import no_such_module"]
    broken = servers.Server("broken", Service("broken", command), 1, "/", ())
    with servers.running([broken], tmp_path) as started:
        assert started.servers == []
        assert started.left_out == {
            "broken": "it ended while starting; its last line: "
            "ModuleNotFoundError: No module named 'no_such_module'"
        }


def test_a_peer_that_cannot_be_installed_is_named_and_stops_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(servers, "wheel", lambda: "no-such-file.whl")
    wanted, not_made = servers.known(1, tmp_path, (servers.LITSERVE, servers.USUAL))
    assert [server.name for server in wanted] == [servers.USUAL]
    assert not_made[servers.LITSERVE].startswith("it could not be installed: ")
    assert "no-such-file.whl" in not_made[servers.LITSERVE]
