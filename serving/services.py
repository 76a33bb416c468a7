"""The two services of this project as commands: the model on loopback, the page in front."""

import math
import os
import socket
import sys
from pathlib import Path

from forgery_pyfunc.contract import AT_ONCE_VARIABLE
from forgery_pyfunc.imaging import sandbox
from serving.errors import ServiceError
from serving.supervisor import DRAIN_SECONDS, Service

LOOPBACK = "127.0.0.1"
IN_FLIGHT_PER_WORKER = 4
"""Kept connections stay with a worker, so some workers have more of them than others."""
MOST_IN_FLIGHT = 128
"""Half of the page's threads by default: each request in flight holds one."""
MEMORY = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(2**20),
    "MALLOC_TRIM_THRESHOLD_": str(2**25),
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""For glibc's allocator, which else keeps what pictures of many sizes leave in each thread's arena.
Where PyArrow is installed, pandas reads bodies into its memory; its own allocator keeps 4 MB more
of it every minute in each worker under load.

Sources: https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html and
https://arrow.apache.org/docs/cpp/env_vars.html
"""
MEMORY_OF_MANY_THREADS = {
    "MALLOC_MMAP_THRESHOLD_": str(2**16),
    "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0",
}
"""The page copies bodies and has a thread per request: what each would keep for itself adds up."""
TEXT_AS_OBJECTS = {"PANDAS_FUTURE_INFER_STRING": "0"}
"""For pandas 3, which else copies every base64 text of a body into Arrow's memory."""
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
CPU_QUOTA_V1 = Path("/sys/fs/cgroup/cpu")


def scoring_server(
    model_uri: str, port: int, workers: int, environment: dict[str, str] | None = None
) -> Service:
    """Return `mlflow models serve` on loopback: its errors may hold the payload."""
    scripts = Path(sys.executable).parent
    command = [
        str(scripts / "mlflow"), "models", "serve", "--model-uri", model_uri,
        "--env-manager", "local", "--host", LOOPBACK, "--port", str(port),
        "--workers", str(workers),
    ]  # fmt: skip
    path = f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # mlflow calls uvicorn
    # Without PYTHONPATH the model runs the code that was logged with it, never this tree's.
    # A worker per core leaves no core for threads of matrix products, which busy-wait.
    settings = {
        "PATH": path,
        "PYTHONPATH": "",
        "OMP_NUM_THREADS": "1",
        **MEMORY,
        **TEXT_AS_OBJECTS,
        AT_ONCE_VARIABLE: os.environ.get(AT_ONCE_VARIABLE) or str(images_at_once(workers)),
        sandbox.VARIABLE: os.environ.get(sandbox.VARIABLE) or "on",
        **(environment or {}),
    }
    return Service("scoring", command, settings, ping=f"http://{LOOPBACK}:{port}/ping")


def images_at_once(workers: int) -> int:
    """Return how many images each worker scores at once: with a CPU each, one.

    Two interpreters with two CPUs and eight clients: 154 small images a second, with two at once
    149, with all at once 134. One interpreter with two CPUs: with two at once 94, with one 73.
    """
    return 1 if workers >= available_cpus() else 2


def web_page(
    host: str,
    port: int,
    scoring_port: int,
    pointer: Path,
    workers: int | None = None,
    listener: socket.socket | None = None,
) -> Service:
    """Return gunicorn with the web application; `pointer` tells it who scores (`follow`).

    It asks as many requests at once as keep the workers of the scoring server busy (by default one
    per CPU); more would wait there, where nobody sees it. It listens on `listener` where there is
    one, which then outlives it.
    """
    at_once = min(IN_FLIGHT_PER_WORKER * (workers or available_cpus()), MOST_IN_FLIGHT)
    command = [
        str(Path(sys.executable).parent / "gunicorn"),
        "--config", "python:webui.server.gunicorn_settings",
        *(["--bind", f"fd://{listener.fileno()}"] if listener else []),
        "webui.application:create_app()",
    ]  # fmt: skip
    settings = {
        "HOST": host,
        "PORT": str(port),
        "SCORING_URL": f"http://{LOOPBACK}:{scoring_port}",
        "SCORING_POINTER": str(pointer),
        "SCORING_CONCURRENCY": os.environ.get("SCORING_CONCURRENCY") or str(at_once),
        "OMP_NUM_THREADS": "1",
        **MEMORY,
        **MEMORY_OF_MANY_THREADS,
        "SHUTDOWN_SECONDS": str(int(DRAIN_SECONDS) - 3),  # the rest is the scoring server's
    }
    return Service("page", command, settings, listener=listener)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens; raise `ServiceError` where the port cannot be used."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        reason = error.strerror or str(error)
        raise ServiceError(
            f"port {port} of {host} cannot be used ({reason}); choose another port"
        ) from error


def check_port_free(host: str, port: int) -> None:
    """Raise `ServiceError` where the port cannot be listened on."""
    listen(host, port).close()


def available_cpus() -> int:
    """Return the CPUs this process may use: its affinity, cut by the container's quota."""
    return max(1, math.ceil(min(len(os.sched_getaffinity(0)), quota())))


def quota() -> float:
    """Return the CPUs that the control group grants, `inf` where it sets no limit.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html, `cpu.max`
    """
    if CPU_QUOTA.is_file():
        granted, period = CPU_QUOTA.read_text().split()
        return math.inf if granted == "max" else int(granted) / int(period)
    if (CPU_QUOTA_V1 / "cpu.cfs_quota_us").is_file():
        granted_us = int((CPU_QUOTA_V1 / "cpu.cfs_quota_us").read_text())
        period_us = int((CPU_QUOTA_V1 / "cpu.cfs_period_us").read_text())
        return math.inf if granted_us < 0 else granted_us / period_us
    return math.inf
