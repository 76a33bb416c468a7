"""Downloads over HTTP(S) and from S3 that go on where they stopped."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from forgery_lab.errors import DataError
from forgery_lab.progress import Progress

ATTEMPTS = 4
FIRST_PAUSE = 0.5
"""Seconds before the second attempt; each further pause is twice as long."""

_TIMEOUT = (10, 60)
_CHUNK = 2**16
"""Bytes; what of a chunk has come when a connection breaks is lost."""

logger = logging.getLogger(__name__)


class TransientError(Exception):
    """The other side failed in a way that may pass."""


@dataclass(frozen=True)
class Answer:
    """Bytes of a remote file from `start` on; `total` is 0 when the server does not say it.

    `tag` names the version of the file, "" when the server does not say it.
    """

    start: int
    total: int
    tag: str
    chunks: Iterator[bytes]


@dataclass(frozen=True)
class Remote:
    """A remote file. `name` is fit for messages: no password, no signature.

    `read(start, tag)` answers from `start` on if the file is still the version `tag`, else from 0.
    It raises `TransientError`, or `DataError` when another attempt is in vain.
    """

    name: str
    address: str
    read: Callable[[int, str], Answer]


def download(
    remote: Remote, folder: Path, max_bytes: int, progress: Progress | None = None
) -> Path:
    """Return the downloaded file, in `folder`; a later call goes on with what has arrived.

    Raises:
        DataError: the file is not there, is larger than `max_bytes`, or does not come after
            several attempts in a row that brought nothing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{hashlib.sha256(remote.address.encode()).hexdigest()[:16]}.part"
    try:
        _persist(remote, part, max_bytes, progress)
    finally:
        if not _size(part):
            shutil.rmtree(folder)
    return part


def _persist(remote: Remote, part: Path, max_bytes: int, progress: Progress | None) -> None:
    """Try until all has arrived, or several attempts in a row bring nothing."""
    failures = 0
    while True:
        before = _size(part)
        try:
            _continue(remote, part, max_bytes, progress)
            return
        except TransientError as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures >= ATTEMPTS:
                kept = f"; {_size(part):,} bytes are kept, and a new run resumes from there"
                raise DataError(
                    f"{remote.name}: the download failed ({error}){kept if _size(part) else ''}."
                ) from error
            pause = FIRST_PAUSE * 2 ** (failures - 1)
            logger.warning("%s: %s; next attempt in %.1f s", remote.name, error, pause)
            time.sleep(pause)
        except OSError:
            part.unlink(missing_ok=True)
            raise


def _continue(remote: Remote, part: Path, max_bytes: int, progress: Progress | None) -> None:
    tag_file = part.with_suffix(".tag")
    tag = tag_file.read_text() if tag_file.exists() else ""
    answer = remote.read(_size(part) if tag else 0, tag)
    if answer.total > max_bytes:
        raise DataError(
            f"{remote.name}: it has {answer.total:,} bytes; the limit is {max_bytes:,}."
        )
    tag_file.write_text(answer.tag)
    with part.open("ab" if answer.start else "wb") as stream:
        done = answer.start
        for chunk in answer.chunks:
            stream.write(chunk)
            done += len(chunk)
            if done > max_bytes:
                raise DataError(f"{remote.name}: it has more than {max_bytes:,} bytes, the limit.")
            if progress:
                progress(done, answer.total)
    if done < answer.total:
        raise TransientError(f"the connection ended after {done:,} of {answer.total:,} bytes")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


# --- HTTP(S)


def http_remote(url: str) -> Remote:
    """Return the file behind a URL."""
    name = public_url(url)
    return Remote(name, url, lambda start, tag: _http_answer(name, url, start, tag))


def public_url(url: str) -> str:
    """Return a URL as it may be logged, without its password and its signature.

    Raises:
        DataError: it names no host.
    """
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError as error:
        raise DataError(f"source: invalid URL ({error}).") from error
    if not host:
        raise DataError(f"source: got {parts.scheme}://{parts.path}, which names no host.")
    return f"{parts.scheme}://{host}{parts.path}"


def _http_answer(name: str, url: str, start: int, tag: str) -> Answer:
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": tag}
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise TransientError(describe(error)) from error
    except (requests.RequestException, ValueError) as error:
        raise DataError(f"{name}: invalid or unsupported URL ({describe(error)}).") from error
    status = response.status_code
    if status == 416 and response.headers.get("Content-Range", "") == f"bytes */{start}":
        return Answer(start, start, tag, iter(()))
    if status == 416:
        return _http_answer(name, url, 0, "")
    if status == 429 or status >= 500:
        raise TransientError(f"the server answers {status} {response.reason}")
    if status not in (200, 206):
        raise DataError(f"{name}: the server answers {status} {response.reason}.")
    resumed = status == 206 and response.headers.get("Content-Range", "").startswith(
        f"bytes {start}-"
    )
    if status == 206 and not resumed:
        raise DataError(
            f"{name}: the server sent a different part of the file from the one requested."
        )
    begin = start if resumed else 0
    length = int(response.headers.get("Content-Length", 0))
    return Answer(begin, begin + length if length else 0, _http_tag(response), _chunks(response))


def _http_tag(response: requests.Response) -> str:
    """Return the strong ETag, or else the date; a weak ETag cannot be used for parts (RFC 9110)."""
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _chunks(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from response.iter_content(_CHUNK)
    except requests.RequestException as error:
        raise TransientError(describe(error)) from error


def describe(error: Exception) -> str:
    """Return a few words; the full text of such errors holds addresses and objects."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate is not accepted"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was lost"
    if isinstance(error, requests.ConnectionError):
        refused = "refused" in str(error)
        return "the connection was refused" if refused else "the server cannot be reached"
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__


# --- S3


def s3_remote(url: str) -> Remote | None:
    """Return the object behind s3://bucket/key, or None if there is none of that very name.

    Raises:
        DataError: the bucket is missing or closed, or the server cannot be reached.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = bucket_and_key(url)
    if not key or key.endswith("/"):
        return None
    client = _s3_client(url)
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise _s3_error(url, error) from error
    except BotoCoreError as error:
        raise _s3_error(url, error) from error
    return Remote(url, url, lambda start, tag: _s3_answer(client, bucket, key, url, start, tag))


def s3_objects(url: str) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield the name below the prefix s3://bucket/prefix, and the content, of each object there.

    Raises:
        DataError: there is nothing, or the server refuses.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, key = bucket_and_key(url)
    prefix = f"{key.rstrip('/')}/" if key else ""
    client = _s3_client(url)
    is_empty = True
    try:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                name = item["Key"].removeprefix(prefix)
                if name and not name.endswith("/"):
                    is_empty = False
                    body = client.get_object(Bucket=bucket, Key=item["Key"])["Body"]
                    yield name, body.iter_chunks(_CHUNK)
    except (BotoCoreError, ClientError) as error:
        raise _s3_error(url, error) from error
    if is_empty:
        raise DataError(f"{url}: there is neither an object of this name nor one below it.")


def _s3_answer(client: Any, bucket: str, key: str, url: str, start: int, tag: str) -> Answer:
    from botocore.exceptions import BotoCoreError, ClientError

    conditions = {"Range": f"bytes={start}-", "IfMatch": tag} if start else {}
    try:
        answer = client.get_object(Bucket=bucket, Key=key, **conditions)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == 416:
            return Answer(start, start, tag, iter(()))
        if status == 412:
            return _s3_answer(client, bucket, key, url, 0, "")
        raise _s3_error(url, error) from error
    except BotoCoreError as error:
        raise TransientError(" ".join(str(error).split())) from error
    chunks = _s3_chunks(answer["Body"])
    return Answer(start, start + answer["ContentLength"], answer["ETag"], chunks)


def _s3_chunks(body: Any) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError

    try:
        yield from body.iter_chunks(_CHUNK)
    except BotoCoreError as error:
        raise TransientError(" ".join(str(error).split())) from error


def bucket_and_key(url: str) -> tuple[str, str]:
    """Return the two parts of s3://bucket/key; raise `DataError` where there is no bucket."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not bucket:
        raise DataError(f"source: got {url!r}; allowed: s3://bucket/key.")
    return bucket, key


def _s3_client(url: str) -> Any:
    """Return a client; AWS_ENDPOINT_URL and AWS's other variables say where and who."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config = Config(connect_timeout=10, read_timeout=60, retries={"max_attempts": ATTEMPTS})
    try:
        return boto3.client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise _s3_error(url, error) from error


def _s3_error(url: str, error: Exception) -> DataError:
    return DataError(f"{url}: {' '.join(str(error).split()).rstrip('.')}.")
