"""The report on one picture as a PDF."""

import io
import re
from xml.sax.saxutils import escape

from PIL import Image as PillowImage
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import (
    Flowable,
    Image,
    KeepTogether,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
    TableStyle,
)

from forgery.evidence import frames
from forgery.evidence.analysis import Analysis
from forgery.evidence.facts.finding import NOT_IN_THE_PROBABILITY, ai_notice
from forgery.evidence.pictures import laid_over, of_data_uri
from forgery.evidence.verdict import percent

VERDICT_COLOURS = {"forged": "#a8123c", "authentic": "#0a6449", "inconclusive": "#6b5000"}
LINE = colors.HexColor("#c3ccd5")
WIDTH = A4[0] - 36 * mm - 12  # the frame keeps 6 points on either side
MAX_TEXT = 600
"""Characters of one value: what a file says of itself may be as long as it likes."""
Columns = list[tuple[str, PillowImage.Image | None]]

for name, file in (("Vera", "Vera.ttf"), ("Vera-Bold", "VeraBd.ttf")):
    pdfmetrics.registerFont(TTFont(name, file))  # embedded, so that the report prints anywhere
pdfmetrics.registerFontFamily("Vera", normal="Vera", bold="Vera-Bold", italic="Vera")

BODY = ParagraphStyle("body", fontName="Vera", fontSize=9, leading=13)
SMALL = ParagraphStyle("small", BODY, fontSize=7.5, leading=10, textColor="#4d5a67")
TITLE = ParagraphStyle("title", BODY, fontName="Vera-Bold", fontSize=17, leading=22)
HEADING = ParagraphStyle(
    "heading", BODY, fontName="Vera-Bold", fontSize=11, leading=15, spaceBefore=9, spaceAfter=4
)


def report_name(analysis: Analysis) -> str:
    """Return an ASCII file name for the report."""
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", analysis.filename.rsplit(".", 1)[0]).strip("._")
    return f"{stem or 'picture'}-report.pdf"


def draw(analysis: Analysis, version: str) -> bytes:
    """Return the bytes of a PDF: verdict, map, evidence, hash, model, limits of the method.

    Args:
        analysis: of the picture.
        version: of this software, for the footer.
    """
    buffer = io.BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=A4,
        leftMargin=18 * mm,
        rightMargin=18 * mm,
        topMargin=16 * mm,
        bottomMargin=18 * mm,
        title=f"Forgery report: {printable(analysis.filename)}",
        author="Forgery detector",
        lang="en",
    )
    story = [*_verdict(analysis), *_maps(analysis), *_why(analysis)]
    story += [*_views(analysis), *_facts(analysis)]
    story += [Paragraph("Limits of the method", HEADING), _text(analysis.limits_of_the_method)]
    footer = f"{analysis.sha256[:16]}… · {analysis.analysed_at} · forgery-detector {version}"

    def on_page(canvas, _document) -> None:  # type: ignore[no-untyped-def]
        canvas.setFont("Vera", 7)
        canvas.setFillColor(colors.HexColor("#4d5a67"))
        canvas.drawString(18 * mm, 10 * mm, footer)
        canvas.drawRightString(A4[0] - 18 * mm, 10 * mm, f"Page {canvas.getPageNumber()}")

    document.build(story, onFirstPage=on_page, onLaterPages=on_page)
    return buffer.getvalue()


def printable(text: str) -> str:
    """Return text with the characters that the report's font lacks replaced by a box."""
    glyphs = pdfmetrics.getFont("Vera").face.charToGlyph
    return "".join(character if ord(character) in glyphs else "\u25a1" for character in text)


def cut(text: str) -> str:
    """Return text that fits on a page."""
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _text(text: str, style: ParagraphStyle = BODY) -> Paragraph:
    return Paragraph(escape(printable(text)), style)


def _verdict(analysis: Analysis) -> list[Flowable]:
    record = analysis.record
    colour = VERDICT_COLOURS.get(record.verdict or "", "#16212b")
    headline = f'<font color="{colour}"><b>{escape(analysis.headline)}</b></font>'
    if record.probability is not None:
        headline += f" · probability of alteration {percent(record.probability)}"
    rows = [
        ("File", analysis.filename),
        ("SHA-256", analysis.sha256),
        ("Analysed", f"{analysis.analysed_at} (UTC)"),
        ("Model", record.model_version or "unknown"),
    ]
    if record.t_lo is not None and record.t_hi is not None:
        scale = (
            f"below {percent(record.t_lo)} no signs, from {percent(record.t_hi)} signs of forgery"
        )
        rows.append(("Scale", f"{scale}, in between no decision"))
    return [
        Paragraph("Image forgery report", TITLE),
        Paragraph(headline, ParagraphStyle("verdict", BODY, fontSize=12, leading=18)),
        _text(analysis.meaning),
        *([_text(notice)] if (notice := ai_notice(analysis.evidence.facts.findings)) else []),
        Spacer(1, 3 * mm),
        _table(rows),
        Spacer(1, 4 * mm),
    ]


def _maps(analysis: Analysis) -> list[Flowable]:
    picture = _load(analysis.evidence.picture).convert("RGB")
    columns: Columns = [("The picture", picture)]
    for caption, overlay in (
        ("Heat map: coloured from 30 % of its scale on", analysis.heat_overlay),
        ("Mask: from 50 % of the scale on", analysis.mask_overlay),
    ):
        if overlay:
            columns.append((caption, laid_over(picture, of_data_uri(overlay))))
    if len(columns) == 1:
        columns.append(("This model does not provide a map.", None))
        return [_pictures(columns)]
    return [_pictures(columns), _text(analysis.map_scale, SMALL)]


def _why(analysis: Analysis) -> list[Flowable]:
    why = analysis.why
    if why is None:
        return []
    rows = [
        (f"{reason.title} ({reason.weight})", f"{reason.strength.capitalize()}. {reason.text}")
        for reason in why.reasons
    ]
    if why.doubts:
        rows.append(("Doubts", " ".join(why.doubts)))
    story: list[Flowable] = [Paragraph("Why", HEADING), _text(why.summary), _table(rows)]
    if why.copies_overlay:
        picture = _load(analysis.evidence.picture).convert("RGB")
        framed = laid_over(picture, of_data_uri(why.copies_overlay))
        story += [Spacer(1, 2 * mm), _pictures([(frames.CAPTION, framed)])]
    return [*story, Spacer(1, 1 * mm), _text(why.scale, SMALL)]


def _views(analysis: Analysis) -> list[Flowable]:
    story: list[Flowable] = [Paragraph("Evidence", HEADING)]
    views = analysis.evidence.views
    for start in range(0, len(views), 2):
        pair = views[start : start + 2]
        story.append(_pictures([(f"{v.title}. {v.explanation}", _load(v.image)) for v in pair]))
        story.append(Spacer(1, 2 * mm))
    return story


def _facts(analysis: Analysis) -> list[Flowable]:
    facts = analysis.evidence.facts
    rows = [
        ("Format", f"{facts.format}, {facts.width} × {facts.height}, {facts.file_bytes:,} bytes"),
        ("Lossy saves suspected", facts.compressions),
    ]
    if facts.jpeg:
        rows += [
            ("JPEG quality", f"{facts.jpeg.quality}, subsampling {facts.jpeg.subsampling}"),
            ("Tables typical of", f"{facts.jpeg.written_by} ({facts.jpeg.table_hash})"),
        ]
    rows += list(facts.metadata.items())
    if facts.location:
        rows.append(("Location", facts.location))
    if facts.thumbnail:
        rows.append(("Embedded thumbnail", facts.thumbnail.comment))
    found = [(f"Weight: {each.weight}", f"{each.text} {each.meaning}") for each in facts.findings]
    return [
        KeepTogether([Paragraph("File facts", HEADING), _table(rows)]),
        Paragraph("Content credentials and findings", HEADING),
        _text(NOT_IN_THE_PROBABILITY, SMALL),
        _table([*facts.content_credentials.in_words().items(), *found]),
    ]


def _table(rows: list[tuple[str, str]]) -> Table:
    cells = [[_text(name, SMALL), _text(cut(text))] for name, text in rows]
    table = Table(cells, colWidths=[38 * mm, WIDTH - 38 * mm], hAlign="LEFT", splitInRow=1)
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
        ("TOPPADDING", (0, 0), (-1, -1), 2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
    ]
    table.setStyle(TableStyle(style))
    return table


def _pictures(columns: Columns) -> Table:
    """Return pictures side by side with captions below."""
    width = WIDTH / max(len(columns), 2)
    row = [_picture(image, width - 4 * mm) if image else "" for _, image in columns]
    captions = [_text(caption, SMALL) for caption, _ in columns]
    table = Table([row, captions], colWidths=[width] * len(columns), hAlign="LEFT")
    style = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("RIGHTPADDING", (0, 0), (-1, -1), 4 * mm),
    ]
    table.setStyle(TableStyle(style))
    return table


def _picture(image: PillowImage.Image, width: float, height: float = 62 * mm) -> Image:
    scale = min(width / image.width, height / image.height)
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=88)
    return Image(buffer, image.width * scale, image.height * scale, hAlign="LEFT")


def _load(uri: str) -> PillowImage.Image:
    return PillowImage.open(io.BytesIO(of_data_uri(uri)))
