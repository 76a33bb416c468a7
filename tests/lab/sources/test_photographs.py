"""Photographs that teach: of public repositories, served by this machine, and of one's own."""

import functools
import hashlib
import http.server
import threading

import numpy as np
import pytest
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.forgeries import scenes
from forgery_lab.sources import photograph_table, photographs
from forgery_lab.sources.photograph_table import REPOSITORIES, SortedPicture
from forgery_lab.sources.photographs import Photograph, choose
from tests.conftest import encoded

COLUMNS = [
    "source",
    "path",
    "sha1",
    "sha256",
    "sorting",
    "group",
    "origin",
    "make",
    "terms",
    "author",
]


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return [encoded(scenes.render("nat", rng, 96, 128), quality=90) for _ in range(8)]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def known(data, number, **values):
    """Return a row of the table of sorted pictures."""
    row = dict.fromkeys(COLUMNS, "") | {
        "source": "food",
        "path": f"some pictures/{number}.jpg",
        "sha1": hashlib.sha1(data).hexdigest()[:8],
        "sha256": digest(data),
        "sorting": "photograph",
        "origin": "web",
        "terms": "CC0 1.0",
    }
    return SortedPicture(**row | values)


@pytest.fixture
def table(pictures, monkeypatch):
    """Three photographs that teach, one twice, and four that do not, for a reason each."""
    rows = [
        known(pictures[0], 0, source="cameras", origin="camera", make="canon"),
        known(pictures[1], 1, group="a pan"),
        known(pictures[2], 2, source="gb82", origin="lossless", terms="CC BY 4.0", author="Ada"),
        known(pictures[3], 3, terms="CC BY-NC 4.0"),
        known(pictures[4], 4, sorting="screenshot"),
        known(pictures[5], 5, make="nikon"),
        known(pictures[6], 6, terms="terms unclear"),
        known(pictures[7], 7, group="a pan"),
    ]
    by_digest = {row.sha256: row for row in rows}
    monkeypatch.setattr(photographs, "known_pictures", lambda: by_digest)
    return rows


def lay_out(folder, rows, pictures):
    for row, data in zip(rows, pictures, strict=True):
        path = folder / row.laid_out_as
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def test_what_may_teach_is_found_in_folders_of_repositories(tmp_path, table, pictures):
    found = photographs.find(lay_out(tmp_path, table, pictures)).set_index("title")
    one_pan = min((1, 7), key=lambda number: digest(pictures[number]))
    assert set(found.index) == {f"some pictures/{number}.jpg" for number in (0, one_pan, 2)}
    assert found["origin"].tolist() == ["camera", "web", "web"]
    row = found.loc["some pictures/2.jpg"]
    assert (row["source"], row["terms"], row["author"]) == ("gb82", "CC BY 4.0", "Ada")
    assert (row["width"], row["height"], row["repository"]) == (128, 96, "gb82")


def test_repositories_may_be_absent_and_old_folders_are_known_by_content(tmp_path, table, pictures):
    for name, data in (("photos/a", pictures[0]), ("photos_web/b", pictures[2])):
        (tmp_path / name).parent.mkdir()
        (tmp_path / f"{name}.jpg").write_bytes(data)
    (tmp_path / "photos_web/forbidden.jpg").write_bytes(pictures[3])
    (tmp_path / "photos_web/own.jpg").write_bytes(encoded(np.eye(96, dtype=np.uint8) * 255))
    lay_out(tmp_path, table[:1], pictures[:1])
    found = photographs.find(tmp_path)
    assert found["source"].tolist().count("cameras") == 1, "the same file twice"
    assert set(found["terms"]) == {"CC0 1.0", "CC BY 4.0", ""}
    assert len(found) == 3


@pytest.mark.parametrize("make", ["NIKON CORPORATION", "Asahi Optical Co.,Ltd", "JK Imaging, Ltd."])
def test_sealed_makes_are_left_out_as_exif_names_them(tmp_path, pictures, make):
    for number, stated in enumerate((make, "Canon")):
        exif = Image.Exif()
        exif[0x010F] = stated
        for name in ("photos", "photos_web"):
            (tmp_path / name).mkdir(exist_ok=True)
            picture = Image.effect_noise((64, 64), 30 + number + len(name))
            picture.save(tmp_path / name / f"{number}.jpg", exif=exif)
    found = photographs.find(tmp_path)
    assert found["make"].tolist() == ["canon", "canon"]


def test_sealed_originals_are_left_out_whatever_they_are_called():
    one = min(photographs.sealed())
    assert choose([Photograph("a.jpg", one, "camera", "photos", make="canon")]) == []


def test_so_many_of_a_source_teach_those_with_the_lowest_digests():
    every = [
        Photograph(f"{number}.jpg", digest(bytes([number])), origin, source)
        for number, (origin, source) in enumerate([("web", "clothes")] * 9 + [("camera", "c")] * 4)
    ]
    chosen = choose(every, most=5)
    clothes = sorted(one.sha256 for one in every if one.source == "clothes")
    assert [one.sha256 for one in chosen if one.source == "clothes"] == clothes[:5]
    assert sum(one.origin == "camera" for one in chosen) == 4


def test_both_sets_of_clothes_are_one_source(pictures):
    rows = [known(pictures[0], 0, source=source) for source in ("clothes", "clothes_small")]
    assert {Photograph.of_table(row, "a.jpg").source for row in rows} == {"clothes"}


def test_a_file_that_is_not_the_one_of_the_table_is_told(tmp_path, table, pictures):
    lay_out(tmp_path, table[:2], [pictures[0], pictures[2]])
    with pytest.raises(DataError, match=f"SHA-256 {digest(pictures[2])}; its table says"):
        photographs.find(tmp_path)


# --- A folder of one's own


def own_folder(folder, rows, pictures, header=COLUMNS):
    lines = ["\t".join(header)]
    for number, (values, data) in enumerate(zip(rows, pictures, strict=False)):
        (folder / f"{number}.jpg").write_bytes(data)
        row = dict.fromkeys(header, "") | {
            "source": "holidays", "path": f"{number}.jpg", "sorting": "photograph",
            "origin": "web", "terms": "CC BY 4.0", "author": "Ada",
        }  # fmt: skip
        lines.append("\t".join((row | values).values()))
    (folder / "photographs.tsv").write_text("\n".join(lines) + "\n")
    return folder


def test_a_table_of_terms_makes_any_folder_one_to_learn_from(tmp_path, pictures):
    rows = [{"origin": "camera", "make": "Canon"}, {"sha256": digest(pictures[1])}, {"group": "g"},
            {"group": "g"}, {"sorting": "drawing", "terms": "all rights reserved"}]  # fmt: skip
    found = photographs.find(own_folder(tmp_path, rows, pictures))
    assert len(found) == 3
    assert set(found["source"]) == {"holidays"}
    assert set(found["terms"]) == {"CC BY 4.0"}
    assert found["make"].iloc[0] == "canon"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"terms": "CC BY-NC 4.0"}, "line 2: the terms of 0.jpg, CC BY-NC 4.0, do not allow"),
        ({"terms": "mine"}, "line 2: terms is 'mine'; allowed: CC0 1.0"),
        ({"author": ""}, "line 2: CC BY 4.0 asks for an author, and 0.jpg has none"),
        ({"path": "no.jpg"}, "line 2: .* has no file no.jpg"),
        ({"source": ""}, "line 2: source is empty"),
        ({"sha256": "0" * 64}, "0.jpg has the SHA-256 .*; its table says 000"),
    ],
)
def test_a_wrong_row_is_named(tmp_path, pictures, row, said):
    own_folder(tmp_path, [row], pictures)
    with pytest.raises(DataError, match=said):
        photographs.find(tmp_path)


def test_a_file_without_terms_is_named(tmp_path, pictures):
    own_folder(tmp_path, [{}], pictures)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "other.jpg").write_bytes(pictures[1])
    with pytest.raises(DataError, match=r"photos/other.jpg has no terms: .* has no row of it"):
        photographs.find(tmp_path)


def test_an_unknown_column_is_named(tmp_path, pictures):
    own_folder(tmp_path, [{}], pictures, header=[*COLUMNS, "licence"])
    with pytest.raises(DataError, match=r"unknown: licence"):
        photographs.find(tmp_path)


# --- Fetching


@pytest.fixture
def asked(tmp_path, table, pictures, monkeypatch):
    """Serve the files of the table; what was asked for is in the list."""
    served, asked = tmp_path / "served", []
    for row, data in zip(table, pictures, strict=True):
        repository = REPOSITORIES[row.source]
        path = served / repository.name / repository.commit / row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        root = f"http://127.0.0.1:{running.server_port}"
        monkeypatch.setattr(photograph_table, "RAW_FILES", root)
        yield asked
        running.shutdown()


def held(folder):
    return {digest(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_what_may_teach_is_fetched_once(tmp_path, asked, pictures):
    folder = photographs.fetch(tmp_path / "photographs")
    assert len(asked) == 3
    assert all("/some%20pictures/" in path for path in asked)
    found = photographs.find(folder)
    assert held(folder) == set(found["sha256"])
    assert photographs.fetch(folder) == folder
    assert len(asked) == 3


def test_what_a_stopped_fetch_left_is_made_whole(tmp_path, asked):
    done = []
    folder = photographs.fetch(tmp_path / "photographs", progress=lambda *to: done.append(to))
    assert done == [(1, 3), (2, 3), (3, 3)]
    before = held(folder)
    next(path for path in folder.rglob("*.jpg")).write_bytes(b"half")
    photographs.fetch(folder)
    assert held(folder) == before
    assert len(asked) == 4


def test_a_file_that_changed_at_its_source_is_refused(tmp_path, asked, table):
    repository = REPOSITORIES["gb82"]
    (tmp_path / "served" / repository.name / repository.commit / table[2].path).write_bytes(b"new")
    with pytest.raises(DataError, match=r"some%20pictures/2.jpg has the SHA-256 .*; expected"):
        photographs.fetch(tmp_path / "photographs")


def test_a_file_that_is_gone_is_named(tmp_path, asked, table):
    repository = REPOSITORIES["gb82"]
    (tmp_path / "served" / repository.name / repository.commit / table[2].path).unlink()
    with pytest.raises(DataError, match=r"some%20pictures/2.jpg: the server answers 404"):
        photographs.fetch(tmp_path / "photographs")
