"""How a JPEG was encoded, and which program typically writes its quantisation tables."""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, Field

from forgery_pyfunc.imaging.jpeg_header import JpegHeader, standard_table

# Table hashes of files in which Photoshop itself states the quality (image resource 0x0406).
_PHOTOSHOP_TABLES = {
    "8791564b5e03df2a": 5,
    "55373f16c70a5117": 6,
    "82fc8110c05f7364": 7,
    "24e8c3b3a0e5fdc4": 8,
    "594658bbd03425c5": 9,
    "9ff989f425c91033": 12,
}


class QuantisationTable(BaseModel):
    """One table of a JPEG."""

    component: str
    rows: list[list[int]] = Field(description="8 rows of 8 divisors, low frequencies first")


class JpegFacts(BaseModel):
    """How a JPEG was encoded."""

    quality: int = Field(description="nearest quality of the standard tables, 1 to 100")
    standard_tables: bool
    written_by: str = Field(description="which program typically writes such tables")
    subsampling: str
    process: str
    markers: list[str]
    table_hash: str
    tables: list[QuantisationTable]


@dataclass(frozen=True)
class TableOrigin:
    """Which program typically writes these quantisation tables, None when it is not known."""

    program: str | None
    setting: str | None
    explanation: str

    def __str__(self) -> str:
        program = f"{self.program}, {self.setting}. " if self.program else ""
        return program + self.explanation


def jpeg_facts(header: JpegHeader) -> JpegFacts:
    """Return how a JPEG was encoded."""
    tables: list[QuantisationTable] = []
    for name, values in zip(("luma", "chroma", "chroma red", "black"), header.tables, strict=False):
        rows = np.asarray(values).reshape(8, 8).tolist()
        if not tables or rows != tables[-1].rows:
            tables.append(QuantisationTable(component=name, rows=rows))
    return JpegFacts(
        quality=header.quality,
        standard_tables=header.standard,
        written_by=str(table_origin(header)),
        subsampling=header.subsampling,
        process=header.process,
        markers=list(header.markers),
        table_hash=header.table_hash,
        tables=tables,
    )


def table_origin(header: JpegHeader) -> TableOrigin:
    """Return which program typically writes the file's quantisation tables.

    Known are the tables that libjpeg scales from ITU-T T.81, Annex K, and those of Photoshop seen
    in files in which Photoshop itself states its quality setting. Cameras have tables of their own.
    """
    chroma = header.chroma_table
    plain_chroma = chroma is None or np.array_equal(chroma, standard_table(header.quality, True))
    if header.standard and plain_chroma:
        return TableOrigin(
            "libjpeg",
            f"quality {header.quality}",
            "Standard tables, as written by libjpeg and the many programs, sites and phones that "
            "use it.",
        )
    level = _PHOTOSHOP_TABLES.get(header.table_hash)
    if level is not None:
        return TableOrigin(
            "Adobe Photoshop",
            f"quality {level} of 12",
            "Photoshop's tables: saved by Photoshop, or by a program that preserves its tables.",
        )
    return TableOrigin(
        None,
        None,
        f"Non-standard tables, nearest to standard quality {header.quality}: most cameras and some "
        "editors write their own.",
    )
