"""A cluster, a bucket with pictures of all kinds, and a model that one of them ends."""

import io
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.scale.cluster import Cluster, cluster
from forgery_lab import places
from forgery_lab.places import Place
from tests.conftest import encoded, picture
from tests.steps.tracking.tracking_server import BUCKET, object_store

DEADLY = b"a picture that ends the process"
SOUND, BAD = 28, 5
PARTS = 5
"""Of eight images at most."""


@dataclass(frozen=True)
class Bucket:
    """A bucket's server, with pictures below a prefix."""

    images: Place
    environment: dict[str, str]


def pictures() -> dict[str, bytes]:
    """Return files by name: sound pictures, and one of every kind of fault."""
    files = {
        f"{'deep/er/' if number % 3 else ''}Bild ä{number:02d}.jpg": encoded(
            picture(160 + 8 * number, 128, number), quality=90
        )
        for number in range(SOUND)
    }
    bomb = bytearray(encoded(picture(64, 64), "PNG"))
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    return files | {
        "bomb.png": bytes(bomb), "cut.jpg": files["Bild ä00.jpg"][:700], "deadly.jpg": DEADLY,
        "deep/empty.jpg": b"", "notes.txt": b"no picture",
    }  # fmt: skip


@pytest.fixture(scope="session")
def bucket(tmp_path_factory) -> Iterator[Bucket]:
    with (
        object_store(tmp_path_factory.mktemp("s3")) as environment,
        pytest.MonkeyPatch.context() as m,
    ):
        for name, value in environment.items():
            m.setenv(name, value)
        places._bucket.cache_clear()
        images = Place.parse(f"s3://{BUCKET}/archive")
        for name, data in pictures().items():
            (images / name).write(data)
        yield Bucket(images, environment)
        places._bucket.cache_clear()


@pytest.fixture(scope="session")
def deadly_model(stand_in, tmp_path_factory) -> Path:
    """The stand-in, whose process ends with one of the pictures."""
    folder = tmp_path_factory.mktemp("deadly") / "model"
    shutil.copytree(stand_in, folder)
    (code,) = folder.glob("model.py")
    text = code.read_text("utf-8")
    start = "    if isinstance(image, bytes | bytearray | memoryview):\n"
    assert text.count(start) == 1
    code.write_text(
        text.replace(start, f"    if image == {DEADLY!r}:\n        os._exit(9)\n{start}")
    )
    return folder


@pytest.fixture(scope="session")
def running(tmp_path_factory, bucket) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster"), **bucket.environment) as one:
        yield one


def read_parts(folder: Place) -> pd.DataFrame:
    """Return the table of all parts of a folder, in the order of their names."""
    names = [name for name, _ in folder.files() if name.startswith("part-")]
    return pd.concat(
        [pd.read_parquet(io.BytesIO((folder / name).read())) for name in names], ignore_index=True
    )


def parts(folder: Place) -> int:
    """Return how many parts there are."""
    return sum(name.startswith("part-") for name, _ in folder.files())
