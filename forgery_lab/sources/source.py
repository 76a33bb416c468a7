"""Where a data set comes from: folder, archive, URL, S3, Kaggle, feedback, or the embedded demo.

Whatever the source, `fetch` leaves one folder with Au/, Tp/ and, where there are masks,
Groundtruth/; all of it, or, when something fails, nothing new.
"""

import errno
import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from forgery_lab.data import casia
from forgery_lab.errors import DataError
from forgery_lab.progress import Progress
from forgery_lab.sources.archives import ArchiveLimits, Budget, inner_path, unpack
from forgery_lab.sources.downloads import (
    Remote,
    describe,
    download,
    http_remote,
    s3_objects,
    s3_remote,
)

CASIA2_ON_KAGGLE = "kaggle:divg07/casia-20-image-tampering-detection-dataset"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """What a source is asked for; `waiting` is the folder where unfinished downloads wait."""

    source: str
    waiting: Path
    checksum: str | None = None
    seed: int = 0
    demo_count: int = 600
    limits: ArchiveLimits = field(default_factory=ArchiveLimits)
    progress: Progress | None = None


def fetch(
    source: str,
    destination: Path | str,
    checksum: str | None = None,
    *,
    seed: int = 0,
    demo_count: int = 600,
    limits: ArchiveLimits | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return `destination`, which now holds Au/, Tp/ and perhaps Groundtruth/ from `source`.

    What was there before is replaced in one move once the new data are complete. A download that
    was interrupted goes on where it stopped when the same URL is fetched again.

    Args:
        source: `demo`, a folder, a zip or tar archive, `https://…`, `s3://bucket/key-or-prefix`
            (AWS_ENDPOINT_URL names another server), `kaggle:owner/name`, or `feedback:path` of
            the SQLite file in which the web page keeps feedback.
        destination: folder to write, the data root.
        checksum: SHA-256 that an archive must have, 64 hexadecimal digits.
        seed: of the demo.
        demo_count: images of the demo.
        limits: how large an archive may become.
        progress: called with the files or bytes done and their number, 0 when it is unknown.

    Raises:
        DataError: the source is unknown, missing, damaged, too large, has another checksum, holds
            no data set, or the disk is full; one sentence, and `destination` is as it was.
    """
    destination = Path(destination).absolute()
    write = _source(source)
    if write is _path and _is_already_there(Path(source), destination):
        return destination
    request = Request(
        source=source,
        waiting=destination.parent / f".{destination.name}.downloads",
        checksum=checksum or None,
        seed=seed,
        demo_count=demo_count,
        limits=limits or ArchiveLimits(),
        progress=progress,
    )
    with _one_sentence(destination), staged(destination) as staging:
        write(request, staging / "content")
        _arrange(staging / "content", staging / "data set", source)
        if destination.exists():
            destination.rename(staging / "replaced")
        (staging / "data set").rename(destination)
    return destination


# --- the sources


def _demo(request: Request, folder: Path) -> None:
    from forgery_lab.sources import demo

    _refuse_checksum(request)
    demo.write(folder, seed=request.seed, count=request.demo_count, progress=request.progress)


def _path(request: Request, folder: Path) -> None:
    path = Path(request.source)
    if path.is_dir():
        _refuse_checksum(request)
        _copy(casia.find_layout(path), folder, request.progress)
    elif path.is_file():
        _require_checksum(path, request)
        unpack(path, folder, request.limits, request.source, request.progress)
    else:
        raise DataError(f"{path}: there is no such folder or archive; {_allowed()}.")


def _url(request: Request, folder: Path) -> None:
    _unpack_remote(http_remote(request.source), request, folder)


def _s3(request: Request, folder: Path) -> None:
    remote = s3_remote(request.source)
    if remote is not None:
        _unpack_remote(remote, request, folder)
        return
    _refuse_checksum(request)
    budget = Budget(request.limits, request.source)
    objects = s3_objects(request.source)
    for done, (name, chunks) in enumerate(objects, 1):
        target = inner_path(folder, name, request.source)
        target.parent.mkdir(parents=True, exist_ok=True)
        budget.write(chunks, target)
        if request.progress:
            request.progress(done, 0)


def _kaggle(request: Request, folder: Path) -> None:
    _refuse_checksum(request)
    slug = request.source.removeprefix("kaggle:")
    if not re.fullmatch(r"[\w-]+/[\w-]+(/versions/\d+)?", slug):
        raise DataError(f"{request.source}: allowed is kaggle:owner/name, as {CASIA2_ON_KAGGLE}.")
    import kagglehub

    try:
        found = kagglehub.dataset_download(slug)
    except Exception as error:  # kagglehub passes on errors of several libraries.
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        raise DataError(
            f"{request.source}: Kaggle does not give it ({describe(error)})."
        ) from error
    _copy(casia.find_layout(Path(found)), folder, request.progress)


def _feedback(request: Request, folder: Path) -> None:
    from forgery_lab.sources import feedback

    _refuse_checksum(request)
    store = Path(request.source.removeprefix("feedback:"))
    feedback.write(store, folder, request.progress)


SCHEMES: dict[str, Callable[[Request, Path], None]] = {
    "demo": _demo,
    "http": _url,
    "https": _url,
    "s3": _s3,
    "kaggle": _kaggle,
    "feedback": _feedback,
}
"""What writes the content of a source into a new folder, by what stands before the colon.

A new kind of source is one more line here; its function gets the request and a folder that does
not exist yet.
"""


def _source(source: str) -> Callable[[Request, Path], None]:
    scheme, colon, _ = source.partition(":")
    if source == "demo" or (colon and scheme in SCHEMES and scheme != "demo"):
        return SCHEMES[scheme]
    if re.match(r"[a-z][a-z0-9+.-]+://", source):
        raise DataError(f"source: got {_public(source)!r}; {_allowed()}.")
    return _path


def _allowed() -> str:
    return (
        "allowed are demo, a folder, a zip or tar archive, http(s)://…, s3://bucket/key, "
        "kaggle:owner/name and feedback:path"
    )


def _public(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


# --- archives and their checksums


def _unpack_remote(remote: Remote, request: Request, folder: Path) -> None:
    archive = download(remote, request.waiting, request.limits.max_bytes, request.progress)
    try:
        _require_checksum(archive, request, remote.name)
        unpack(archive, folder, request.limits, remote.name, request.progress)
    finally:
        shutil.rmtree(request.waiting, ignore_errors=True)


def _require_checksum(file: Path, request: Request, name: str | None = None) -> None:
    if request.checksum is None:
        return
    with file.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != request.checksum.lower():
        raise DataError(
            f"{name or request.source}: the SHA-256 is {found}, and {request.checksum} was asked "
            "for; the file is damaged or another one."
        )


def _refuse_checksum(request: Request) -> None:
    if request.checksum is not None:
        raise DataError(
            f"checksum: {request.source!r} is no archive, and only an archive has a checksum; "
            "leave it empty."
        )


# --- folders


def _is_already_there(source: Path, destination: Path) -> bool:
    """Whether the source is the data root itself; one inside it would be lost."""
    source, destination = source.resolve(), destination.resolve()
    if source == destination and source.is_dir():
        casia.find_layout(source)
        return True
    if destination in source.parents:
        raise DataError(
            f"{source}: the source lies inside the data root {destination}, which is replaced; "
            "move it elsewhere."
        )
    return False


def _copy(layout: casia.Layout, folder: Path, progress: Progress | None) -> None:
    """Copy the three folders under their usual names, and what plain files lie beside them."""
    pairs = [(path, folder / path.name) for path in sorted(layout.root.iterdir()) if path.is_file()]
    parts = [layout.authentic, layout.tampered] + ([layout.masks] if layout.masks else [])
    for part, name in zip(parts, ("Au", "Tp", "Groundtruth"), strict=False):
        (folder / name).mkdir(parents=True)
        pairs += [(path, folder / name / path.relative_to(part)) for path in _files_in(part)]
    for done, (source, target) in enumerate(pairs, 1):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if progress:
            progress(done, len(pairs))


def _files_in(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        for name in sorted(folders):
            if (Path(parent) / name).is_symlink():
                logger.warning("%s: left out, a link to a folder", Path(parent) / name)
        folders.sort()
        yield from (Path(parent) / name for name in sorted(names))


def _arrange(content: Path, target: Path, source: str) -> None:
    """Move a data set, wherever in `content` it lies, to `target` under the usual names."""
    try:
        layout = casia.find_layout(content)
    except DataError as error:
        raise DataError(str(error).replace(str(content), public_name(source))) from error
    names = {layout.authentic: "Au", layout.tampered: "Tp", layout.masks: "Groundtruth"}
    target.mkdir()
    for path in sorted(layout.root.iterdir()):
        path.rename(target / names.get(path, path.name))


def location(source: str) -> str:
    """Return where people and MLflow find a source: a path or a URL that may be logged."""
    scheme, _, name = source.partition(":")
    found = {"feedback": name, "kaggle": f"https://www.kaggle.com/datasets/{name}"}.get(scheme)
    return found or public_name(source)


def public_name(source: str) -> str:
    """Return a source as it may be logged: a URL without its password and its signature."""
    return _public(source) if "://" in source else source


@contextmanager
def staged(destination: Path) -> Iterator[Path]:
    """Yield an empty folder beside `destination`; it goes, and so does what killed runs left."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    for left in destination.parent.glob(f".{destination.name}.*.partial"):
        if not _is_another(left.name.split(".")[-2]):
            shutil.rmtree(left, ignore_errors=True)
    staging = destination.parent / f".{destination.name}.{os.getpid()}.partial"
    staging.mkdir()
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _is_another(process: str) -> bool:
    """Return whether another process than this one runs by that number."""
    if process == str(os.getpid()):  # in a container a new process often has an old one's number
        return False
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _one_sentence(destination: Path) -> Iterator[None]:
    """Turn what the operating system says into a `DataError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            said = f"{destination.parent}: the disk is full, so nothing was written."
        else:
            file = error.filename or destination
            said = f"{file}: {error.strerror or error}, so nothing was written."
        raise DataError(said) from error
