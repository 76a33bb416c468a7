"""`make dagshub REPO=USER/NAME`: tracking and DVC remote of a DagsHub repository, for this clone.

The client's own `init` sets MLflow's variables for one process only, and writes DVC's
configuration into `.git/.dvc`, where DVC does not look. So the client gives the token, and no more;
otherwise it comes from `DAGSHUB_USER_TOKEN`.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from steps.errors import SettingsError
from steps.settings.configuration import PROJECT_ROOT

HOST = "https://dagshub.com"
REMOTE = "dagshub"
VARIABLES = ".env"


def set_up(repository: str, token: str, host: str = HOST, root: Path = PROJECT_ROOT) -> None:
    """Write `.env`, which the Makefile reads, and DVC's default remote; secrets stay out of git.

    Raises:
        SettingsError: the repository is not USER/NAME.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise SettingsError(f"REPO is {repository!r}; allowed: USER/NAME")
    user = repository.split("/")[0]
    values = {
        "MLFLOW_TRACKING_URI": f"{host}/{repository}.mlflow",
        "MLFLOW_TRACKING_USERNAME": user,
        "MLFLOW_TRACKING_PASSWORD": token,
    }
    path = root / VARIABLES
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()), "utf-8")
    run(root, "add", "--force", "--default", REMOTE, f"{host}/{repository}.dvc")
    for name, value in (("auth", "basic"), ("user", user), ("password", token)):
        run(root, "modify", "--local", REMOTE, name, value)


def run(root: Path, *arguments: str) -> None:
    """Call `dvc remote`; raise `SettingsError` with its message."""
    command = [sys.executable, "-m", "dvc", "remote", *arguments, "--quiet"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SettingsError(f"dvc remote {arguments[0]} failed: {done.stderr.strip()}")


def find_token() -> str:
    """Return the token of the environment, or the one that the client has or asks for.

    Raises:
        SettingsError: there is neither.
    """
    token = os.environ.get("DAGSHUB_USER_TOKEN")
    if token:
        return token
    try:
        from dagshub.auth import get_token
    except ImportError as error:
        raise SettingsError(
            "set DAGSHUB_USER_TOKEN (https://dagshub.com/user/settings/tokens), or install the "
            "client, which logs you in: uv pip install '.[dagshub]'"
        ) from error
    return get_token()


def main(arguments: Sequence[str]) -> int:
    """Set the clone up; return the exit status."""
    try:
        set_up(
            arguments[0] if arguments else "", find_token(), os.environ.get("DAGSHUB_HOST", HOST)
        )
    except SettingsError as error:
        print(f"dagshub: {error}", file=sys.stderr)
        return 2
    print(f"{VARIABLES} and the DVC remote {REMOTE} are set; `forgery doctor` checks them")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
