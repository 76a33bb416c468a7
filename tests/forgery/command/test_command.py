import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from forgery import command
from tests.forgery.command.runner import forgery


@pytest.fixture
def absent(monkeypatch):
    """Two commands of other rooms, one of which is not installed."""
    here = EntryPoint("here", "tests.forgery.command.test_command:here", command.GROUP)
    gone = EntryPoint("gone", "no_such_room.commands:gone", command.GROUP)

    class Points(list):
        names = ("here", "gone")

        def select(self, name):
            return [point for point in self if point.name == name]

    monkeypatch.setattr(command, "entry_points", lambda: Points([here, gone]))


@click.command()
def here() -> None:
    """Say where."""
    click.echo("here")


@pytest.mark.usefixtures("absent")
def test_commands_of_other_rooms_come_in_where_they_are_installed():
    assert forgery("here").stdout == "here\n"
    listed = forgery("--help").stdout
    assert re.search(r"here +Say where\.", listed)
    assert "gone" not in listed


@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize("arguments", [(), ("--help",), ("--port", "3", "more")])
def test_a_command_of_an_absent_room_says_what_is_missing(arguments):
    result = forgery("gone", *arguments)
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: `forgery gone` needs the package no_such_room, which is not installed: run it in "
        "a checkout of the project after `make setup`.\n"
    )


def test_about_names_the_attribution_of_the_training_photographs():
    said = forgery("about").stdout
    path = Path(said.splitlines()[-1].removeprefix("Attribution").strip())
    assert "CC0 1.0" in said
    assert "CC0 1.0" in path.read_text("utf-8")


COMPLETE = """
eval "$(_FORGERY_COMPLETE=bash_source forgery)"
COMP_WORDS=({words}) COMP_CWORD={last}
_forgery_completion forgery
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("forgery", {"about", "explain", "report", "scan"}),
        ("forgery sc", {"scan"}),
        ("forgery scan --js", {"--json", "--jsonl"}),
        ("forgery scan --only f", {"forged"}),
    ],
)
def test_bash_completes_commands_options_and_values(words, offered):
    last = words.count(" ") if " " in words else 1
    done = subprocess.run(
        ["bash", "-c", COMPLETE.format(words=words, last=last)],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert offered <= set(done.stdout.split())
    assert len(offered) > 3 or set(done.stdout.split()) == offered


def test_an_unknown_command_is_a_usage_error():
    result = forgery("nothing")
    assert result.exit_code == 2
    assert "No such command 'nothing'" in result.stderr


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("webui.application", ("tensorflow", "onnxruntime", "mlflow", "pandas", "forgery.scoring")),
        (
            "forgery.command",
            ("tensorflow", "onnxruntime", "mlflow", "pandas", "pydantic", "flask", "numpy"),
        ),
    ],
)
def test_neither_page_nor_command_imports_the_heavy_packages(module, absent):
    code = f"import sys, {module}; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    for name in (*absent, "forgery_lab", "steps"):
        assert name not in modules


def test_the_trust_list_is_shown_and_another_one_is_judged(tmp_path):
    shown = forgery("trust-list")
    assert shown.exit_code == 0
    assert len(shown.stdout.splitlines()) == 52
    assert "CN=Google C2PA Root CA G3" in shown.stdout
    assert shown.stderr.startswith("52 certificates in ")
    refused = forgery("trust-list", tmp_path)
    assert refused.exit_code == 2
    assert "C2PA-TRUST-LIST.pem cannot be read" in refused.stderr
