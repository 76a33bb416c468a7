import sys

import pytest

from benchmarks import bodies, servers
from benchmarks.bodies import SMALL
from serving.supervisor import Service, answers


@pytest.mark.slow
def test_every_server_answers_what_is_measured_and_is_stopped(tmp_path):
    with servers.running(servers.known(1, tmp_path), tmp_path) as started:
        assert started.left_out == {}
        assert [server.name for server in started.servers] == list(servers.NAMES)
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
