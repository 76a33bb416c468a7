"""Sound inputs of every target, from which the fuzzer starts."""

import base64
import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from urllib3 import encode_multipart_formdata

from forgery_lab.data import manifest
from tests.fuzz.targets import BOUNDARY
from tests.lab.data.test_manifest import row
from tests.pyfunc.imaging.test_damage import SOUND


def images() -> Iterator[bytes]:
    """Yield a small file of every format that is read."""
    yield from SOUND.values()


def bodies() -> Iterator[bytes]:
    """Yield the layouts of MLflow's JSON."""
    image = base64.b64encode(SOUND["JPEG"]).decode()
    for body in (
        {"dataframe_split": {"columns": ["image"], "data": [[image]], "index": [0]}},
        {"dataframe_records": [{"image": image}], "params": {"threshold": 0.5, "strict": False}},
        {"inputs": {"image": [image, image]}},
        {"instances": [{"image": "aGVsbG8="}], "params": {"heatmap": True, "explain": True}},
    ):
        yield json.dumps(body).encode()


def tables() -> Iterator[bytes]:
    """Yield CSV."""
    image = base64.b64encode(SOUND["JPEG"])
    yield b"image\r\n" + image + b"\r\n"
    yield b'name,image\n"a, ""b""",' + image + b"\n"


def forms() -> Iterator[bytes]:
    """Yield forms with files and fields."""
    for fields in (
        {"file": ("a.jpg", SOUND["JPEG"], "image/jpeg")},
        {"file": ("b.png", SOUND["PNG"]), "threshold": "0.5", "heatmap": "true"},
        {"file": ("c", b"text"), "other": "\N{SNOWMAN}"},
    ):
        yield encode_multipart_formdata(fields, boundary=BOUNDARY)[0]


def manifests() -> Iterator[bytes]:
    """Yield a manifest of two pictures."""
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        manifest.write(manifest.build([row(1), row(2)]), file.name)
        yield Path(file.name).read_bytes()


def packed() -> Iterator[bytes]:
    """Yield archives of every kind that is unpacked."""
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", compression) as archive:
            archive.writestr("Au/a.jpg", b"authentic")
            archive.writestr("Tp/b.jpg", b"forged" * 50)
        yield buffer.getvalue()
    for mode in ("w", "w:bz2", "w:xz"):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.PAX_FORMAT) as archive:
            info = tarfile.TarInfo("Au/\N{SNOWMAN}.jpg")
            info.size = 9
            archive.addfile(info, io.BytesIO(b"authentic"))
        yield buffer.getvalue()
        if mode == "w":
            yield gzip.compress(buffer.getvalue(), mtime=0)


SEEDS = {
    "decode": images,
    "header": images,
    "invocations": bodies,
    "table": tables,
    "upload": forms,
    "read_manifest": manifests,
    "unpack": packed,
}
