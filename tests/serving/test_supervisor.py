"""The supervisor with real processes: killed, hanging, failing again and again, told to stop."""

import contextlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from serving.services import LOOPBACK, listen
from serving.supervisor import Service, Supervisor
from tests.deploy.engine import ROOT, alive, child_of, wait_until
from tests.webui.servers import free_port

SLEEPER = "import time; time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SLEEPER!r}])"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"  # noqa: E501
WORKER = """
import signal, sys, time
def finish(*_):
    time.sleep(0.3)
    print("its work is done", flush=True)
    sys.exit()
signal.signal(signal.SIGTERM, finish)
print("at work", flush=True)
time.sleep(600)
"""
BUSY_PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WORKER!r}])"
ANSWERS_ONCE = """
import socket, sys
connection, _ = socket.socket(fileno=int(sys.argv[1])).accept()
connection.sendall(b"1")
"""
SERVER = """
import http.server, os, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(sys.argv[2] + "-answers", "a") as answers:
            answers.write(".")
        if pathlib.Path(sys.argv[2]).exists():
            import time; time.sleep(600)
        self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
PROGRAM = """
import logging, sys
from serving import supervisor
from serving.supervisor import Service, Supervisor
logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stderr)
supervisor.DRAIN_SECONDS = 1.0
supervisor.ASK_SECONDS = 0.3
supervisor.FIRST_PAUSE = 0.05
supervisor.REMAINS_SECONDS = 2.0
sys.exit(Supervisor([{services}]).run())
"""
ERRANDS = """
import sys, threading, time, types
from serving import supervisor
from serving.supervisor import Service, Supervisor
eager = types.SimpleNamespace(monotonic=time.monotonic, sleep=lambda _: time.sleep(1e-4))
supervisor.time = eager  # looks for orphans all the time
run = Supervisor([Service("sleeper", ["sleep", "30"])])
def errands():
    print({run.finish(Service("errand", ["sh", "-c", "exit 2"])) for _ in range(200)}, flush=True)
    run.stopping = True
threading.Thread(target=errands).start()
sys.exit(run.run())
"""


class Run:
    """A supervisor in a process of its own, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def said(self, text: str, times: int = 1, seconds: float = 120) -> str:
        """Wait until the log holds a text that often, and return the log."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if self.log.read_text().count(text) >= times:
                return self.log.read_text()
            time.sleep(0.02)
        raise AssertionError(f"{text!r} was not said {times} times: {self.log.read_text()}")

    def pid(self, name: str, number: int = 1) -> int:
        """Return the process id of a service, at its start of that number."""
        said = self.said(f"{name} started as process", number)
        lines = [line for line in said.splitlines() if line.startswith(f"{name} started")]
        return int(lines[number - 1].split()[-1])


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Starts a supervisor of Python snippets by name, or of written-out services."""
    with contextlib.ExitStack() as stack:

        def start(*written: str, **snippets: str) -> Run:
            services = [
                f"Service({name!r}, [sys.executable, '-c', {code!r}])"
                for name, code in snippets.items()
            ]
            program = PROGRAM.format(services=", ".join([*services, *written]))
            log = tmp_path / "log"
            output = stack.enter_context(log.open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-c", program], cwd=ROOT, stderr=output, stdout=output
            )
            stack.callback(end, process)
            return Run(process, log)

        yield start


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()


def test_what_waits_for_an_answer_is_done_once_and_not_while_it_stops() -> None:
    done = threading.Event()
    with http.server.HTTPServer((LOOPBACK, 0), Answering) as server:
        supervisor = Supervisor([])
        url = f"http://{LOOPBACK}:{server.server_port}/readyz"
        supervisor.once_ready(url, done.set)
        for _ in range(2):  # the first answer is that it is not ready
            assert not done.is_set()
            server.handle_request()
        assert done.wait(10)
        stopped = Supervisor([])
        stopped.stopping = True
        done.clear()
        stopped.once_ready(url, done.set)
        assert not done.wait(0.3)


class Answering(http.server.BaseHTTPRequestHandler):
    """Is ready from the second question on."""

    asked = 0

    def do_GET(self) -> None:
        Answering.asked += 1
        self.send_response(200 if self.asked > 1 else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_a_killed_service_is_started_again_and_the_other_left_alone(supervise) -> None:
    run = supervise(one=SLEEPER, two=SLEEPER)
    first, other = run.pid("one"), run.pid("two")
    os.kill(first, signal.SIGKILL)
    run.said("one was killed by SIGKILL; restart in")
    assert run.pid("one", 2) != first
    assert alive(other)


def test_the_children_of_a_killed_service_go_with_it(supervise) -> None:
    run = supervise(one=PARENT)
    leader = run.pid("one")
    child = child_of(leader)
    os.kill(leader, signal.SIGKILL)
    run.pid("one", 2)
    assert not alive(child)


def test_what_a_killed_service_leaves_finishes_its_work_before_the_restart(supervise) -> None:
    run = supervise(one=BUSY_PARENT)
    leader = run.pid("one")
    child = child_of(leader)
    run.said("at work")
    os.kill(leader, signal.SIGKILL)
    run.pid("one", 2)
    assert not alive(child)
    said = run.log.read_text()
    assert said.index("at work") < said.index("its work is done") < said.rindex("one started")


def test_what_does_not_finish_in_time_is_killed_before_the_restart(supervise) -> None:
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STUBBORN!r}])"
    run = supervise(one=parent)
    leader = run.pid("one")
    child = child_of(leader)
    run.said("deaf")
    os.kill(leader, signal.SIGKILL)
    run.pid("one", 2)
    assert not alive(child)


def test_the_restart_waits_until_what_was_killed_is_gone() -> None:
    service = Service("one", SLEEPER)
    left = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True)
    service.remains[left.pid] = time.monotonic()
    service.end_remains()
    assert not service.may_start()  # killed, and still in its process group until it is reaped
    assert left.wait(60) == -signal.SIGKILL
    service.end_remains()
    assert service.may_start()


def test_a_held_socket_keeps_connections_until_the_service_is_back() -> None:
    with listen(LOOPBACK, 0) as listener:
        command = [sys.executable, "-c", ANSWERS_ONCE, str(listener.fileno())]
        service = Service("once", command, listener=listener)
        service.start()
        address = listener.getsockname()
        assert ask(address) == b"1"
        wait_until(service.died, "it has died")
        with socket.create_connection(address, timeout=60) as waiting:
            service.start()
            assert waiting.recv(1) == b"1"
        service.process.wait(60)


def ask(address: tuple[str, int]) -> bytes:
    with socket.create_connection(address, timeout=60) as connection:
        return connection.recv(1)


def test_pauses_grow_and_then_it_gives_up(supervise) -> None:
    run = supervise(good=SLEEPER, bad="raise SystemExit(7)")
    good = run.pid("good")
    assert run.process.wait(120) == 1
    said = run.log.read_text()
    assert said.count("bad exited with 7; restart in") == 5
    assert [pause in said for pause in ("in 0.1 s", "in 0.2 s", "in 0.4 s")] == [True] * 3
    assert "bad died 5 times; giving up" in said
    assert not alive(good)


def test_a_program_that_is_missing_is_given_up(supervise) -> None:
    run = supervise("Service('gone', ['/no/such/program'])")
    assert run.process.wait(120) == 1
    assert "gone could not be started" in run.log.read_text()


def test_sigterm_stops_in_reverse_order_with_status_0(supervise) -> None:
    run = supervise(first=SLEEPER, second=SLEEPER)
    pids = run.pid("first"), run.pid("second")
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(60) == 0
    said = run.log.read_text()
    assert said.index("second stopped") < said.index("first stopped")
    assert not any(map(alive, pids))


def test_what_does_not_end_in_time_is_killed(supervise) -> None:
    run = supervise(deaf=STUBBORN)
    pid = run.pid("deaf")
    run.said("deaf\n")
    began = time.monotonic()
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(60) == 0  # it would sleep for 600 s
    assert time.monotonic() - began > 0.9
    assert not alive(pid)
    assert "deaf did not end in time; killing it" in run.log.read_text()


def test_a_service_that_hangs_is_killed_and_started_again(supervise, tmp_path: Path) -> None:
    port, hang = free_port(), tmp_path / "hang"
    run = supervise(
        f"Service('web', [sys.executable, '-c', {SERVER!r}, '{port}', {str(hang)!r}], "
        f"ping='http://127.0.0.1:{port}/', start_seconds=60, silence_seconds=3)"
    )
    run.pid("web")
    answers = tmp_path / "hang-answers"
    wait_until(lambda: answers.exists() and answers.stat().st_size > 12, "so many answers that"
               " it would have been silent for too long")  # fmt: skip
    assert "killed" not in run.log.read_text()
    hang.touch()
    run.said("web does not answer")
    hang.unlink()
    run.pid("web", 2)


def test_a_service_that_never_answers_is_given_up(supervise) -> None:
    run = supervise(
        f"Service('mute', [sys.executable, '-c', {SLEEPER!r}], "
        f"ping='http://127.0.0.1:{free_port()}/', start_seconds=0.5)"
    )
    assert run.process.wait(120) == 1
    said = run.log.read_text()
    assert said.count("mute does not answer") == 3
    assert "mute did not answer 3 times; giving up" in said


def test_the_status_of_an_errand_is_not_lost() -> None:
    done = subprocess.run([sys.executable, "-c", ERRANDS], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "{2}\n", done.stderr
