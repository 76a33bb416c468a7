"""Clients that ask a page all the time, and what each request was answered with.

A client keeps its connection as long as the page does, and repeats nothing: a request that fails
has failed.
"""

import base64
import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from urllib3 import encode_multipart_formdata

from serving.services import LOOPBACK
from tests.conftest import encoded, picture

CLIENTS = 8
TIMEOUT_SECONDS = 60.0
PAUSE_SECONDS = 0.2
"""After an answer that is no verdict."""
REFUSALS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


@dataclass(frozen=True)
class Question:
    """A request for a verdict, and how to find the record in the answer."""

    path: str
    content_type: str
    body: bytes
    record: Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Exchange:
    """A request and its outcome; times are `time.monotonic()`.

    Attributes:
        connected: when its connection was opened.
        sent: when the request began.
        ended: when the answer was there, or when there could be none.
        status: of the answer, 0 where there is none.
        is_right: whether the answer is 200 with the verdict that is known to be right.
        may_return: whether it is a refusal that says when to come back.
        says: the answer's beginning, or why there is none.
    """

    connected: float
    sent: float
    ended: float
    status: int
    is_right: bool = False
    may_return: bool = False
    says: str = ""


class Load:
    """Clients in threads, from `with Load(...)` until the block is left."""

    def __init__(self, port: int, clients: int = CLIENTS) -> None:
        self.port = port
        self.questions = questions()
        self.right = [self._first_answer(question) for question in self.questions]
        self.exchanges: list[Exchange] = []
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def since(self, moment: float) -> list[Exchange]:
        """Return what was sent, or not answered yet, at a moment or later, and is over now."""
        return [exchange for exchange in list(self.exchanges) if exchange.ended >= moment]

    def next_right(self, moment: float) -> Exchange:
        """Return the first right answer to what was sent after a moment, once there is one.

        Raises:
            TimeoutError: there is none for a minute.
        """
        while time.monotonic() < moment + TIMEOUT_SECONDS:
            right = [one for one in self.since(moment) if one.is_right and one.sent >= moment]
            if right:
                return min(right, key=lambda exchange: exchange.ended)
            time.sleep(0.01)
        raise TimeoutError("no verdict any more")

    def _ask(self, first: int) -> None:
        connection, connected = self._connection(), 0.0
        for number in itertools.count(first):
            if self.ended.is_set():
                connection.close()
                return
            question, right = (both[number % len(both)] for both in (self.questions, self.right))
            sent = time.monotonic()
            try:
                if connection.sock is None:
                    connection.connect()
                    connected = time.monotonic()
                status, headers, body = _exchange(connection, question)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                outcome = Exchange(connected, sent, time.monotonic(), 0, says=repr(error))
            else:
                outcome = Exchange(
                    connected,
                    sent,
                    time.monotonic(),
                    status,
                    is_right=status == HTTPStatus.OK and verdict(question, body) == right,
                    may_return=status in REFUSALS and "Retry-After" in headers,
                    says=body[:300].decode(errors="replace"),
                )
            self.exchanges.append(outcome)
            if not outcome.is_right:
                time.sleep(PAUSE_SECONDS)

    def _first_answer(self, question: Question) -> tuple[Any, Any]:
        status, _, body = _exchange(self._connection(), question)
        if status != HTTPStatus.OK:
            raise RuntimeError(f"{question.path} answers {status} before anything is killed")
        return verdict(question, body)

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(LOOPBACK, self.port, timeout=TIMEOUT_SECONDS)


def questions() -> Sequence[Question]:
    """Return the requests: two pictures with different verdicts, by three ways to ask."""
    pictures = [encoded(picture(seed=1) // 3), encoded(255 - picture(seed=2) // 3)]
    return [
        question
        for data in pictures
        for question in (_predict(data), _invoke(data), _analyze(data))
    ]


def verdict(question: Question, body: bytes) -> tuple[Any, Any]:
    """Return verdict and probability of an answer."""
    record = question.record(json.loads(body))
    return record["verdict"], record["probability"]


def _predict(data: bytes) -> Question:
    body, content_type = encode_multipart_formdata({"file": ("a.jpg", data)})
    return Question("/predict", content_type, body, lambda answer: answer["predictions"][0])


def _analyze(data: bytes) -> Question:
    body, content_type = encode_multipart_formdata({"file": ("a.jpg", data)})
    return Question("/v1/analyze", content_type, body, lambda answer: answer["record"])


def _invoke(data: bytes) -> Question:
    rows = [{"image": base64.b64encode(data).decode()}]
    body = json.dumps({"dataframe_records": rows}).encode()
    return Question(
        "/invocations", "application/json", body, lambda answer: answer["predictions"][0]
    )


def _exchange(
    connection: http.client.HTTPConnection, question: Question
) -> tuple[int, http.client.HTTPMessage, bytes]:
    headers = {"Content-Type": question.content_type, "Accept": "application/json"}
    connection.request("POST", question.path, question.body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()
