import io

from pypdf import PdfReader

from forgery.evidence.analysis import analyse
from forgery.report.pdf import draw, report_name
from forgery_pyfunc.contract import Record
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.evidence.scenes import scene


def test_a_report_is_drawn_without_any_server():
    record = Record(verdict="forged", probability=0.97, model_version="m/1", t_lo=0.2, t_hi=0.9)
    analysis = analyse("säge.jpg", encode(scene(), quality=80), record, Limits())
    pdf = PdfReader(io.BytesIO(draw(analysis, "1.2.3")))
    text = " ".join(page.extract_text() for page in pdf.pages)
    for part in (
        "Signs of forgery",
        "97.0 %",
        "säge.jpg",
        "m/1",
        "does not provide a map",
        "1.2.3",
    ):
        assert part in text
    assert report_name(analysis) == "s_ge-report.pdf"
