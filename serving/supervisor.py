"""Keeps the scoring server and the web page running, and stops both together.

One process that passes signals on, restarts what dies with growing pauses, and gives up, with
a non-zero exit status, when a service keeps dying. As process 1 of a container it also collects
the orphans that a killed process leaves.
"""

import contextlib
import http.client
import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from urllib.parse import urlsplit

logger = logging.getLogger("supervisor")

MAX_DEATHS = 5
"""A service that dies this often within `DEATH_WINDOW` seconds is given up."""
DEATH_WINDOW = 300.0
FIRST_PAUSE = 0.5
"""Seconds before the first restart; each one after it waits twice as long."""
DRAIN_SECONDS = 18.0
"""Time for requests in flight after SIGTERM; then what still runs is killed."""
REMAINS_SECONDS = 5.0
"""The same for what a dead process leaves behind, if the restart has to wait for its port."""
MAX_SILENCES = 3
"""A service killed this often for not answering, without an answer in between, is given up."""
ASK_SECONDS = 2.0
"""How often a service with a `ping` is probed, and how long it may take to answer."""


@dataclass
class Service:
    """A command that is to run for as long as the supervisor does.

    Attributes:
        name: for the log.
        command: program and arguments; it becomes the leader of a process group of its own.
        environment: what is added to the supervisor's.
        ping: an http URL that answers 200 while the service is healthy; empty: no probe.
        start_seconds: how long the first answer may take.
        silence_seconds: how long a running service may fail to answer.
        listener: the socket that it listens on, which is inherited by every process of the service
            in turn: while none is there, connections wait in its queue.
    """

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    ping: str = ""
    start_seconds: float = 180.0
    silence_seconds: float = 30.0
    listener: socket.socket | None = None
    process: subprocess.Popen[bytes] | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_DEATHS))
    restart_at: float = 0.0
    patience_ends: float = float("inf")
    silences: int = 0
    remains: dict[int, float] = field(default_factory=dict)  # process groups, and until when

    def start(self) -> None:
        """Start the command; one that cannot be started counts as having died."""
        self.patience_ends = time.monotonic() + self.start_seconds if self.ping else float("inf")
        environment = {**os.environ, **self.environment}
        inherited = [self.listener.fileno()] if self.listener else []
        try:
            self.process = subprocess.Popen(
                self.command, env=environment, start_new_session=True, pass_fds=inherited
            )
        except OSError as error:
            self._plan_restart(f"could not be started: {error}")
            return
        logger.info("%s started as process %d", self.name, self.process.pid)

    def died(self) -> bool:
        """Return whether the process has ended; plan a restart.

        What it left behind may finish its requests, beside the next process if that needs no port.
        """
        if self.process is None or self.process.poll() is None:
            return False
        status = self.process.returncode
        self.signal(signal.SIGTERM)
        seconds = DRAIN_SECONDS if self.listener else REMAINS_SECONDS
        self.remains[self.process.pid] = time.monotonic() + seconds
        self.process = None
        how = (
            f"was killed by {signal.Signals(-status).name}"
            if status < 0
            else f"exited with {status}"
        )
        self._plan_restart(how)
        return True

    def end_remains(self) -> None:
        """Kill what a dead process left behind and has not ended in time.

        A kill takes a moment, and until then the port is held: what remains is what still runs.
        """
        for group, deadline in list(self.remains.items()):
            if _is_empty(group):
                del self.remains[group]
            elif time.monotonic() > deadline:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)

    def may_start(self) -> bool:
        """Return whether it is time for the planned restart."""
        is_due = self.process is None and time.monotonic() >= self.restart_at
        return is_due and (self.listener is not None or not self.remains)

    def reason_to_give_up(self) -> str:
        """Return why it should not be restarted, or an empty string."""
        if len(self.deaths) == MAX_DEATHS and self.deaths[-1] - self.deaths[0] < DEATH_WINDOW:
            return f"died {MAX_DEATHS} times"
        return f"did not answer {MAX_SILENCES} times" if self.silences >= MAX_SILENCES else ""

    def signal(self, number: int) -> None:
        """Send a signal to the process group and to what earlier ones left behind."""
        process = self.process  # the thread that asks must not see it vanish
        for group in [*([process.pid] if process else []), *self.remains]:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, number)

    def gone(self) -> bool:
        """Return whether nothing of the process group is left, nor of earlier ones."""
        self.end_remains()
        if self.process is None:
            return not self.remains
        self.process.poll()
        return not self.remains and _is_empty(self.process.pid)

    def ask(self) -> None:
        """Probe the service, and kill it when it has not answered for too long."""
        if self.process is None or not self.ping:
            return
        asked, process = time.monotonic(), self.process
        if answers(self.ping):
            self.patience_ends = asked + self.silence_seconds
            self.silences = 0
        elif time.monotonic() > self.patience_ends and self.process is process:
            logger.error("%s does not answer on %s; killing it", self.name, self.ping)
            self.silences += 1
            self.signal(signal.SIGKILL)

    def _plan_restart(self, how: str) -> None:
        now = time.monotonic()
        self.deaths.append(now)
        recent = sum(now - death < DEATH_WINDOW for death in self.deaths)
        pause = FIRST_PAUSE * 2 ** (recent - 1)
        self.restart_at = now + pause
        logger.error("%s %s; restart in %.1f s", self.name, how, pause)


class Supervisor:
    """Runs services until a signal stops them or one of them keeps failing."""

    def __init__(self, services: Sequence[Service]) -> None:
        self.services = list(services)
        self.beside: list[Service] = []  # started or stopped by the follower, not by this class
        self.stopping = False
        self.hurried = False
        self.forking = threading.Lock()  # held until a new process is listed as a service

    def run(self) -> int:
        """Run until stopped; return 0 after SIGTERM or SIGINT, 1 after giving up."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for service in self.services:
            service.start()
        threading.Thread(target=self._ask, daemon=True).start()
        status = 0
        while not self.stopping and status == 0:
            time.sleep(0.1)
            self._collect_orphans()
            status = self._restart_the_dead()
        self._drain()
        return status

    def exchange(self, old: Service, new: Service) -> None:
        """Supervise a running service in place of another, which the caller will stop."""
        self.beside.append(old)
        self.services = [new if service is old else service for service in self.services]
        self.beside.remove(new)

    def once_ready(self, url: str, act: Callable[[], object]) -> None:
        """Call a function, from a thread, when an http URL first answers 200."""

        def wait() -> None:
            while not self.stopping:
                if answers(url):
                    act()
                    return
                time.sleep(0.2)

        threading.Thread(target=wait, daemon=True).start()

    def start_beside(self, service: Service) -> None:
        """Start a service that the caller supervises; it is stopped with the others."""
        with self.forking:
            self.beside.append(service)
            service.start()

    def finish(self, command: Service) -> int:
        """Return the exit status of a command that runs to its end, beside the services."""
        self.start_beside(command)
        try:
            return command.process.wait() if command.process else 127  # as a shell returns it
        finally:
            self.beside.remove(command)

    def _restart_the_dead(self) -> int:
        for service in self.services:
            service.died()
            service.end_remains()
            if service.process is None and (reason := service.reason_to_give_up()):
                logger.critical("%s %s; giving up", service.name, reason)
                return 1
            if service.may_start():
                service.start()
        return 0

    def _ask(self) -> None:
        while not self.stopping:
            time.sleep(ASK_SECONDS)
            for service in self.services:
                service.ask()

    def _drain(self) -> None:
        """Stop in reverse order: the page first, so that its last requests are still scored."""
        self.stopping = True
        deadline = time.monotonic() + DRAIN_SECONDS
        for service in reversed([*self.beside, *self.services]):
            if service.listener:
                service.listener.close()
            service.signal(signal.SIGTERM)
            while not service.gone():
                if self.hurried or time.monotonic() > deadline:
                    logger.error("%s did not end in time; killing it", service.name)
                    service.signal(signal.SIGKILL)
                    break
                self._collect_orphans()
                time.sleep(0.05)
            logger.info("%s stopped", service.name)

    def _collect_orphans(self) -> None:
        """Reap what was adopted from a dead process; a service's own end is left to `died`."""
        with self.forking:
            every = [*self.services, *self.beside]
            own = {service.process.pid for service in every if service.process}
            while True:
                try:
                    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                except ChildProcessError:
                    return
                if ended is None or ended.si_pid in own:
                    return
                os.waitpid(ended.si_pid, 0)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        logger.info("%s received; %s", signal.Signals(number).name,
                    "stopping at once" if self.stopping else "draining")  # fmt: skip
        self.hurried = self.stopping
        self.stopping = True


def _is_empty(group: int) -> bool:
    """Return whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def answers(url: str) -> bool:
    """Return whether an http URL on this machine answers 200 within `ASK_SECONDS`."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=ASK_SECONDS)
    try:
        connection.request("GET", parts.path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
