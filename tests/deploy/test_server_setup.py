"""`deploy/server-setup`, in other folders; systemd and Docker are stood in for."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy import engine

MOVED = ("/opt/forgery", "/var/lib/forgery", "/etc/systemd/system")


class Server:
    """A server's folders, and what systemd was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.release = folder / "release"
        self.programs = folder / "programs"
        for path in (self.release, self.programs, folder / "etc" / "systemd" / "system"):
            path.mkdir(parents=True)
        text = (engine.ROOT / "deploy" / "server-setup").read_text()
        for path in MOVED:
            text = text.replace(path, f"{folder}{path}")
        (self.release / "server-setup").write_text(text)
        for name in ("rollout", "haproxy.cfg"):
            shutil.copy(engine.ROOT / "deploy" / name, self.release)
        self.program("docker", "true")
        self.program("systemctl", f'echo "$*" >> {folder}/told')

    def program(self, name: str, line: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (self.programs / name).chmod(0o755)

    def set_up(self, **settings: str) -> tuple[int, list[str]]:
        """Return the exit status, and what was done to the front."""
        told = self.folder / "told"
        told.write_text("")
        path = f"{self.programs}:{os.environ['PATH']}"
        command = ["bash", self.release / "server-setup"]
        done = subprocess.run(command, env=os.environ | settings | {"PATH": path}, check=False)
        words = [line.split() for line in told.read_text().splitlines()]
        return done.returncode, [w[0] for w in words if w[0] in ("reload", "restart")]

    def installed(self, name: str) -> str:
        return (self.folder / "opt" / "forgery" / name).read_text()


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A server that was set up once."""
    engine.need(engine.why_no_programs("haproxy"))
    server = Server(tmp_path)
    assert server.set_up() == (0, ["restart"])
    return server


def test_only_what_differs_touches_the_front(server: Server) -> None:
    assert server.set_up() == (0, [])
    with (server.release / "haproxy.cfg").open("a") as settings:
        settings.write("  # another remark\n")
    assert server.set_up() == (0, ["reload"])
    assert server.set_up(FRONT_PORT="8000") == (0, ["restart"])


def test_a_front_that_could_not_start_is_not_installed(server: Server) -> None:
    before = server.installed("haproxy.cfg")
    (server.release / "haproxy.cfg").write_text("frontend front\n  bind nowhere\n")
    (server.release / "rollout").write_text("another")
    status, done = server.set_up()
    assert status != 0
    assert done == []
    assert server.installed("haproxy.cfg") == before
    assert server.installed("rollout") != "another"


def test_what_cannot_be_installed_is_a_failure(server: Server) -> None:
    with (server.release / "haproxy.cfg").open("a") as settings:
        settings.write("  # another remark\n")
    server.program("install", 'case "$*" in *haproxy.cfg*) exit 1 ;; esac')
    status, done = server.set_up()
    assert (status, done) == (1, [])


def test_what_systemd_refused_is_done_by_the_next_run(server: Server) -> None:
    with (server.release / "haproxy.cfg").open("a") as settings:
        settings.write("  # another remark\n")
    server.program("systemctl", "test $1 != reload")
    assert server.set_up() == (1, [])
    server.program("systemctl", f'echo "$*" >> {server.folder}/told')
    assert server.set_up() == (0, ["reload"])
    assert server.set_up() == (0, [])
