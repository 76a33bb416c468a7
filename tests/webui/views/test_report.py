import io

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from forgery.evidence.views import VIEWS
from tests.forgery.evidence.scenes import xmp
from tests.webui.pictures import encode, form

PIXELS = np.random.default_rng(1).normal(242, 2, (128, 160, 1)).repeat(3, axis=2).astype(np.uint8)
PIXELS[32:64, 40:80] = 90
BRIGHT = encode(PIXELS)


@pytest.mark.parametrize("name", ["suspect.jpg", "Überraschung 😀 漢字.jpg"])
def test_the_report_holds_verdict_hash_model_date_and_limits(web, name):
    answer = web.post("/v1/report", data=form((BRIGHT, name)))
    assert answer.status_code == 200
    assert answer.mimetype == "application/pdf"
    assert "attachment" in answer.headers["Content-Disposition"]
    pdf = PdfReader(io.BytesIO(answer.data))
    text = " ".join(page.extract_text() for page in pdf.pages)
    for part in ["Signs of forgery", "92 %", "SHA-256", "stand-in/1", "(UTC)", "Limits of the"]:
        assert part in text
    for title in [*(view.title for view in VIEWS.values()), "File facts"]:
        assert title in text
    assert sum(len(page.images) for page in pdf.pages) == 3 + len(VIEWS)
    assert pdf.metadata.title.startswith("Forgery report")


def test_endless_metadata_are_cut_and_still_fill_a_page_or_two(web):
    exif = Image.Exif()
    exif[0x0131] = "Editor " + "x" * 5000
    steps = "".join(f"<rdf:li stEvt:softwareAgent='{n:0200}'/>" for n in range(90))
    history = xmp(f"<xmpMM:History><rdf:Seq>{steps}</rdf:Seq></xmpMM:History>")
    data = form((encode(PIXELS, "WEBP", exif=exif, xmp=history), "a" * 300 + ".webp"))
    answer = web.post("/v1/report", data=data)
    assert answer.status_code == 200
    pdf = PdfReader(io.BytesIO(answer.data))
    assert len(pdf.pages) < 6
    assert "…" in " ".join(page.extract_text() for page in pdf.pages)
    facts = web.post("/v1/evidence", data=form((encode(PIXELS, "WEBP", xmp=history), "a")))
    assert facts.json["facts"]["metadata"]["Software"].endswith("and 80 more")


@pytest.mark.parametrize("shape", [(3000, 8, 3), (8, 3000, 3)])
def test_a_strip_gets_a_report_too(web, shape):
    answer = web.post("/v1/report", data=form((encode(np.full(shape, 240, np.uint8)), "a.jpg")))
    assert answer.status_code == 200


def test_a_bad_file_gets_its_status_instead_of_a_report(web):
    answer = web.post("/v1/report", data=form((b"?", "a.jpg")))
    assert answer.status_code == 415
    assert answer.json["error"]["code"] == "not_an_image"


def test_a_browser_without_javascript_gets_the_report_from_the_plain_form(lonely):
    assert 'formaction="/v1/report"' in lonely.get("/").text
