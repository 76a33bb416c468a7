import json

import numpy as np
import pytest
from PIL import Image

from forgery_lab.data import casia
from forgery_lab.errors import DataError
from forgery_lab.forgeries import scenes
from forgery_lab.forgeries.casia_folder import (
    PublishedFile,
    casia_name,
    forge_folder,
    least_salient,
)
from forgery_lab.forgeries.forging import ForgeryRecord, forge
from forgery_lab.forgeries.salience import salience


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Five photographs, one of them in a folder below and turned by EXIF, and five bad files."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "below").mkdir()
    for number, category in enumerate(("nat", "ind", "arc", "pla")):
        pixels = scenes.render(category, np.random.default_rng(number), 200, 300)
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=92)
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = scenes.render("sec", np.random.default_rng(9), 450, 600)
    Image.fromarray(pixels).save(folder / "below" / "turned.jpg", quality=92, exif=exif)
    (folder / "notes.jpg").write_text("not a picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.jpg").write_bytes((folder / "0.jpg").read_bytes()[:3000])
    Image.new("RGB", (20, 20)).save(folder / "tiny.png")
    Image.new("RGB", (200, 100), "black").save(folder / "black.png")
    (folder / ".hidden.jpg").write_bytes(b"hidden")
    return folder


@pytest.fixture(scope="module")
def made(photos, tmp_path_factory):
    output = tmp_path_factory.mktemp("out") / "forged"
    seen = []
    summary = forge_folder(
        photos,
        output,
        count=20,
        seed=1,
        sides=(200, 400),
        progress=lambda done, total: seen.append((done, total)),
        processes=2,
    )
    return output, summary, seen


def test_sources_are_numbered_by_what_the_photographs_hold(photos, made, tmp_path):
    (tmp_path / "one").mkdir()
    Image.open(photos / "3.jpg").save(tmp_path / "one" / "other.jpg", quality=80)
    (tmp_path / "one" / "renamed.jpg").write_bytes((photos / "2.jpg").read_bytes())
    forge_folder(tmp_path / "one", tmp_path / "out", count=4, seed=5, sides=(200, 400))
    mine, theirs = (
        {casia.parse(path.name).source_ids for path in (folder / "Au").iterdir()}
        for folder in (tmp_path / "out", made[0])
    )
    assert (len(mine), len(mine & theirs)) == (2, 1)


def test_photographs_become_a_casia_folder(made):
    output, summary, seen = made
    casia.find_layout(output)
    assert (summary.authentic, summary.forged) == (5, 15)
    assert sum(summary.kinds.values()) == 15
    assert seen[-1] == (20, 20)
    assert len(list((output / "Au").iterdir())) == 5
    assert len(list((output / "Tp").iterdir())) == 15
    for path in (output / "Tp").iterdir():
        assert casia.parse(path.name) is not None
        with Image.open(output / "Groundtruth" / f"{path.stem}_gt.png") as mask:
            with Image.open(path) as image:
                assert mask.size == image.size
            assert np.asarray(mask).any()


def test_files_that_cannot_be_used_are_listed_with_the_reason(made):
    output, summary, _ = made
    reasons = dict(summary.unusable)
    assert reasons.keys() == {"notes.jpg", "empty.png", "cut.jpg", "tiny.png", "black.png"}
    assert "a single colour" in reasons["black.png"]
    assert "at least 64" in reasons["tiny.png"]
    records = [json.loads(line) for line in (output / "records.jsonl").read_text().splitlines()]
    refused = {r["file"]: r["reason"] for r in records if r["kind"] == "unusable"}
    assert refused == reasons


def test_host_and_authentic_copy_share_size_and_orientation(made):
    output, _, _ = made
    records = [json.loads(line) for line in (output / "records.jsonl").read_text().splitlines()]
    records = [record for record in records if record["kind"] != "unusable"]
    sizes = {}
    for record in records:
        with Image.open(output / record["file"]) as image:
            sizes.setdefault(record["photograph"], set()).add(image.size)
            assert image.getexif().get(0x0112, 1) == 1
    assert len(sizes) == 5
    assert all(len(found) == 1 for found in sizes.values())
    width, height = sizes["below/turned.jpg"].pop()
    assert height > width
    assert height <= 400


def test_photographs_that_look_alike_lend_each_other_parts(tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(12):
        pixels = scenes.render("nat", np.random.default_rng(number), 120, 160) // 2
        bright = pixels if number % 2 else pixels + 120
        Image.fromarray(bright).save(tmp_path / "in" / f"{number}.png")
    forge_folder(tmp_path / "in", tmp_path / "out", count=24, seed=3, kinds=["splice"], processes=2)
    lines = (tmp_path / "out" / "records.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    bright = {
        casia.parse(record["file"].split("/")[1]).source_ids[0]: int(record["photograph"][:-4]) % 2
        for record in records
        if record["kind"] == "authentic"
    }
    sources = [
        casia.parse(record["file"].split("/")[1]).source_ids
        for record in records
        if record["kind"] == "splice"
    ]
    assert len(sources) > 8
    assert all(bright[host] == bright[donor] for host, donor in sources)


def test_each_forgery_is_the_least_salient_of_eight():
    host, donor = (scenes.render("nat", np.random.default_rng(seed), 128, 160) for seed in (1, 2))
    kept = least_salient(host, [donor], "splice", np.random.default_rng(5))
    rng = np.random.default_rng(5)
    tries = [forge(host, [donor], "splice", rng) for _ in range(8)]
    scores = [salience(host, one.pixels, one.mask) for one in tries]
    assert len(set(scores)) == 8
    assert (kept.mask == tries[int(np.argmin(scores))].mask).all()


def test_the_same_seed_gives_the_same_bytes(photos, made, tmp_path):
    output, _, _ = made
    forge_folder(photos, tmp_path / "again", count=20, seed=1, sides=(200, 400), processes=1)
    for path in (p for p in output.rglob("*") if p.is_file()):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(output)).read_bytes()


def test_only_as_many_photographs_are_used_as_are_needed(photos, tmp_path):
    summary = forge_folder(photos, tmp_path / "few", count=4, seed=2, processes=1)
    assert (summary.authentic, summary.forged) == (2, 2)


def test_only_the_kinds_that_are_named_are_made(photos, tmp_path):
    kinds = ("inpainting", "retouching")
    summary = forge_folder(
        photos, tmp_path / "out", count=10, seed=4, sides=(96, 128), kinds=kinds, processes=1
    )
    assert summary.kinds.keys() <= set(kinds)
    assert summary.forged == 5
    lines = (tmp_path / "out" / "records.jsonl").read_text().splitlines()
    for record in map(json.loads, lines):
        if record["kind"] in kinds:
            assert casia.parse(record["file"].split("/")[1]).kind == "copy-move"
            assert record["operations"][-1]["name"] == "publish"


def test_one_photograph_alone_gives_no_splice(tmp_path):
    (tmp_path / "in").mkdir()
    pixels = scenes.render("txt", np.random.default_rng(0), 100, 120)
    Image.fromarray(pixels).save(tmp_path / "in" / "one.png")
    summary = forge_folder(tmp_path / "in", tmp_path / "out", count=5, seed=0, processes=1)
    assert (summary.authentic, summary.forged) == (1, 4)
    assert "splice" not in summary.kinds


def test_what_cannot_be_done_is_said_in_one_sentence(photos, tmp_path):
    with pytest.raises(DataError, match="count: got 1; allowed: 2 to 99999"):
        forge_folder(photos, tmp_path / "x", 1, 0)
    with pytest.raises(DataError, match="kinds: got 'blending'; allowed: splice, copy-move, "):
        forge_folder(photos, tmp_path / "x", 4, 0, kinds=["blending"])
    with pytest.raises(DataError, match="there is no such folder"):
        forge_folder(tmp_path / "nowhere", tmp_path / "x", 4, 0)
    (tmp_path / "void").mkdir()
    with pytest.raises(DataError, match="no usable photograph, it is empty"):
        forge_folder(tmp_path / "void", tmp_path / "x", 4, 0)
    (tmp_path / "void" / "a.txt").write_text("a")
    with pytest.raises(DataError, match=r"none of its 1 files can be used \(a\.txt: "):
        forge_folder(tmp_path / "void", tmp_path / "x", 4, 0, processes=1)
    assert not (tmp_path / "x").exists()


def test_files_are_published_in_the_format_their_extension_says():
    pixels = scenes.render("nat", np.random.default_rng(1), 64, 64)
    rng, seen = np.random.default_rng(0), {}
    for _ in range(120):
        file = PublishedFile.drawn(rng)
        seen[file.extension] = file.encoded(pixels)[:4]
    assert seen["jpg"].startswith(b"\xff\xd8")
    assert seen["png"] == b"\x89PNG"
    assert seen["tif"] in (b"II*\x00", b"MM\x00*")
    assert seen["bmp"].startswith(b"BM")
    assert seen["webp"] == b"RIFF"


def test_the_letters_of_a_name_follow_the_record():
    steps = [{"name": "scale"}, {"name": "turn", "degrees": 4.0, "shear": 0.1}]
    record = ForgeryRecord("splice", 0, 0.2, [*steps, {"name": "blur_seam"}])
    name = casia_name(record, ("nat00001", "ind00002"), 12)
    assert name == "Tp_D_CRD_L_B_nat00001_ind00002_00012"
    record = ForgeryRecord("removal", None, 0.02, [])
    name = casia_name(record, ("nat00001", "nat00001"), 13)
    assert name == "Tp_S_NNN_S_N_nat00001_nat00001_00013"
