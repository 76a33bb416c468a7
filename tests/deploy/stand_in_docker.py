#!/usr/bin/env python3
"""Stands in for Docker's client where a test needs `rollout` and no container.

A container is a small server of its own. How it behaves is the last word of its image's name,
as in `registry/nan@sha256:…`; what exists lies in the folder that STAND_IN names.
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

FOLDER = Path(os.environ["STAND_IN"])
ANSWER = {"verdict": "authentic", "probability": 0.25}
RECORDS = {
    "nan": ANSWER | {"probability": float("nan")},
    "fieldless": {"probability": 0.25},
}


class Page(BaseHTTPRequestHandler):
    """The page of a version; `failing` is no longer ready once it was asked through the front."""

    way = ""
    posts = 0

    def do_GET(self) -> None:
        if self.path == "/slow":
            (FOLDER / "slow-asked").touch()
            while not (FOLDER / "slow-answers").exists():
                time.sleep(0.05)
        broken = self.way == "failing" and Page.posts > 1
        self.answer(503 if broken else 200, self.way)

    def do_POST(self) -> None:
        Page.posts += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.way == "garbled":
            self.wfile.write(b"no HTTP\r\n\r\n")
            return
        if self.way == "short":
            self.wfile.write(b"HTTP/1.0 500 No\r\nContent-Length: 99\r\n\r\nless")
            return
        self.answer(200, json.dumps({"predictions": [RECORDS.get(self.way, ANSWER)]}))

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())


def way(image: str) -> str:
    return image.partition("@")[0].rpartition("/")[2]


def docker(command: str, *words: str) -> int:
    """Do what `rollout` asks the engine for; return the exit status."""
    last = words[-1]
    image = FOLDER / "images" / quote(last, "")
    container = FOLDER / "containers" / last
    if command == "image":
        if words[0] == "inspect":
            return 0 if image.exists() else 1
        image.unlink()
    elif command == "pull":
        image.touch()
    elif command == "container":
        if not container.exists():
            return 1
        print(json.dumps([{"State": {"Running": True}, "RestartCount": 0}]))
    elif command == "run":
        name = words[words.index("--name") + 1]
        port = words[words.index("--publish") + 1].split(":")[1]
        server = subprocess.Popen(
            [sys.executable, __file__, "serve", port, way(last)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        (FOLDER / "containers" / name).write_text(str(server.pid))
    elif command == "rm":
        os.kill(int(container.read_text()), signal.SIGKILL)
        container.unlink()
    elif command == "cp":
        golden = Path(last)
        golden.mkdir()
        (golden / "golden.png").touch()
        (golden / "golden.json").write_text(json.dumps({"answer": ANSWER, "tolerance": 0.01}))
    return 0


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        Page.way = sys.argv[3]
        ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Page).serve_forever()
    with (FOLDER / "calls").open("a") as calls:
        print(*sys.argv[1:], file=calls)
    sys.exit(docker(*sys.argv[1:]))
