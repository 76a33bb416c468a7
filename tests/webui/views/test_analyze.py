import base64
import io

import numpy as np
import pytest
from PIL import Image

from forgery.evidence.facts.file_facts import read_file_facts
from forgery.evidence.views import VIEWS
from forgery_pyfunc.imaging.decoding import decode
from tests.webui.pictures import encode, form, picture

BRIGHT = picture(240)


def with_metadata(orientation: int = 1) -> bytes:
    """A JPEG with the metadata of an edited photograph, GPS position included."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Canon", "EOS\x00\x00", "Adobe Photoshop 25.0"
    exif[0x0112] = orientation
    exif[0x0132] = "2024:05:02 10:00:00"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 09:00:00"
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 24.0), 3: "E", 4: (151.0, 12.0, 36.0)})
    return encode(np.full((96, 160, 3), 90, np.uint8), exif=exif.tobytes(), quality=85)


def test_analyze_gives_verdict_overlays_views_and_facts(web):
    answer = web.post("/v1/analyze", data=form((BRIGHT, "../a.jpg")))
    assert answer.status_code == 200
    analysis = answer.json
    assert analysis["filename"] == "a.jpg"
    assert analysis["record"]["verdict"] == "forged"
    assert analysis["headline"] == "Signs of forgery"
    assert len(analysis["sha256"]) == 64
    names = [view["name"] for view in analysis["evidence"]["views"]]
    assert names == list(VIEWS)
    assert names[:4] == ["ela", "noise", "ghosts", "grid"]
    for uri in [analysis["heat_overlay"], analysis["evidence"]["views"][0]["image"]]:
        encoded = base64.b64decode(uri.partition(";base64,")[2])
        assert Image.open(io.BytesIO(encoded)).size == (160, 128)
    assert analysis["evidence"]["facts"]["jpeg"]["quality"] == 75


def test_evidence_needs_no_scoring_server_and_draws_what_is_asked_for(lonely):
    answer = lonely.post("/v1/evidence", data=form((BRIGHT, "a.jpg"), views="noise,ela"))
    assert [view["name"] for view in answer.json["views"]] == ["noise", "ela"]
    coarse = lonely.post(
        "/v1/evidence", data=form((BRIGHT, "a.jpg"), views="ela", ela_quality="50")
    )
    assert coarse.json["views"][0]["image"] != answer.json["views"][1]["image"]


@pytest.mark.parametrize(
    "field",
    [{"views": "ela,magic"}, {"ela_quality": "0"}, {"ela_quality": "high"}, {"location": "maybe"}],
)
def test_bad_parameters_are_refused(lonely, field):
    answer = lonely.post("/v1/evidence", data=form((BRIGHT, "a.jpg"), **field))
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "bad_parameter"


def test_the_location_is_told_only_on_demand(lonely):
    silent = lonely.post("/v1/evidence", data=form((with_metadata(), "a.jpg")))
    assert silent.json["facts"]["location"] is None
    assert silent.json["facts"]["has_location"] is True
    assert "33.85" not in silent.text
    asked = lonely.post("/v1/evidence", data=form((with_metadata(), "a.jpg"), location="true"))
    assert asked.json["facts"]["location"] == "-33.85667, 151.21000"


def test_metadata_are_named_for_people_and_remarked_on(lonely):
    facts = lonely.post("/v1/evidence", data=form((with_metadata(), "a.jpg"))).json["facts"]
    assert facts["metadata"] == {
        "Camera": "Canon EOS",
        "Software": "Adobe Photoshop 25.0",
        "Changed (EXIF)": "2024-05-02 10:00:00",
        "Taken (EXIF)": "2024-05-01 09:00:00",
    }
    assert any("editing program" in remark for remark in facts["remarks"])
    assert any("changed after" in remark for remark in facts["remarks"])
    assert "quality 85" in facts["jpeg"]["written_by"]


def test_a_turned_photograph_is_shown_upright(lonely):
    answer = lonely.post("/v1/evidence", data=form((with_metadata(orientation=6), "a.jpg"))).json
    assert (answer["facts"]["width"], answer["facts"]["height"]) == (96, 160)
    for uri in [answer["picture"], *(view["image"] for view in answer["views"])]:
        encoded = base64.b64decode(uri.partition(";base64,")[2])
        width, height = Image.open(io.BytesIO(encoded)).size
        assert width * 160 == height * 96


def test_damaged_metadata_do_not_spoil_the_picture(lonely):
    data = bytearray(with_metadata())
    data[30:120] = bytes(90)
    answer = lonely.post("/v1/evidence", data=form((bytes(data), "a.jpg")))
    assert answer.status_code == 200


@pytest.mark.parametrize("same", [True, False])
def test_the_embedded_thumbnail_is_compared_with_the_picture(same):
    rng = np.random.default_rng(1)
    layers = [
        np.asarray(Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).resize((320, 240)))
        for _ in range(2)
    ]
    small = Image.fromarray(layers[0 if same else 1]).resize((160, 120))
    thumbnail = encode(np.asarray(small), quality=70)
    jpeg = encode(layers[0], exif=exif_with_thumbnail(thumbnail), quality=92)
    image = decode(jpeg)
    facts = read_file_facts(jpeg, image)
    assert facts.thumbnail is not None
    assert facts.thumbnail.differs is not same
    assert any("preview" in remark for remark in facts.remarks) is not same


def exif_with_thumbnail(jpeg: bytes) -> bytes:
    """An EXIF block whose second directory holds a JPEG thumbnail."""
    first = b"\x00\x00" + (14).to_bytes(4, "little")  # no entries; the next directory is at 14
    entry = [0x0201, 0x0202]
    start = 14 + 2 + 2 * 12 + 4
    second = (2).to_bytes(2, "little")
    for tag, value in zip(entry, [start, len(jpeg)], strict=True):
        second += tag.to_bytes(2, "little") + (4).to_bytes(2, "little") + (1).to_bytes(4, "little")
        second += value.to_bytes(4, "little")
    return b"Exif\0\0II*\0\x08\0\0\0" + first + second + bytes(4) + jpeg


def test_several_files_or_a_bad_one_are_refused(lonely):
    answer = lonely.post("/v1/analyze", data=form((BRIGHT, "a.jpg"), (BRIGHT, "b.jpg")))
    assert answer.json["error"]["code"] == "too_many_files"
    answer = lonely.post("/v1/analyze", data=form((b"?", "a.jpg")))
    assert answer.status_code == 415


def test_a_tiny_picture_is_shown_without_the_views_it_is_too_small_for(lonely):
    tiny = encode(np.zeros((20, 20, 3), np.uint8), "PNG")
    answer = lonely.post("/v1/evidence", data=form((tiny, "a.png")))
    names = [view["name"] for view in answer.json["views"]]
    assert names[:2] == ["ela", "noise"]
    assert not {"ghosts", "grid"} & set(names)
