"""What a user does with the wheel in an empty environment, command by command."""

import json
import re
import time

import pytest

from tests.doors.interpreters import ROOT

pytestmark = pytest.mark.doors

DOCUMENTS = [ROOT / "README.md", ROOT / "forgery/README.md", *sorted(ROOT.glob("docs/*.md"))]
PAGE = "http://127.0.0.1:8080"
"""Where the documents have the server."""

ELSEWHERE = re.compile(
    r"forgery (serve|doctor|history|learnt|review|trust-list)\b|models:/|\.venv|COMPLETE"
)
"""Commands of other rooms, and what needs MLflow, the checkout, an extra or a shell of its own."""

REFUSING = """
import sys

def refuse(event, arguments):
    network = event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")
    heavy = event == "import" and arguments[0] in ("mlflow", "tensorflow", "keras")
    if network or heavy:
        sys.stderr.write(f"Traceback: {event} {arguments[0]}\\n")

sys.addaudithook(refuse)
from forgery.command import main
main(["scan", "photo.jpg", "PHOTOS"])
"""

BARE = "import numpy, PIL.Image, onnxruntime"
START_LIMIT = 2.5
TURNS = 5


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of that language in the documents."""
    fence = re.compile(rf"^```{language}\n(.*?)^```", re.M | re.S)
    return [block for path in DOCUMENTS for block in fence.findall(path.read_text("utf-8"))]


def commands() -> list[str]:
    """Return the documents' commands that the wheel brings, comments left out."""
    text = "\n".join(blocks("(?:bash|console|sh)")).replace("\\\n", " ")
    lines = [re.sub(r"^\$ |\s+# .*$", "", line).strip() for line in text.splitlines()]
    ours = re.compile(r"^forgery |\| *(xargs [^|]*)?forgery ")
    return sorted({line for line in lines if ours.search(line) and not ELSEWHERE.search(line)})


def examples() -> list[str]:
    """Return the documents' Python that uses the wheel's packages."""
    return [block for block in blocks("python") if re.search(r"^from forgery", block, re.M)]


def test_the_documents_have_commands():
    assert any(command.startswith("forgery scan") for command in commands())


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_documents(environment, desk, server, command):
    run = environment.run if PAGE in command else environment.run_offline
    line = command.replace(PAGE, server.url)
    run("bash", "-euo", "pipefail", "-c", line, cwd=desk)


@pytest.mark.parametrize("example", examples())
def test_python_of_the_documents(environment, desk, server, example):
    done = environment.run("python", "-c", example.replace(PAGE, server.url), cwd=desk)
    assert re.search(r"authentic|forged|inconclusive", done.stdout), done.stdout


def test_help_lists_what_is_there(environment, desk):
    said = environment.run("forgery", "--help", cwd=desk).stdout
    assert "scan  " in said
    assert "doctor" not in said
    assert environment.run("forgery", "scan", "--help", cwd=desk).stdout


def test_a_scan_needs_no_network_and_nothing_heavy(environment, desk):
    said = environment.run_offline("python", "-c", REFUSING, cwd=desk).stdout
    assert all(name in said for name in ("photo.jpg", "a.jpg", "b.png", "c.tif", "d.webp")), said
    listing = environment.run("python", "-m", "pip", "list", "--format", "json", cwd=desk).stdout
    installed = {package["name"] for package in json.loads(listing)}
    assert installed.isdisjoint({"mlflow", "mlflow-skinny", "tensorflow", "keras", "flask"})
    assert environment.run("python", "-m", "pip", "check", cwd=desk).returncode == 0


def test_a_verdict_comes_soon_after_the_libraries_are_there(environment, desk, capsys):
    best = {"scan": float("inf"), "bare": float("inf")}
    work = {"scan": ("forgery", "scan", "photo.jpg"), "bare": ("python", "-c", BARE)}
    for _ in range(1 + TURNS):
        for name, command in work.items():
            start = time.perf_counter()
            environment.run(*command, cwd=desk)
            best[name] = min(best[name], time.perf_counter() - start)
    ratio = best["scan"] / best["bare"]
    with capsys.disabled():
        print(
            f"\nPython {environment.python}: a verdict in {best['scan']:.2f} s, "
            f"{ratio:.2f} times the imports alone"
        )
    assert ratio <= START_LIMIT
