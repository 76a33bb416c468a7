import io
from dataclasses import replace

from pypdf import PdfReader

from forgery.evidence.analysis import analyse
from forgery.report.pdf import draw, report_name
from forgery_pyfunc.contract import Record
from forgery_pyfunc.explanation import Contribution
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.evidence.scenes import scene
from tests.forgery.evidence.test_why import COPY, NOTHING


def test_a_report_is_drawn_without_any_server():
    explanation = replace(
        NOTHING, kind="copy", copies=(COPY,), contributions=(Contribution("copymove", 3.0),)
    )
    record = Record(
        verdict="forged",
        probability=0.97,
        model_version="m/1",
        t_lo=0.2,
        t_hi=0.9,
        width=400,
        height=200,
        explanation=explanation.to_json(),
    )
    analysis = analyse("säge.jpg", encode(scene(), quality=80), record, Limits())
    pdf = PdfReader(io.BytesIO(draw(analysis, "1.2.3")))
    text = " ".join(page.extract_text() for page in pdf.pages)
    for part in (
        "Signs of forgery",
        "97.0 %",
        "säge.jpg",
        "m/1",
        "does not provide a map",
        "Mainly because places in the picture",
        "Copied places (+3.0)",
        "Strong evidence. The places A1 and A2",
        "Doubts",
        "what has one letter looks the same",
        "1.2.3",
    ):
        assert part in text
    plain = draw(analysis.model_copy(update={"why": None}), "1.2.3")
    assert "Why" not in PdfReader(io.BytesIO(plain)).pages[0].extract_text()
    assert report_name(analysis) == "s_ge-report.pdf"
