"""Whether a worker has what the driver has. No cluster is needed."""

import socket

import pytest

from forgery_lab.spark import workers


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "code.py"
    path.write_text("answer = 41\n")
    return path


def test_the_same_machine_has_the_same(code):
    wanted = workers.libraries(("numpy", "pandas"), [code])
    assert [name for name, _ in wanted] == ["Python", "numpy", "pandas", "the code of forgery"]
    assert workers.difference(wanted, workers.libraries(("numpy", "pandas"), [code])) is None


@pytest.mark.parametrize(("name", "change"), [("numpy", "1.0"), ("a-package", "2")])
def test_the_first_library_of_another_version_is_named(code, name, change):
    mine = workers.libraries(("numpy", "a-package"), [code])
    wanted = tuple((known, change if known == name else found) for known, found in mine)
    said = workers.difference(wanted, mine)
    assert said.startswith(f"the worker {socket.gethostname()} has {name} {dict(mine)[name]}, ")
    assert f"and the driver {change}; install requirements/spark.lock" in said


def test_a_package_that_is_not_there_is_missing(code):
    assert dict(workers.libraries(("no-such-package",), [code]))["no-such-package"] == "missing"


def test_other_code_is_noticed(code):
    wanted = workers.libraries((), [code])
    code.write_text("answer = 42\n")
    assert "has the code of forgery " in workers.difference(wanted, workers.libraries((), [code]))
