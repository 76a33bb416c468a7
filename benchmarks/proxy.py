"""What the web front end adds to the latency of the scoring server."""

import base64
import json
import signal
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import requests

from forgery_lab.export import pyfunc
from forgery_lab.forgeries import scenes
from forgery_pyfunc.imaging.jpeg_encoder import encode
from serving.pointer import write_pointer
from serving.services import LOOPBACK, scoring_server, web_page
from serving.supervisor import Service, answers

ALLOWED_SHARE = 0.15
ALLOWED_MILLISECONDS = 5.0
SIZES = ((384, 256), (1536, 1024))
WARM_UP = 5


START_SECONDS = 120


@contextmanager
def servers(detector: Path) -> Iterator[tuple[str, str]]:
    """Yield the URLs of a scoring server with this detector and of the page in front of it.

    Raises:
        RuntimeError: they do not answer in time.
    """
    with TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        pyfunc.save_model(detector, model)
        ports, pointer = _free_ports(2), Path(folder) / "scoring.json"
        write_pointer(pointer, ports[0], "the model measured")
        services = [
            scoring_server(str(model), ports[0], workers=1),
            web_page(LOOPBACK, *ports[::-1], pointer),
        ]
        try:
            for service in services:  # logs go to files: they are part of what is measured
                log = f"{folder}/{service.name}.log"
                service.command = ["sh", "-c", 'exec "$@" >"$0" 2>&1', log, *service.command]
                service.start()
            scoring_url, page_url = (f"http://{LOOPBACK}:{port}" for port in ports)
            _wait_until_ready(f"{page_url}/readyz")
            yield scoring_url, page_url
        finally:
            for service in reversed(services):
                _stop(service)


def _free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on, all different."""
    probes = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _wait_until_ready(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(url):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{url} does not answer after {START_SECONDS} seconds")
        time.sleep(0.2)


def _stop(service: Service) -> None:
    service.signal(signal.SIGTERM)
    if service.process is not None:
        service.process.wait(30)


def measure(scoring_url: str, page_url: str, rounds: int = 60) -> list[dict[str, object]]:
    """Return a row per size of picture: medians of both ways, and whether the target is met.

    Both ways are asked in turn over pooled connections, so that the machine's mood hits both.

    Args:
        scoring_url: a scoring server with a model.
        page_url: the front end in front of it.
        rounds: requests each way.
    """
    return [_row(scoring_url, page_url, size, rounds) for size in SIZES]


def _row(scoring_url: str, page_url: str, size: tuple[int, int], rounds: int) -> dict[str, object]:
    body = _body(*size)
    direct = _sender(scoring_url, body)
    through = _sender(page_url, body)
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds + WARM_UP):
        for way, send in zip(times, (direct, through), strict=True):
            seconds = _timed(send)
            if number >= WARM_UP:
                way.append(1000 * seconds)
    alone, proxied = (statistics.median(way) for way in times)
    allowed = max(ALLOWED_MILLISECONDS, ALLOWED_SHARE * alone)
    return {
        "picture": f"{size[0]}×{size[1]}, {len(body) // 1024} kB of JSON",
        "scoring_server_ms": round(alone, 2),
        "front_end_ms": round(proxied, 2),
        "added_ms": round(proxied - alone, 2),
        "allowed_ms": round(allowed, 2),
        "met": proxied - alone <= allowed,
    }


def _body(width: int, height: int) -> bytes:
    pixels = scenes.render("nat", np.random.default_rng(1), height, width)
    image = base64.b64encode(encode(pixels, quality=90)).decode("ascii")
    return json.dumps({"dataframe_records": [{"image": image}]}).encode()


def _sender(url: str, body: bytes) -> Callable[[], None]:
    session = requests.Session()

    def send() -> None:
        answer = session.post(
            f"{url}/invocations",
            data=body,
            headers={"Content-Type": "application/json"},
            timeout=60,
        )
        answer.raise_for_status()

    return send


def _timed(send: Callable[[], None]) -> float:
    started = time.perf_counter()
    send()
    return time.perf_counter() - started


def main() -> None:
    """Measure two running servers: `python -m benchmarks.proxy SCORING_URL PAGE_URL`."""
    scoring_url, page_url = sys.argv[1:]
    rows = measure(scoring_url, page_url)
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    sys.exit(not all(row["met"] for row in rows))


if __name__ == "__main__":
    main()
