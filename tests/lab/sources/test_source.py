"""Every kind of source ends in the same folder, or in one sentence with nothing written."""

import hashlib
import http.server
import io
import os
import stat
import subprocess
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from forgery_lab.errors import DataError
from forgery_lab.sources import downloads
from forgery_lab.sources import source as sources
from forgery_lab.sources.archives import ArchiveLimits
from forgery_lab.sources.source import Demo, Source

CONTENT = {
    "Au/Au_ani_00001.jpg": b"authentic" * 1000,
    "Tp/Tp_S_NNN_S_N_ani00001_ani00001_00001.jpg": b"tampered" * 1000,
    "Groundtruth/Tp_S_NNN_S_N_ani00001_ani00001_00001_gt.png": b"mask" * 1000,
}
AS_SHIPPED = {name.replace("Groundtruth", "CASIA 2 Groundtruth"): b for name, b in CONTENT.items()}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(downloads, "FIRST_PAUSE", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def written(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


def as_folder(root, content=AS_SHIPPED):
    for name, data in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def as_zip(path, content=AS_SHIPPED, prefix=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(prefix + name, data)
    return path


def as_tar(path, *members, mode="w:gz"):
    """A tar of the usual content and further (TarInfo, bytes)."""
    with tarfile.open(path, mode) as archive:
        for name, data in AS_SHIPPED.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def fetched(source, destination, **options):
    return sources.fetch(Source.parse(str(source)), destination, **options)


def refused(source, destination, said, **options):
    """The fetch fails with one sentence, and leaves what was there as it was."""
    before = sorted(p.name for p in destination.parent.iterdir())
    with pytest.raises(DataError, match=said) as error:
        fetched(source, destination, **options)
    assert "\n" not in str(error.value)
    assert sorted(p.name for p in destination.parent.iterdir()) == before
    return str(error.value)


# --- folders


@pytest.mark.parametrize("deeper", ["", "CASIA2"])
def test_a_folder_is_copied_under_the_usual_names(tmp_path, deeper):
    source = as_folder(tmp_path / "in" / deeper)
    (source / "readme.txt").write_bytes(b"hello")
    (source / "other").mkdir()
    seen = []
    root = fetched(
        str(tmp_path / "in"), tmp_path / "data/raw", progress=lambda *at: seen.append(at)
    )
    assert root == tmp_path / "data/raw"
    assert written(root) == {**CONTENT, "readme.txt": b"hello"}
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [p.name for p in (tmp_path / "data").iterdir()] == ["raw"]
    assert stat.S_IMODE(root.stat().st_mode) & 0o555 == 0o555


def test_what_was_there_is_replaced_as_a_whole(tmp_path):
    as_folder(tmp_path / "raw", {"Au/old.jpg": b"1", "Tp/old.jpg": b"2"})
    fetched(as_folder(tmp_path / "in"), tmp_path / "raw")
    assert written(tmp_path / "raw") == CONTENT


def test_a_source_that_holds_no_data_set_leaves_the_old_one(tmp_path):
    as_folder(tmp_path / "raw")
    (tmp_path / "in/Au").mkdir(parents=True)
    refused(tmp_path / "in", tmp_path / "raw", "the folder Tp/ of tampered images is missing")
    assert written(tmp_path / "raw") == AS_SHIPPED


def test_the_data_root_as_its_own_source_stays_as_it_is(tmp_path):
    as_folder(tmp_path / "raw/CASIA2")
    assert fetched(tmp_path / "raw", tmp_path / "raw") == tmp_path / "raw"
    refused(tmp_path / "raw/CASIA2", tmp_path / "raw", "lies inside the data root")
    assert written(tmp_path / "raw/CASIA2") == AS_SHIPPED


def test_what_is_no_source_is_said(tmp_path):
    refused(tmp_path / "nowhere", tmp_path / "raw", "no such folder or archive; allowed: demo")
    refused("ftp://somewhere/x.zip", tmp_path / "raw", "source: got 'ftp://somewhere/x.zip'")
    (tmp_path / "text.zip").write_text("only text")
    refused(tmp_path / "text.zip", tmp_path / "raw", r"neither a zip nor a tar .*looks like text")


def test_what_a_killed_run_left_is_swept_and_what_runs_is_not(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".raw.{ended.pid}.partial/content").mkdir(parents=True)
    (tmp_path / f".raw.{os.getppid()}.partial").mkdir()
    fetched(as_folder(tmp_path / "in"), tmp_path / "raw")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f".raw.{os.getppid()}.partial",
        "in",
        "raw",
    ]


FULL_DISK = """
mount -t tmpfs -o size=1m tmpfs "$1" && "$2" -c '
import sys
from pathlib import Path
from forgery_lab.sources.source import Source, fetch
from forgery_lab.errors import DataError
folder = Path(sys.argv[1])
try:
    fetch(Source.parse(sys.argv[2]), folder / "data/raw")
except DataError as error:
    print(error, list((folder / "data").iterdir()))
' "$1" "$3"
"""


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path):
    small, source = tmp_path / "small", tmp_path / "in"
    small.mkdir()
    as_folder(source, {**AS_SHIPPED, "Au/large.bmp": bytes(2 * 2**20)})
    command = ["unshare", "-rm", "sh", "-c", FULL_DISK, "sh", small, sys.executable, source]
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")
    assert done.stdout == f"{small}/data: the disk is full, so nothing was written. []\n"


# --- archives


@pytest.mark.parametrize("make", [as_zip, as_tar, lambda path: as_tar(path, mode="w:xz")])
def test_archives_are_known_by_their_content(tmp_path, make):
    archive = make(tmp_path / "download")
    checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
    root = fetched(archive, tmp_path / "raw", checksum=checksum)
    assert written(root) == CONTENT


def test_an_archive_may_hold_the_data_set_one_level_deeper(tmp_path):
    archive = as_zip(tmp_path / "a.zip", prefix="CASIA2\\")
    assert written(fetched(archive, tmp_path / "raw")) == CONTENT


@pytest.mark.parametrize(
    "entry", ["../evil.jpg", "Au/../../evil.jpg", "/tmp/evil.jpg", "C:\\e.jpg"]
)
def test_an_archive_cannot_leave_its_folder(tmp_path, entry):
    archive = as_zip(tmp_path / "a.zip", {**AS_SHIPPED, entry: b"evil"})
    refused(archive, tmp_path / "raw", "lies outside of the folder it is unpacked into")
    tar = as_tar(tmp_path / "a.tar", (tarfile.TarInfo(entry), b"evil"))
    refused(tar, tmp_path / "raw", "lies outside of the folder it is unpacked into")
    assert not list(tmp_path.parent.rglob("evil.jpg"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("Au/link.jpg")
    info.type, info.linkname = kind, "/etc/passwd"
    archive = as_tar(tmp_path / "a.tar", (info, b""))
    refused(archive, tmp_path / "raw", "'Au/link.jpg' is a link or a device")


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("Au/link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(as_zip(tmp_path / "a.zip"), "a") as archive:
        archive.writestr(link, "/etc/passwd")
    refused(tmp_path / "a.zip", tmp_path / "raw", "'Au/link.jpg' is a link or a device")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (ArchiveLimits(max_files=2), "more than 2 files"),
        (ArchiveLimits(max_bytes=20_000), "unpacked it exceeds 20,000 bytes"),
    ],
)
def test_an_archive_cannot_grow_without_end(tmp_path, limits, said):
    refused(as_zip(tmp_path / "a.zip"), tmp_path / "raw", said, limits=limits)


def test_an_archive_bomb_is_stopped_by_its_ratio(tmp_path):
    archive = as_zip(tmp_path / "a.zip", {**AS_SHIPPED, "Au/zeros.bmp": bytes(101 * 2**20)})
    refused(archive, tmp_path / "raw", "exceeds 104,857,600 bytes, the limit for an archive of its")


def test_damaged_and_encrypted_archives_are_said(tmp_path):
    archive = as_tar(tmp_path / "cut.tar.gz")
    archive.write_bytes(archive.read_bytes()[:-40])
    refused(archive, tmp_path / "raw", "damaged or cut off")
    flipped = as_zip(tmp_path / "flipped.zip")
    data = bytearray(flipped.read_bytes())
    data[60:64] = b"\xff\xff\xff\xff"
    flipped.write_bytes(data)
    refused(flipped, tmp_path / "raw", "damaged or cut off")
    secret = as_zip(tmp_path / "secret.zip")
    data = bytearray(secret.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    secret.write_bytes(data)
    refused(secret, tmp_path / "raw", "encrypted")


def test_a_wrong_checksum_is_said_and_only_archives_have_one(tmp_path):
    archive = as_zip(tmp_path / "a.zip")
    refused(archive, tmp_path / "raw", f"expected {'0' * 64}", checksum="0" * 64)
    refused("demo", tmp_path / "raw", "checksum: 'demo' is not an archive", checksum="0" * 64)
    assert written(fetched(archive, tmp_path / "raw", checksum="")) == CONTENT


# --- HTTP


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `data`; may break off after `breaks` bytes, once for each item of the list."""

    data, tag, kind, breaks, asked, ranges = b"", '"v1"', "application/zip", [], [], True

    def do_GET(self):
        asked = self.headers.get("Range") if self.ranges else None
        type(self).asked.append(self.headers.get("Range"))
        if self.path != "/a.zip":
            self.send_error(int(self.path[1:]))
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if self.headers.get("If-Range") != self.tag:
            start = 0
        if start >= len(self.data):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(self.data)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            last = len(self.data) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(self.data)}")
        self.send_header("ETag", self.tag)
        self.send_header("Content-Length", str(len(self.data) - start))
        self.end_headers()
        end = start + type(self).breaks.pop(0) if self.breaks else None
        self.wfile.write(self.data[start:end])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    data = as_zip(tmp_path / "source", {**AS_SHIPPED, "Au/x.bmp": os.urandom(400_000)})
    handler = type("Handler", (Server,), {"data": data.read_bytes(), "breaks": [], "asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        handler.url = f"http://127.0.0.1:{running.server_port}"
        handler.sha = hashlib.sha256(handler.data).hexdigest()
        yield handler
        running.shutdown()


def test_a_url_is_downloaded_checked_and_unpacked(tmp_path, server):
    seen = []
    root = fetched(
        f"{server.url}/a.zip",
        tmp_path / "raw",
        checksum=server.sha,
        progress=lambda *at: seen.append(at),
    )
    assert {name: written(root)[name] for name in CONTENT} == CONTENT
    assert (len(server.data), len(server.data)) in seen
    assert sorted(p.name for p in tmp_path.iterdir()) == ["raw", "source"]


def test_a_download_that_breaks_goes_on_where_it_stopped(tmp_path, server):
    server.breaks[:] = [2**17, 2**17]
    fetched(f"{server.url}/a.zip", tmp_path / "raw", checksum=server.sha)
    assert server.asked == [None, "bytes=131072-", "bytes=262144-"]


def test_a_new_run_goes_on_with_what_an_earlier_one_got(tmp_path, server):
    server.breaks[:] = [2**17, 0, 0, 0]
    with pytest.raises(DataError, match="131,072 bytes are kept, and a new run resumes from there"):
        fetched(f"{server.url}/a.zip", tmp_path / "raw")
    assert not (tmp_path / "raw").exists()
    server.asked.clear()
    fetched(f"{server.url}/a.zip", tmp_path / "raw", checksum=server.sha)
    assert server.asked == ["bytes=131072-"]


def test_a_file_that_changed_meanwhile_is_downloaded_anew(tmp_path, server):
    server.breaks[:] = [2**17, 0, 0, 0]
    with pytest.raises(DataError):
        fetched(f"{server.url}/a.zip", tmp_path / "raw")
    server.tag = '"v2"'
    fetched(f"{server.url}/a.zip", tmp_path / "raw", checksum=server.sha)
    assert {name: written(tmp_path / "raw")[name] for name in CONTENT} == CONTENT


def test_a_server_without_ranges_is_asked_anew(tmp_path, server):
    server.ranges = False
    server.breaks[:] = [2**17]
    fetched(f"{server.url}/a.zip", tmp_path / "raw", checksum=server.sha)
    assert {name: written(tmp_path / "raw")[name] for name in CONTENT} == CONTENT


def test_what_a_url_may_fail_with_is_said(tmp_path, server):
    refused(f"{server.url}/404", tmp_path / "raw", "/404: the server answers 404 Not Found.")
    refused(f"{server.url}/503", tmp_path / "raw", r"failed \(the server answers 503")
    assert len(server.asked) == 1 + downloads.ATTEMPTS
    refused(f"{server.url}/a.zip", tmp_path / "raw", "expected 0000", checksum="0" * 64)
    small = ArchiveLimits(max_bytes=1000)
    refused(f"{server.url}/a.zip", tmp_path / "raw", "the limit is 1,000", limits=small)
    server.data = b"<!doctype html><html>Please log in</html>"
    refused(f"{server.url}/a.zip", tmp_path / "raw", r"neither a zip nor a tar.*looks like HTML")


def test_a_dead_url_is_said_without_its_secrets(tmp_path):
    url = "http://me:secret@127.0.0.1:9/a.zip?signature=hidden"
    said = refused(url, tmp_path / "raw", r"failed \(the connection was refused\)")
    assert "secret" not in said
    assert "hidden" not in said


# --- S3


@pytest.fixture(scope="module")
def s3():
    with pytest.MonkeyPatch.context() as patch:
        server = ThreadedMotoServer(port=0, verbose=False)
        server.start()
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.get_host_and_port()[1]}")
        patch.setenv("AWS_ACCESS_KEY_ID", "any")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        client = boto3.client("s3")
        client.create_bucket(Bucket="images")
        yield client
        server.stop()


def test_s3_gives_an_archive_or_all_below_a_prefix(tmp_path, s3):
    s3.upload_file(as_zip(tmp_path / "a.zip"), "images", "sets/a.zip")
    for name, data in AS_SHIPPED.items():
        s3.put_object(Bucket="images", Key=f"sets/casia/{name}", Body=data)
    checksum = hashlib.sha256((tmp_path / "a.zip").read_bytes()).hexdigest()
    assert (
        written(fetched("s3://images/sets/a.zip", tmp_path / "one", checksum=checksum)) == CONTENT
    )
    assert written(fetched("s3://images/sets/casia", tmp_path / "two")) == CONTENT


def test_an_s3_download_goes_on_where_it_stopped(tmp_path, s3):
    data = as_zip(tmp_path / "a.zip", {**AS_SHIPPED, "Au/x.bmp": os.urandom(100_000)}).read_bytes()
    s3.put_object(Bucket="images", Key="b.zip", Body=data)
    remote = downloads.s3_remote("s3://images/b.zip")
    tag = remote.read(0, "").tag
    rest = remote.read(60_000, tag)
    assert (rest.start, rest.total) == (60_000, len(data))
    assert b"".join(rest.chunks) == data[60_000:]
    assert list(remote.read(len(data), tag).chunks) == []
    assert remote.read(60_000, '"another"').start == 0


def test_what_s3_may_fail_with_is_said(tmp_path, s3):
    refused("s3://images/nothing", tmp_path / "raw", "neither an object of this name nor one below")
    refused("s3://missing/a.zip", tmp_path / "raw", "s3://missing/a.zip: .*NoSuchBucket")
    refused("s3://", tmp_path / "raw", "allowed: s3://bucket/key")
    s3.put_object(Bucket="images", Key="evil/../../x.jpg", Body=b"evil")
    refused("s3://images/evil", tmp_path / "raw", "lies outside of the folder")


# --- Kaggle and the demo


def test_kaggle_out_of_reach_is_said(tmp_path, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data").mkdir()
    refused(sources.CASIA2_ON_KAGGLE, tmp_path / "data/raw", "download from Kaggle failed")
    refused("kaggle:nonsense", tmp_path / "data/raw", "allowed: kaggle:owner/name")


def test_the_demo_is_the_same_for_the_same_seed(tmp_path):
    one = fetched("demo", tmp_path / "one", demo=Demo(7, 12))
    two = fetched("demo", tmp_path / "two", demo=Demo(7, 12))
    assert written(one) == written(two)
    assert len([*(one / "Au").iterdir(), *(one / "Tp").iterdir()]) == 12


def test_the_demo_has_no_seed_and_no_size_of_its_own(tmp_path):
    refused("demo", tmp_path / "raw", "the demo needs a seed and a number of images")


@pytest.mark.parametrize(
    ("text", "kind", "place", "public_name"),
    [
        ("demo", "demo", "", "demo"),
        ("./demo", "path", "./demo", "./demo"),
        ("feedback:/data/feedback.db", "feedback", "/data/feedback.db", "/data/feedback.db"),
        ("kaggle:a/b", "kaggle", "a/b", "https://www.kaggle.com/datasets/a/b"),
        ("s3://images/a.zip", "s3", "s3://images/a.zip", "s3://images/a.zip"),
        (
            "s3://key:p@images/sets/a.zip",
            "s3",
            "s3://key:p@images/sets/a.zip",
            "s3://images/sets/a.zip",
        ),
        (
            "https://u:p@host:8443/a.zip?key=1",
            "url",
            "https://u:p@host:8443/a.zip?key=1",
            "https://host:8443/a.zip",
        ),
        ("photos/mine:2.zip", "path", "photos/mine:2.zip", "photos/mine:2.zip"),
    ],
)
def test_a_source_is_parsed_once_and_its_public_name_tells_no_secret(
    text, kind, place, public_name
):
    assert Source.parse(text) == Source(kind, place, public_name)


def test_a_relative_path_is_looked_for_in_the_base_first(tmp_path):
    (tmp_path / "set.zip").touch()
    assert Source.parse("set.zip", tmp_path).place == str(tmp_path / "set.zip")
    assert Source.parse("other.zip", tmp_path).place == "other.zip"


@pytest.mark.parametrize("text", ["ftp://u:secret@host/x.zip", "http://", "http://[u:secret@x"])
def test_what_cannot_be_a_source_is_refused_without_its_secrets(text):
    with pytest.raises(DataError) as error:
        Source.parse(text)
    assert "secret" not in str(error.value)
