"""A real MLflow server with passwords, on PostgreSQL and S3, behind a proxy with faults."""

import contextlib
import getpass
import http.client
import http.server
import random
import secrets
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3

from tests.webui.servers import free_port, process

USER, PASSWORD = "admin", "a-long-one-1234"  # pragma: allowlist secret
BUCKET = "artifacts"


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, None where it is not installed."""
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").is_file():
            return folder
    found = shutil.which("initdb")
    return Path(found).parent if found else None


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Yield the URI of an empty database; the server refuses to run as root."""
    programs, port = postgres_programs(), free_port()
    assert programs is not None
    as_user = ["runuser", "-u", "postgres", "--"] if getpass.getuser() == "root" else []
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        if as_user:
            shutil.chown(folder, "postgres")

        def run(program: str, *options: str) -> None:
            subprocess.run([*as_user, str(programs / program), *options], cwd=folder, check=True)

        data = f"{folder}/data"
        run("initdb", "-D", data, "-U", "mlflow", "--auth", "trust", "--no-sync")
        options = f"-p {port} -h 127.0.0.1 -k {folder} -F"
        run("pg_ctl", "-D", data, "-l", f"{folder}/log", "-w", "-o", options, "start")
        try:
            yield f"postgresql+psycopg2://mlflow@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "stop")


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str]]:
    """Yield the environment that leads to an S3 store with one bucket."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": url, "MLFLOW_S3_ENDPOINT_URL": url,
    }  # fmt: skip
    command = ["moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with process(command, f"{url}/moto-api/", folder / "s3.log"):
        boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1",
            aws_access_key_id="test", aws_secret_access_key="test",
        ).create_bucket(Bucket=BUCKET)  # fmt: skip
        yield environment


@contextlib.contextmanager
def mlflow_server(folder: Path, backend: str, store: dict[str, str]) -> Iterator[str]:
    """Yield the URI of an MLflow server that asks for a password."""
    port = free_port()
    settings = folder / "basic_auth.ini"
    settings.write_text(
        "[mlflow]\ndefault_permission = READ\n"
        f"database_uri = sqlite:///{folder}/auth.db\n"
        f"admin_username = {USER}\nadmin_password = {PASSWORD}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = {
        **store,
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = ["mlflow", "server", "--app-name", "basic-auth", "--backend-store-uri", backend,
               "--artifacts-destination", f"s3://{BUCKET}/mlflow", "--workers", "1",
               "--host", "127.0.0.1", "--port", str(port)]  # fmt: skip
    uri = f"http://127.0.0.1:{port}"
    with process(command, f"{uri}/health", folder / "server.log", **environment):
        yield uri


@dataclass
class Faults:
    """What a proxy does to requests: drops a share of them, or all of them while `is_down`.

    A request is dropped before the server sees it, or after it was answered, in turn.
    """

    share: float = 0.0
    is_down: bool = False
    dropped: int = 0
    passed: int = 0
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def go_down(self) -> int:
        """Drop everything from now on; return how many requests have passed until now."""
        with self.lock:
            self.is_down = True
            return self.passed

    def drops(self) -> bool:
        """Return whether the next request is dropped, and count it."""
        with self.lock:
            drop = self.is_down or self.dice.random() < self.share
            self.dropped, self.passed = self.dropped + drop, self.passed + (not drop)
            return drop


@contextlib.contextmanager
def faulty_proxy(uri: str) -> Iterator[tuple[str, Faults]]:
    """Yield the URI of a proxy in front of a server, and its faults; a connection per request."""
    faults, target = Faults(), uri.removeprefix("http://")

    class Handler(http.server.BaseHTTPRequestHandler):
        def forward(self) -> None:
            drop = faults.drops()
            if drop and (faults.is_down or faults.dropped % 2):
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server = http.client.HTTPConnection(target, timeout=60)
            server.request(self.command, self.path, body, dict(self.headers))
            answer = server.getresponse()
            content = answer.read()
            server.close()
            if drop:
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            """Say nothing of single requests."""

    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"):
        setattr(Handler, f"do_{method}", Handler.forward)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
        server.shutdown()


def credentials(password: str = PASSWORD) -> dict[str, str]:
    """Return the variables that let a step in."""
    return {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": password}
