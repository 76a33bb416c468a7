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
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from forgery_lab.data import casia
from forgery_lab.errors import DataError
from forgery_lab.files import replace_folder, staged
from forgery_lab.progress import Progress
from forgery_lab.sources.archives import ArchiveLimits, Budget, inner_path, unpack
from forgery_lab.sources.downloads import (
    Remote,
    bucket_and_key,
    describe,
    download,
    http_remote,
    public_url,
    s3_objects,
    s3_remote,
)

CASIA2_ON_KAGGLE = "kaggle:divg07/casia-20-image-tampering-detection-dataset"

ALLOWED = (
    "allowed: demo, a folder, a zip or tar archive, http(s)://…, s3://bucket/key, "
    "kaggle:owner/name and feedback:path"
)

Kind = Literal["demo", "path", "url", "s3", "kaggle", "feedback"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """Where a data set comes from, as `parse` read it.

    Attributes:
        kind: how it is fetched.
        place: path of a folder or archive, URL, `owner/name` on Kaggle, or path of the SQLite file
            in which the web page keeps feedback; empty for the demo.
        public_name: what may be logged: a path, or a URL without its password and its signature.
    """

    kind: Kind
    place: str
    public_name: str

    @classmethod
    def parse(cls, text: str, base: Path | None = None) -> "Source":
        """Return the source that a setting or a report names.

        Args:
            text: `demo`, a folder, a zip or tar archive, `https://…`, `s3://bucket/key-or-prefix`,
                `kaggle:owner/name` or `feedback:path`.
            base: folder that a relative path is looked for in first.

        Raises:
            DataError: it is of none of these kinds.
        """
        scheme, colon, rest = text.partition(":")
        match scheme if colon else "":
            case "http" | "https":
                return cls("url", text, public_url(text))
            case "s3":
                bucket_and_key(text)  # raises where there is no bucket
                return cls("s3", text, public_url(text))
            case "kaggle":
                if not re.fullmatch(r"[\w-]+/[\w-]+(/versions/\d+)?", rest):
                    raise DataError(
                        f"source: got {text!r}; allowed: kaggle:owner/name, "
                        f"such as {CASIA2_ON_KAGGLE}."
                    )
                return cls("kaggle", rest, f"https://www.kaggle.com/datasets/{rest}")
            case "feedback":
                return cls("feedback", rest, rest)
        if text == "demo":
            return cls("demo", "", text)
        if re.match(r"[a-z][a-z0-9+.-]+://", text):
            raise DataError(f"source: got {public_url(text)!r}; {ALLOWED}.")
        path = str(base / text) if base and (base / text).exists() else text
        return cls("path", path, path)


@dataclass(frozen=True)
class Demo:
    """What the demo is generated from.

    The same seed and count give the same bytes.
    """

    seed: int
    count: int


@dataclass(frozen=True)
class Request:
    """One fetch of a source.

    Attributes:
        waiting: folder in which unfinished downloads wait.
    """

    source: Source
    waiting: Path
    checksum: str
    demo: Demo | None
    limits: ArchiveLimits
    progress: Progress | None


def fetch(
    source: Source,
    destination: Path | str,
    *,
    checksum: str = "",
    demo: Demo | None = None,
    limits: ArchiveLimits | None = None,
    progress: Progress | None = None,
) -> Path:
    """Return `destination`, which now holds Au/, Tp/ and perhaps Groundtruth/ from `source`.

    What was there before is replaced in one move once the new data are complete. A download that
    was interrupted goes on where it stopped when the same URL is fetched again.

    Args:
        source: of the images; for S3, AWS_ENDPOINT_URL names another server than Amazon's.
        destination: folder to write, the data root.
        checksum: SHA-256 that an archive must have, 64 hexadecimal digits; empty: any.
        demo: needed where the source is the demo.
        limits: how large an archive may become.
        progress: called with the files or bytes done and their number, 0 when it is unknown.

    Raises:
        DataError: the source is missing, damaged, too large, has another checksum, holds no data
            set, or the disk is full; one sentence, and `destination` is as it was.
    """
    destination = Path(destination).absolute()
    if source.kind == "path" and _is_already_there(Path(source.place), destination):
        return destination
    waiting = destination.parent / f".{destination.name}.downloads"
    request = Request(source, waiting, checksum, demo, limits or ArchiveLimits(), progress)
    with _one_sentence(destination), staged(destination) as staging:
        FETCHERS[source.kind](request, staging / "content")
        _arrange(staging / "content", staging / "data set", source.public_name)
        replace_folder(destination, staging / "data set", staging)
    return destination


# --- the kinds of sources


def _fetch_demo(request: Request, folder: Path) -> None:
    from forgery_lab.sources import demo

    _refuse_checksum(request)
    if request.demo is None:
        raise DataError("source: the demo needs a seed and a number of images; name another source")
    demo.write(folder, seed=request.demo.seed, count=request.demo.count, progress=request.progress)


def _fetch_path(request: Request, folder: Path) -> None:
    path = Path(request.source.place)
    if path.is_dir():
        _refuse_checksum(request)
        _copy(casia.find_layout(path), folder, request.progress)
    elif path.is_file():
        _require_checksum(path, request, str(path))
        unpack(path, folder, request.limits, str(path), request.progress)
    else:
        raise DataError(f"{path}: there is no such folder or archive; {ALLOWED}.")


def _fetch_url(request: Request, folder: Path) -> None:
    _unpack_remote(http_remote(request.source.place), request, folder)


def _fetch_s3(request: Request, folder: Path) -> None:
    url = request.source.place
    remote = s3_remote(url)
    if remote is not None:
        _unpack_remote(remote, request, folder)
        return
    _refuse_checksum(request)
    budget = Budget(request.limits, url)
    for done, (name, chunks) in enumerate(s3_objects(url), 1):
        target = inner_path(folder, name, url)
        target.parent.mkdir(parents=True, exist_ok=True)
        budget.write(chunks, target)
        if request.progress:
            request.progress(done, 0)


def _fetch_kaggle(request: Request, folder: Path) -> None:
    _refuse_checksum(request)
    import kagglehub

    try:
        downloaded = kagglehub.dataset_download(request.source.place)
    except Exception as error:  # kagglehub passes on errors of several libraries.
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        raise DataError(
            f"kaggle:{request.source.place}: download from Kaggle failed ({describe(error)})."
        ) from error
    _copy(casia.find_layout(Path(downloaded)), folder, request.progress)


def _fetch_feedback(request: Request, folder: Path) -> None:
    from forgery_lab.sources import feedback

    _refuse_checksum(request)
    feedback.write(Path(request.source.place), folder, request.progress)


FETCHERS: dict[Kind, Callable[[Request, Path], None]] = {
    "demo": _fetch_demo,
    "path": _fetch_path,
    "url": _fetch_url,
    "s3": _fetch_s3,
    "kaggle": _fetch_kaggle,
    "feedback": _fetch_feedback,
}
"""What writes the content of a source into a new folder, by the kind of the source.

A new kind is one more line here and one more case in `Source.parse`; its function gets the request
and a folder that does not exist yet.
"""


# --- archives and their checksums


def _unpack_remote(remote: Remote, request: Request, folder: Path) -> None:
    archive = download(remote, request.waiting, request.limits.max_bytes, request.progress)
    try:
        _require_checksum(archive, request, remote.name)
        unpack(archive, folder, request.limits, remote.name, request.progress)
    finally:
        shutil.rmtree(request.waiting, ignore_errors=True)


def _require_checksum(file: Path, request: Request, name: str) -> None:
    if not request.checksum:
        return
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != request.checksum.lower():
        raise DataError(
            f"{name}: the SHA-256 is {digest}, expected {request.checksum}; "
            "the file is damaged, or it is a different file."
        )


def _refuse_checksum(request: Request) -> None:
    if request.checksum:
        raise DataError(
            f"checksum: {request.source.public_name!r} is not an archive, and only an archive has "
            "a checksum; leave it empty."
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


def _arrange(content: Path, target: Path, name: str) -> None:
    """Move a data set, wherever in `content` it lies, to `target` under the usual names."""
    try:
        layout = casia.find_layout(content)
    except DataError as error:
        raise DataError(str(error).replace(str(content), name)) from error
    names = {layout.authentic: "Au", layout.tampered: "Tp", layout.masks: "Groundtruth"}
    target.mkdir()
    for path in sorted(layout.root.iterdir()):
        path.rename(target / names.get(path, path.name))


@contextmanager
def _one_sentence(destination: Path) -> Iterator[None]:
    """Turn what the operating system says into a `DataError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            reason = f"{destination.parent}: the disk is full"
        else:
            reason = f"{error.filename or destination}: {error.strerror or error}"
        raise DataError(f"{reason}, so nothing was written.") from error
