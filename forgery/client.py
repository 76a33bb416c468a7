"""The client of a detector over HTTP: of the web front end, and of the scoring server behind it.

>>> from forgery.client import Client
>>> record = Client("http://127.0.0.1:8080").score([open("picture.jpg", "rb").read()])[0]
>>> record.verdict, record.probability
"""

import base64
import itertools
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

import certifi
import urllib3
from pydantic import TypeAdapter, ValidationError
from urllib3 import BaseHTTPResponse
from urllib3.connection import HTTPConnection

from forgery.evidence.analysis import Analysis
from forgery_pyfunc.contract import Record
from forgery_pyfunc.errors import ForgeryError

JSON = "application/json"
RECORDS = TypeAdapter(list[Record])
REQUESTS_UNTIL_ONE_CLOSES = 31
"""Of so many questions about pictures one is the last on its connection. Several processes may
listen at an address; one that was started later gets its share only by new connections."""


class ClientError(ForgeryError):
    """The server did not answer as it must.

    `code` is `scoring_server_absent`, `scoring_server_late`, `scoring_server_busy` or
    `scoring_server_failed`, or the code that the front end answered with; `status` is that of the
    answer, None where there is none or it is 200 with a malformed body.
    """

    code = "scoring_server_failed"

    def __init__(self, message: str, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message, code)
        self.status = status


class Client:
    """Speaks HTTP over pooled connections; one object may be used from many threads."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        connect_timeout: float = 3.0,
        read_timeout: float = 60.0,
        pool_size: int = 8,
    ) -> None:
        """Set where to ask; nothing is asked yet.

        Raises:
            ClientError: this is no address.
        """
        self.url = url.rstrip("/")
        self.pool = _pool(
            self.url,
            maxsize=pool_size,
            timeout=urllib3.Timeout(connect=connect_timeout, read=read_timeout),
            retries=False,
        )
        self.prefix = urlsplit(self.url).path
        self.invocations = itertools.count(1)

    def score(
        self,
        images: Sequence[bytes],
        threshold: float | None = None,
        heatmap: bool = False,
        request_id: str | None = None,
        *,
        explain: bool = False,
    ) -> list[Record]:
        """Return one record per encoded image, in order.

        Args:
            images: the bytes of JPEG, PNG, TIFF, BMP, WebP, HEIC or AVIF files.
            threshold: a probability in [0, 1] that replaces the calibrated grey band.
            heatmap: whether to draw the map of where.
            request_id: appears in the logs of all servers on the way.
            explain: whether to tell why; a model that was logged before it could does not.

        Raises:
            ClientError: no server, no answer in time, or not the answer that was agreed.
        """
        params: dict[str, float | bool] = {"heatmap": heatmap, "strict": False}
        if threshold is not None:
            params["threshold"] = threshold
        if explain:
            params["explain"] = True
        rows = b",".join(b'{"image":"%b"}' % base64.b64encode(image) for image in images)
        body = b'{"dataframe_records":[%b],"params":%b}' % (rows, json.dumps(params).encode())
        response = self.invoke(body, request_id)
        if response.status != 200:
            raise error_of(response)
        return read_records(response.data, len(images))

    def analyze(self, filename: str, image: bytes, with_location: bool = False) -> Analysis:
        """Return verdict and evidence for one encoded image; only the front end knows how.

        Raises:
            ClientError: as `score`; or the front end refuses the file, with its code.
        """
        response = self._post_file("/v1/analyze", filename, image, with_location)
        try:
            return Analysis.model_validate_json(response.data)
        except ValidationError as error:
            raise ClientError("The server's answer is malformed.") from error

    def report(self, filename: str, image: bytes, with_location: bool = False) -> bytes:
        """Return a PDF report on one encoded image; only the front end knows how.

        Raises:
            ClientError: as `analyze`.
        """
        return self._post_file("/v1/report", filename, image, with_location).data

    def invoke(self, body: bytes, request_id: str | None = None) -> BaseHTTPResponse:
        """Return the server's answer to a JSON body for `/invocations`, whatever its status."""
        path, headers = "/invocations", {"Content-Type": JSON}
        if request_id:
            headers["X-Request-ID"] = request_id
            path += "?" + urlencode({"request_id": request_id})  # which the scoring server logs
        if next(self.invocations) % REQUESTS_UNTIL_ONE_CLOSES == 0:
            headers["Connection"] = "close"
        return self._send("POST", path, body=body, headers=headers)

    def check(self) -> None:
        """Raise `ClientError` unless a server answers."""
        self.mlflow_version()

    def mlflow_version(self) -> str:
        """Return which MLflow the scoring server runs."""
        response = self._send("GET", "/version")
        if response.status != 200:
            raise error_of(response)
        return response.data.decode(errors="replace").strip()

    def ping(self) -> None:
        """Ask a scoring server whether its model is loaded; nothing is scored.

        Raises:
            ClientError: no server, no answer in time, or no model yet.
        """
        response = self._send("GET", "/ping")
        if response.status != 200:
            raise error_of(response)

    def close(self) -> None:
        """Close the pooled connections."""
        self.pool.close()

    def _post_file(
        self, path: str, filename: str, image: bytes, with_location: bool
    ) -> BaseHTTPResponse:
        fields = {"location": str(with_location).lower(), "file": (filename, image)}
        response = self._send("POST", path, fields=fields)
        if response.status != 200:
            raise error_of(response)
        return response

    def _send(self, method: str, path: str, **content: Any) -> BaseHTTPResponse:
        try:
            return self._send_once(method, path, **content)
        except urllib3.exceptions.TimeoutError as error:
            raise _unanswered(error) from error
        except urllib3.exceptions.HTTPError:
            # A pooled connection that the server had just closed; scoring changes nothing,
            # so asking again is safe.
            try:
                return self._send_once(method, path, **content)
            except urllib3.exceptions.HTTPError as error:
                raise _unanswered(error) from error

    def _send_once(self, method: str, path: str, **content: Any) -> BaseHTTPResponse:
        return self.pool.request(method, self.prefix + path, redirect=False, **content)


class _Connection(HTTPConnection):
    """Sends a request at once: head and body apart wake up the server, and this thread, twice."""

    held: list[bytes] | None = None

    def request(self, *arguments: Any, **settings: Any) -> None:
        """Send a request."""
        self.held = []
        try:
            super().request(*arguments, **settings)
            parts = self.held
        finally:
            self.held = None
        super().send(b"".join(parts))

    def send(self, data: Any) -> None:
        """Send a part of a request, or hold it until the request is whole."""
        if self.held is None:
            super().send(data)
        else:
            self.held.append(data)


def _pool(url: str, **settings: Any) -> urllib3.HTTPConnectionPool:
    """Return the connections to one server; errors as `Client`."""
    if url.startswith("https:"):
        settings["ca_certs"] = certifi.where()
    try:
        if url.startswith(("http://", "https://")):
            pool = urllib3.connection_from_url(url, **settings)
            if pool.scheme == "http":
                pool.ConnectionCls = _Connection
            return pool
    except ValueError:  # told below
        pass
    raise ClientError(
        f"got {url!r} as the address of a server; allowed: http://HOST:PORT or https://HOST"
    )


def read_records(body: bytes, expected: int) -> list[Record]:
    """Return the records of a scoring server's answer.

    Raises:
        ClientError: the body is not that of the contract, or has another number of records.
    """
    try:
        records = RECORDS.validate_python(json.loads(body)["predictions"])
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise ClientError("The scoring server's answer is malformed.") from error
    if len(records) != expected:
        raise ClientError(f"The scoring server answered for {len(records)} of {expected} images.")
    return records


def error_of(response: BaseHTTPResponse) -> ClientError:
    """Return the error that an answer stands for; nothing of a foreign body is repeated."""
    status = response.status
    try:
        detail = response.json()["error"]
        return ClientError(str(detail["message"]), str(detail["code"]), status)
    except (ValueError, KeyError, TypeError):
        pass  # not our own front end's shape: the scoring server's bodies are not passed on
    if status in (429, 503):
        return ClientError("The scoring server is busy.", "scoring_server_busy", status)
    if status == 504:
        return ClientError("The scoring server took too long.", "scoring_server_late", status)
    return ClientError(f"The scoring server failed (HTTP {status}).", status=status)


def _unanswered(error: urllib3.exceptions.HTTPError) -> ClientError:
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return ClientError("The scoring server took too long.", code="scoring_server_late")
    return ClientError("The scoring server cannot be reached.", code="scoring_server_absent")
