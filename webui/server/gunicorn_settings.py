"""Gunicorn's configuration: `gunicorn -c python:webui.server.gunicorn_settings 'webui.application:create_app()'`.

One process with threads: the work is waiting for the scoring server and NumPy, and one process
keeps one set of metrics. See https://docs.gunicorn.org/en/stable/settings.html
"""  # noqa: E501

import socket
import struct
from typing import Any

from webui import clock  # noqa: F401 so that workers started later have the same
from webui.observability import logging_config
from webui.settings import Settings

settings = Settings.from_environment()

bind = f"{settings.host}:{settings.port}"
worker_class = "webui.server.worker.Worker"
workers = 1
threads = settings.web_threads
timeout = 30  # of a worker that hangs: as long as the supervisor waits for a scoring server
graceful_timeout = settings.shutdown_seconds
keepalive = 75  # longer than `Retry-After` asks for, and than proxies keep theirs (60)
accesslog = None  # the application writes its own, structured
logger_class = "webui.server.log.Log"
logconfig_dict = logging_config(settings.log_level)


def post_worker_init(worker: Any) -> None:
    """Start the decoders, and work on the jobs that are unfinished.

    Those of a process that died are among them.
    """
    if settings.decoder_sandbox:
        worker.wsgi.extensions["reader"].start()
    if runner := worker.wsgi.extensions.get("jobs"):
        runner.start()


def when_ready(server: Any) -> None:
    """Bound the silence of every connection: accepted sockets inherit this from the listener."""
    timeval = struct.pack(
        "ll", int(settings.upload_stall_seconds), int(settings.upload_stall_seconds % 1 * 1e6)
    )
    for listener in server.LISTENERS:
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, timeval)
