import base64
import io
import json

import pytest
import requests
from PIL import Image

from tests.webui.pictures import picture

DARK, MIDDLE, BRIGHT = picture(20), picture(128), picture(240, "PNG")


def text(image: bytes) -> str:
    return base64.b64encode(image).decode()


SPLIT = {"columns": ["image"], "data": [[text(DARK)]]}
LAYOUTS = {
    "dataframe_split": lambda images: {"columns": ["image"], "data": [[i] for i in images]},
    "dataframe_records": lambda images: [{"image": i} for i in images],
    "inputs": lambda images: {"image": images},
    "instances": lambda images: [{"image": i} for i in images],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_scored_in_order(web, layout):
    body = {layout: LAYOUTS[layout]([text(DARK), text(MIDDLE), text(BRIGHT)])}
    answer = web.post("/invocations", json=body)
    assert answer.status_code == 200
    records = answer.json["predictions"]
    assert [r["verdict"] for r in records] == ["authentic", "inconclusive", "forged"]
    assert [r["format"] for r in records] == ["JPEG", "JPEG", "PNG"]
    assert records[0]["heatmap"] is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_answer_is_the_scoring_servers_own(web, scoring_server, layout):
    body = {
        layout: LAYOUTS[layout]([text(DARK)]),
        "params": {"threshold": 0.01, "heatmap": True},
    }
    answer = web.post("/invocations", json=body)
    assert answer.json == requests.post(f"{scoring_server}/invocations", json=body).json()
    assert answer.json["predictions"][0]["verdict"] == "forged"
    assert base64.b64decode(answer.json["predictions"][0]["heatmap"]).startswith(b"\x89PNG")


@pytest.mark.parametrize("layout", ["inputs", "instances"])
def test_a_plain_list_stands_for_the_only_column(web, layout):
    answer = web.post("/invocations", json={layout: [text(DARK)]})
    assert answer.json["predictions"][0]["verdict"] == "authentic"


EXTRAS = [
    {"dataframe_split": {**SPLIT, "index": [7]}},
    {"dataframe_split": {**SPLIT, "index": ["a"]}},
    {"dataframe_split": {"columns": ["note", "image"], "data": [[{"a": [1]}, text(DARK)]]}},
    {"dataframe_records": [{"image": text(DARK), "note": None}]},
    {"instances": [{"image": text(DARK), "note": "x"}]},
    {"inputs": {"image": [text(DARK)], "note": [[1, 2]]}},
    {"inputs": [text(DARK)], "params": {"threshold": None}},
    {"inputs": [text(DARK)], "params": {"threshold": 1}},
    {"inputs": [text(DARK)], "params": {}},
    {"inputs": [text(DARK)], "params": None},
]


@pytest.mark.parametrize("body", EXTRAS)
def test_what_a_client_may_send_beside_the_images_is_answered(web, body):
    answer = web.post("/invocations", json=body)
    assert answer.status_code == 200
    assert answer.json["predictions"][0]["verdict"] == "authentic"


def test_one_bad_image_never_spoils_the_others(web):
    body = {"inputs": {"image": [text(DARK), text(b"no image at all"), text(BRIGHT)]}}
    records = web.post("/invocations", json=body).json["predictions"]
    assert [r["verdict"] for r in records] == ["authentic", None, "forged"]
    assert records[1]["error"].startswith("not_an_image: ")


def test_no_readable_image_is_a_bad_request_that_names_the_reason(web):
    body = {"inputs": {"image": [text(b"no image at all"), text(MIDDLE[:300])]}}
    answer = web.post("/invocations", json=body)
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == "no_readable_image"
    assert "not_an_image" in answer.json["error"]["message"]
    assert "Traceback" not in answer.text
    assert text(b"no image at all") not in answer.text


SECRET = "c2VjcmV0IHBheWxvYWQ"
BAD_BODIES = [
    ("bad_request", b"{not json " + SECRET.encode()),
    ("bad_request", b'"' + SECRET.encode() + b'"'),
    ("bad_request", b"[" * 100_000),
    ("bad_request", b"\xff\xfe\xfa"),
    ("bad_request", {}),
    ("bad_request", {"prompt": SECRET}),
    ("bad_request", {"inputs": {"image": [text(DARK)]}, "messages": []}),
    ("bad_request", {"inputs": {"image": [text(DARK)]}, "instances": []}),
    ("bad_request", {"inputs": {"image": SECRET}}),
    ("bad_request", {"dataframe_split": {"columns": ["image"], "data": [[SECRET, 1]]}}),
    ("missing_column", {"dataframe_split": {"columns": ["picture"], "data": [[SECRET]]}}),
    ("missing_column", {"dataframe_split": {"columns": ["image", "image"], "data": []}}),
    ("missing_column", {"dataframe_records": [{"picture": SECRET}]}),
    ("missing_column", {"inputs": {"picture": [SECRET]}}),
    ("missing_column", {"instances": [{"image": text(DARK)}, {}]}),
    ("bad_request", {"instances": [{"image": text(DARK)}, {"image": text(DARK), "note": SECRET}]}),
    ("bad_request", {"dataframe_split": {**SPLIT, "names": [SECRET]}}),
    ("bad_request", {"dataframe_split": {**SPLIT, "index": [1, 2]}}),
    ("bad_request", {"dataframe_split": {**SPLIT, "index": [[SECRET]]}}),
    ("bad_request", {"dataframe_split": {"columns": ["image", 7], "data": [[text(DARK), 1]]}}),
    ("bad_request", {"dataframe_split": {"columns": ["image", "a", "a"], "data": [[SECRET] * 3]}}),
    ("bad_request", json.dumps({"instances": [{"image": text(DARK)}]}).encode("utf-16")),
    ("bad_request", b"\xef\xbb\xbf" + json.dumps({"instances": [text(DARK)]}).encode()),
    ("missing_file", {"instances": []}),
    ("missing_file", {"inputs": {"image": []}}),
    ("bad_base64", {"inputs": {"image": [SECRET]}}),
    ("bad_base64", {"inputs": {"image": [text(DARK)[:-4] + "*" + text(DARK)[-4:]]}}),
    ("bad_base64", {"inputs": {"image": [text(DARK) + " "]}}),
    ("bad_base64", {"inputs": {"image": [text(DARK) + "\t\n"]}}),
    ("bad_base64", {"inputs": {"image": ["data:image/jpeg;base64," + text(DARK)]}}),
    ("bad_base64", {"inputs": {"image": [None]}}),
    ("bad_base64", {"dataframe_records": [{"image": 7}]}),
    ("too_many_files", {"inputs": {"image": [text(DARK)] * 5}}),
    *(
        ("bad_parameter", {"inputs": {"image": [text(DARK)]}, "params": params})
        for params in (
            [SECRET],
            {"treshold": 0.5},
            {"threshold": SECRET},
            {"threshold": True},
            {"threshold": 1.5},
            {"threshold": float("nan")},
            {"threshold": -1},
            {"threshold": -0.5},
            {"heatmap": 1},
            {"heatmap": "true"},
        )
    ),
]


@pytest.mark.parametrize(("code", "body"), BAD_BODIES)
def test_bad_bodies_are_refused_here_without_an_echo(lonely, code, body):
    """`lonely` has no scoring server: a refusal proves that nothing was sent on."""
    lonely.application.config["SETTINGS"] = lonely.application.config["SETTINGS"].model_copy(
        update={"max_files": 4}
    )
    data = body if isinstance(body, bytes) else json.dumps(body)
    answer = lonely.post("/invocations", data=data, content_type="application/json")
    assert answer.status_code == 400
    assert set(answer.json) == {"error"}
    assert answer.json["error"]["code"] == code
    assert SECRET not in answer.text
    assert len(answer.data) < 300


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "image/jpeg", "application/x-www-form-urlencoded", "multipart/form-data", ""],
)
def test_other_content_types_are_refused(lonely, content_type):
    answer = lonely.post("/invocations", data=f"image\n{SECRET}", content_type=content_type)
    assert answer.status_code == 415
    assert answer.json["error"] == {
        "code": "unsupported_media_type",
        "message": "The Content-Type must be application/json or text/csv.",
    }


def wrapped(image: bytes, end: str) -> str:
    """Return base64 in lines of 76 characters, as mail and `base64` without -w0 write it."""
    lines = [text(image)[at : at + 76] for at in range(0, len(text(image)), 76)]
    return end.join(lines) + end


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_line_breaks_within_base64_count_for_nothing(web, scoring_server, layout, end):
    body = {layout: LAYOUTS[layout]([wrapped(DARK, end), wrapped(BRIGHT, end)])}
    answer = web.post("/invocations", json=body)
    assert [r["verdict"] for r in answer.json["predictions"]] == ["authentic", "forged"]
    assert answer.json == requests.post(f"{scoring_server}/invocations", json=body).json()


def test_csv_is_scored_like_json(web):
    for body in (
        f"image\n{text(DARK)}\n{text(BRIGHT)}\n",
        f"\ufeffimage\r\n{text(DARK)}\r\n\r\n{text(BRIGHT)}",
        f'note,"image"\nx,"{wrapped(DARK, chr(10))}"\n"a,b",{text(BRIGHT)}\n',
    ):
        answer = web.post(
            "/invocations", data=body.encode(), content_type="text/csv; charset=utf-8"
        )
        assert answer.status_code == 200
        assert [r["verdict"] for r in answer.json["predictions"]] == ["authentic", "forged"]
        assert [r["format"] for r in answer.json["predictions"]] == ["JPEG", "PNG"]


@pytest.mark.parametrize(("code", "body"), [
    ("missing_column", b""),
    ("missing_column", b"picture\n" + SECRET.encode()),
    ("missing_column", b"image,image\n" + SECRET.encode() + b",x"),
    ("missing_file", b"image\n"),
    ("bad_base64", b"image\n" + SECRET.encode()),
    ("bad_request", b"image\n" + SECRET.encode() + b",x"),
    ("bad_request", b'image\n"' + SECRET.encode()),
    ("bad_request", b"image\n\xff\xfe" + SECRET.encode()),
    ("too_many_files", b"image\n" + b"QUJD\n" * 5),
])  # fmt: skip
def test_bad_csv_is_refused_here_without_an_echo(lonely, code, body):
    lonely.application.config["SETTINGS"] = lonely.application.config["SETTINGS"].model_copy(
        update={"max_files": 4}
    )
    answer = lonely.post("/invocations", data=body, content_type="text/csv")
    assert answer.status_code == 400
    assert answer.json["error"]["code"] == code
    assert SECRET not in answer.text


def test_csv_beyond_the_limit_is_too_large(web):
    answer = web.post("/invocations", data=b"image\n" + b"A" * (5 * 2**20), content_type="text/csv")
    assert answer.status_code == 413


def test_further_pages_are_noted(web):
    first, second = (Image.open(io.BytesIO(image)) for image in (DARK, BRIGHT))
    output = io.BytesIO()
    first.save(output, "TIFF", save_all=True, append_images=[second])
    note = "first_frame_only: the file has 2 pages; only the first was judged"
    answer = web.post("/invocations", json={"instances": [text(output.getvalue())]})
    assert answer.json["predictions"][0]["note"] == note
    upload = (io.BytesIO(output.getvalue()), "two.tif")
    answer = web.post("/predict", data={"file": [upload]}, content_type="multipart/form-data")
    assert answer.json["predictions"][0]["note"] == note


def test_a_body_beyond_the_limit_is_too_large(web):
    body = {"inputs": {"image": ["A" * (5 * 2**20)]}}
    answer = web.post("/invocations", json=body)
    assert answer.status_code == 413
    assert answer.json["error"] == {
        "code": "too_large",
        "message": "A request may be at most 4 MiB in size.",
    }
