"""What `make dagshub` writes, and that DVC finds it where it looks."""

import stat
import subprocess
import sys

import pytest

from steps.errors import SettingsError
from steps.operations import dagshub
from steps.settings.configuration import PROJECT_ROOT


@pytest.fixture
def repository(tmp_path):
    for command in (["git", "init", "-q"], [sys.executable, "-m", "dvc", "init", "-q"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def test_tracking_and_remote_are_set_and_the_token_stays_out_of_git(repository):
    for _ in range(2):
        dagshub.set_up("me/forgery", "t0ken", root=repository)
    lines = (repository / ".env").read_text().splitlines()
    assert lines == [
        "MLFLOW_TRACKING_URI=https://dagshub.com/me/forgery.mlflow",
        "MLFLOW_TRACKING_USERNAME=me",
        "MLFLOW_TRACKING_PASSWORD=t0ken",
    ]
    assert stat.S_IMODE((repository / ".env").stat().st_mode) == 0o600
    config = (repository / ".dvc/config").read_text()
    assert "https://dagshub.com/me/forgery.dvc" in config
    assert "remote = dagshub" in config
    assert "t0ken" not in config
    assert "password = t0ken" in (repository / ".dvc/config.local").read_text()
    ignored = subprocess.run(["git", "check-ignore", ".dvc/config.local"], cwd=repository)
    assert ignored.returncode == 0


def test_make_ui_names_the_page_of_a_server_and_starts_none_on_it():
    command = ["make", "--no-print-directory", "--assume-old", ".venv/.installed", "ui"]
    uri = "MLFLOW_TRACKING_URI=https://dagshub.com/me/forgery.mlflow"
    done = subprocess.run([*command, uri], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.stdout == (
        "The tracking server has the page: https://dagshub.com/me/forgery.mlflow\n"
    )


def test_a_repository_is_user_and_name(repository):
    with pytest.raises(SettingsError, match="REPO is 'forgery'; allowed: USER/NAME"):
        dagshub.set_up("forgery", "t0ken", root=repository)


def test_without_token_and_client_it_is_said_what_to_do(monkeypatch):
    monkeypatch.delenv("DAGSHUB_USER_TOKEN", raising=False)
    monkeypatch.setitem(sys.modules, "dagshub.auth", None)
    with pytest.raises(SettingsError, match="set DAGSHUB_USER_TOKEN"):
        dagshub.find_token()
