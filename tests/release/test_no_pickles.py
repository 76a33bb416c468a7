"""Nothing that is shipped or logged is a pickle; what was planted is found."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections import OrderedDict

import numpy as np
import pytest

from forgery_lab.export.pyfunc import save_model
from tests.conftest import write_detector
from tests.doors.interpreters import ROOT
from tests.pickles import pickles

THING = OrderedDict(a=[1, 2.5, "three"], b=b"four")


def test_the_shipped_detector_holds_none():
    assert len(list((ROOT / "forgery/shipped").iterdir())) > 5
    assert list(pickles(ROOT / "forgery/shipped")) == []


@pytest.mark.parametrize("shipped", [True, False])
def test_a_logged_model_holds_none(tmp_path, shipped):
    detector = ROOT / "forgery/shipped" if shipped else write_detector(tmp_path / "detector")
    save_model(detector, tmp_path / "model")
    assert (tmp_path / "model" / "MLmodel").is_file()
    assert list(pickles(tmp_path)) == []


def test_the_repository_holds_none():
    for name in ("forgery", "forgery_pyfunc", "serving", "webui", "deploy", "tests/fixtures"):
        assert list(pickles(ROOT / name)) == [], name


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("thing", [THING, None, {"x": {1, 2}}, print])
def test_a_pickle_is_found_under_any_name(tmp_path, thing, protocol):
    planted = tmp_path / "figures.json"
    planted.write_bytes(pickle.dumps(thing, protocol))
    assert list(pickles(tmp_path)) == [str(planted)]


def zipped(data: bytes) -> bytes:
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        archive.writestr("archive/data", data)
    return packed.getvalue()


def tarred(data: bytes) -> bytes:
    with tarfile.open(fileobj=(packed := io.BytesIO()), mode="w") as archive:
        member = tarfile.TarInfo("data")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, bz2.compress, lzma.compress, zlib.compress, zipped, tarred,
     lambda data: gzip.compress(tarred(zipped(data)))],
    ids=["gzip", "bzip2", "xz", "zlib", "zip", "tar", "all"],
)  # fmt: skip
@pytest.mark.parametrize("protocol", [0, 4])
def test_a_packed_pickle_is_found(tmp_path, pack, protocol):
    (tmp_path / "network.onnx").write_bytes(pack(pickle.dumps(THING, protocol)))
    (found,) = pickles(tmp_path)
    assert found.startswith(f"{tmp_path}/network.onnx!")


def test_arrays_of_objects_are_found_and_others_are_not(tmp_path):
    np.save(tmp_path / "numbers.npy", np.arange(3.0))
    np.savez(tmp_path / "numbers.npz", a=np.arange(3), b=np.zeros(2, [("x", "f4")]))
    assert list(pickles(tmp_path)) == []
    np.save(tmp_path / "objects.npy", np.array([{}, "x"], object))
    np.savez(tmp_path / "packed.npz", a=np.zeros(2, [("x", object)]))
    found = [name.removeprefix(f"{tmp_path}/") for name in pickles(tmp_path)]
    assert found == ["objects.npy", "packed.npz!a.npy"]


@pytest.mark.parametrize("name", ["model.pkl", "model.joblib", "model.PT"])
def test_a_name_is_enough(tmp_path, name):
    (tmp_path / name).write_bytes(b"anything")
    assert len(list(pickles(tmp_path))) == 1


@pytest.mark.parametrize("text", ["", ".", "N. B.: this", "I am", "c\nd\n", "]\n", "(a) first."])
def test_text_is_no_pickle(tmp_path, text):
    (tmp_path / "text").write_text(text)
    assert list(pickles(tmp_path)) == []
