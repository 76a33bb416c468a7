import io
import json
import re
import struct
import threading
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from forgery.evidence.analysis import conclude, gather
from forgery.evidence.facts import in_process
from forgery_pyfunc.contract import Record
from forgery_pyfunc.errors import ImageError
from tests.forgery.evidence.test_why import COPY, NOTHING
from tests.webui.pictures import BROWSER, encode, form, picture
from webui.uploads import plain_name

DARK, BRIGHT = picture(20), picture(240, "PNG")


def test_the_page_offers_a_plain_form(lonely):
    answer = lonely.get("/")
    assert answer.status_code == 200
    assert 'action="/predict"' in answer.text
    assert 'enctype="multipart/form-data"' in answer.text


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "BMP", "WEBP"])
def test_every_format_is_scored(web, kind):
    answer = web.post("/predict", data=form((picture(240, kind), "x.bin")))
    (record,) = answer.json["predictions"]
    assert record["verdict"] == "forged"
    assert record["format"] == kind
    assert (record["width"], record["height"]) == (160, 128)
    assert record["error"] is None


def test_threshold_and_heat_map_may_be_asked_for(web):
    answer = web.post("/predict", data=form((DARK, "a.jpg"), threshold="0.01", heatmap="true"))
    (record,) = answer.json["predictions"]
    assert record["verdict"] == "forged"
    assert record["heatmap"]
    assert (
        web.post("/predict", data=form((DARK, "a.jpg"))).json["predictions"][0]["heatmap"] is None
    )


def test_why_may_be_asked_for_and_the_page_tells_it_after_the_verdict(web):
    (told,) = web.post("/predict?explain=true", data=form((DARK, "a.jpg"))).json["predictions"]
    assert json.loads(told["explanation"])["contributions"][0]["family"] == "residual"
    (plain,) = web.post("/predict", data=form((DARK, "a.jpg"))).json["predictions"]
    assert plain["explanation"] is None
    page = web.post("/predict", data=form((DARK, "a.jpg")), headers=BROWSER).text
    assert "<h3>Why</h3>" not in page
    (part,) = re.findall(r'data-part="(/results/[^"]+/why)"', page)
    for told in (web.get(part).text, web.get(f"{part.removesuffix('/why')}?why=true").text):
        assert "<h3>Why</h3>" in told
        assert "Grain and error levels" in told
    kept = web.get(f"{part.removesuffix('/why')}/analysis.json").json
    assert "Grain and error levels" in [reason["title"] for reason in kept["why"]["reasons"]]


def test_a_report_goes_without_reasons_where_nobody_can_tell_them(lonely, settings, caplog):
    record = Record(verdict="forged", probability=0.9, width=160, height=128)
    analysis = conclude("a.jpg", DARK, record, gather(DARK, settings.limits, ()))
    kept = lonely.application.extensions["results"].add(DARK, analysis)
    assert lonely.get(f"/results/{kept.identifier}/analysis.json").json["why"] is None
    assert "an analysis goes without reasons" in caplog.text
    assert lonely.get(f"/results/{kept.identifier}/why").status_code == 503


def test_copied_places_are_framed_on_the_page(web, settings):
    explanation = replace(NOTHING, kind="copy", copies=(COPY,))
    record = Record(
        verdict="forged", probability=0.9, width=160, height=128,
        explanation=explanation.to_json(),
    )  # fmt: skip
    analysis = conclude("a.jpg", DARK, record, gather(DARK, settings.limits, ()))
    kept = web.application.extensions["results"].add(DARK, analysis)
    page = web.get(f"/results/{kept.identifier}").text
    assert f'<img class="overlay copies" src="{analysis.why.copies_overlay}"' in page
    assert "What would speak against it" in page


@pytest.mark.parametrize(
    "field",
    [
        {"threshold": "high"}, {"threshold": "2"}, {"threshold": "nan"}, {"heatmap": "maybe"},
        {"explain": "perhaps"},
    ],
)  # fmt: skip
def test_bad_parameters_are_refused(web, field):
    answer = web.post("/predict", data=form((DARK, "a.jpg"), **field))
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "bad_parameter"


GREY = np.full((100, 100), 40, np.uint8)


def declared_png(width: int, height: int) -> bytes:
    """A PNG of 10 kB whose header declares as many pixels as it likes."""
    sound = encode(GREY, "PNG")
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return sound[:12] + header + struct.pack(">I", zlib.crc32(header)) + sound[33:] + bytes(10_000)


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(GREY + step) for step in (0, 90)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


BAD_FILES = {
    "empty": (b"", 400, "empty_image"),
    "text named .jpg": (b"hello, world", 415, "not_an_image"),
    "HTML named .png": (b"<!doctype html><script>alert(1)</script>", 415, "not_an_image"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 415, "unsupported_format"),
    "animated GIF": (animated("GIF"), 415, "unsupported_format"),
    "200 megapixels declared": (declared_png(20_000, 10_000), 422, "too_many_pixels"),
    "PNG cut in its header": (encode(GREY, "PNG")[:20], 422, "broken_image"),
    "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), 422, "broken_image"),
    "truncated JPEG": (DARK[: len(DARK) // 2], 422, "broken_image"),
    "too large": (DARK + bytes(2**20), 413, "too_large"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_get_their_status_and_one_sentence(web, name):
    data, status, code = BAD_FILES[name]
    answer = web.post("/predict", data=form((data, "a.jpg")))
    assert answer.status_code == status
    assert answer.json["error"]["code"] == code
    assert "\n" not in answer.json["error"]["message"]


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_never_spoils_the_others(web, name):
    data, _, code = BAD_FILES[name]
    answer = web.post("/predict", data=form((DARK, "a.jpg"), (data, "b.jpg"), (BRIGHT, "c.png")))
    assert answer.status_code == 200
    records = answer.json["predictions"]
    assert [r["filename"] for r in records] == ["a.jpg", "b.jpg", "c.png"]
    assert [r["verdict"] for r in records] == ["authentic", None, "forged"]
    assert records[1]["error"].startswith(f"{code}: ")


def odd_pictures() -> dict[str, bytes]:
    made = {"animated WebP": animated("WEBP")}
    for name, mode, kind in [
        ("CMYK", "CMYK", "JPEG"),
        ("16-bit", "I;16", "PNG"),
        ("palette with transparency", "P", "PNG"),
    ]:
        buffer = io.BytesIO()
        options = {"transparency": 0} if mode == "P" else {}
        Image.new(mode, (100, 100)).save(buffer, kind, **options)
        made[name] = buffer.getvalue()
    exif = Image.Exif()
    exif[0x0112] = 6
    made["turned by EXIF"] = encode(GREY, exif=exif.tobytes())
    return made


@pytest.mark.parametrize("name", odd_pictures())
@pytest.mark.parametrize("filename", ["a.png", "a.exe", "../../a", "😀" * 300])
def test_odd_pictures_are_scored_whatever_their_names(web, name, filename):
    answer = web.post("/predict", data=form((odd_pictures()[name], filename)))
    assert answer.status_code == 200
    assert answer.json["predictions"][0]["verdict"]
    assert len(answer.json["predictions"][0]["filename"]) <= 120


def test_no_field_no_file_and_other_fields_are_bad_requests(lonely):
    for data, code in [
        ({"note": "x"}, "missing_file"),
        (form((b"", "")), "missing_file"),
        ({"picture": (io.BytesIO(DARK), "b.jpg")}, "bad_request"),
        (form((DARK, "a.jpg")) | {"picture": (io.BytesIO(DARK), "b.jpg")}, "bad_request"),
    ]:
        answer = lonely.post("/predict", data=data, content_type="multipart/form-data")
        assert answer.status_code == 400
        assert answer.json["error"]["code"] == code


def test_too_many_files_are_refused(web):
    for count in (5, 45):
        answer = web.post("/predict", data=form(*[(DARK, "a.jpg")] * count))
        assert answer.status_code == 400
        assert answer.json["error"]["code"] == "too_many_files"
        assert "at most 4 are allowed" in answer.json["error"]["message"]


def test_a_long_text_field_is_not_taken_for_a_large_request(web):
    answer = web.post("/predict", data=form((DARK, "a.jpg"), note="x" * (2**20 + 1)))
    assert answer.status_code == 413
    assert answer.json["error"]["code"] == "too_large"
    assert "text fields" in answer.json["error"]["message"]


@pytest.mark.parametrize("end", [b"", b"\r\n--b\r\nContent-Disp", b"\r\n--b\r\n"])
def test_a_form_cut_off_midway_says_so(lonely, end):
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    answer = lonely.post(
        "/predict", data=head + DARK + end, content_type="multipart/form-data; boundary=b"
    )
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "bad_request"
    assert "cut off" in answer.json["error"]["message"]


def test_a_browser_without_javascript_gets_a_page(web):
    answer = web.post("/predict", data=form((BRIGHT, "<b>.png"), (b"?", "b.jpg")), headers=BROWSER)
    assert answer.status_code == 200
    assert answer.mimetype == "text/html"
    assert "forged" in answer.text
    assert "&lt;b&gt;.png" in answer.text
    assert "<b>.png" not in answer.text
    assert "data:image/png;base64," in answer.text


@pytest.mark.parametrize("error", [ImageError("It is cut off.", "broken_image"), ValueError("x")])
def test_a_picture_without_evidence_never_spoils_the_page_of_the_others(web, monkeypatch, error):
    def fail_once(filename, *rest):
        if filename == "bad.jpg":
            raise error
        return conclude(filename, *rest)

    monkeypatch.setattr("webui.verdicts.conclude", fail_once)
    files = [(DARK, "bad.jpg"), (BRIGHT, "good.png")]
    answer = web.post("/predict", data=form(*files), headers=BROWSER)
    assert answer.status_code == 200
    assert answer.text.count("card failed") == 1
    assert "Signs of forgery" in answer.text
    alone = web.post("/predict", data=form(files[0]), headers=BROWSER)
    assert alone.status_code == (422 if isinstance(error, ImageError) else 500)


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\pictures\\a.jpg", "a.jpg"),
        ("a\x00\r\n.jpg", "a.jpg"),
        ("..", ".."),
        ("/", "picture"),
        ("😀" * 300 + ".jpg", "😀" * 100 + "…" + "😀" * 15 + ".jpg"),
    ],
)
def test_file_names_are_shown_without_folders_and_cut(sent, shown):
    assert plain_name(sent) == shown


def test_the_origin_of_a_file_is_read_while_it_is_scored(web, monkeypatch):
    began = threading.Event()

    def read_metadata(data, limits):
        began.set()
        return in_process.read_metadata(data, limits)

    def invoke(*given):
        assert began.wait(10)
        return ask(*given)

    client = web.application.extensions["scoring"].client
    ask = client.invoke
    monkeypatch.setattr(web.application.extensions["reader"], "read_metadata", read_metadata)
    monkeypatch.setattr(client, "invoke", invoke)
    (record,) = web.post("/predict", data=form((picture(20, "PNG"), "a.png"))).json["predictions"]
    assert record["verdict"]
    assert record["content_credentials"]["state"] == "absent"


def test_a_file_that_was_not_scored_states_no_origin(web):
    answer = web.post("/predict", data=form((DARK, "a.jpg"), (DARK[:200], "b.jpg")))
    scored, broken = answer.json["predictions"]
    assert scored["content_credentials"]
    assert broken["error"]
    assert (broken["content_credentials"], broken["findings"]) == (None, [])
