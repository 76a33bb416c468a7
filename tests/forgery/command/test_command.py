import subprocess
import sys
from importlib.metadata import EntryPoint

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

    monkeypatch.setattr(command, "entry_points", lambda group: Points([here, gone]))


@click.command()
def here() -> None:
    """Say where."""
    click.echo("here")


@pytest.mark.usefixtures("absent")
def test_commands_of_other_rooms_come_in_where_they_are_installed():
    assert forgery("here").stdout == "here\n"
    listed = forgery("--help").stdout
    assert "here     Say where." in listed
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


def test_an_unknown_command_is_a_usage_error():
    result = forgery("nothing")
    assert result.exit_code == 2
    assert "No such command 'nothing'" in result.stderr


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("webui.application", ("tensorflow", "onnxruntime", "mlflow", "pandas", "forgery.scoring")),
        ("forgery.command", ("tensorflow", "onnxruntime", "mlflow", "pandas", "pydantic", "flask")),
    ],
)
def test_neither_page_nor_command_imports_the_heavy_packages(module, absent):
    code = f"import sys, {module}; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    for name in (*absent, "forgery_lab", "steps"):
        assert name not in modules
