from forgery.evidence.facts.tables import table_origin
from forgery_pyfunc.imaging.jpeg_encoder import encode
from forgery_pyfunc.imaging.jpeg_header import read_header, standard_table
from tests.forgery.evidence.scenes import scene


def test_table_origin():
    plain = table_origin(read_header(encode(scene(64, 64), quality=83)))
    assert (plain.program, plain.setting) == ("libjpeg", "quality 83")
    swapped = [standard_table(83, chroma=True).ravel(), standard_table(83).ravel()]
    unknown = table_origin(read_header(encode(scene(64, 64), tables=swapped)))
    assert unknown.program is None
    assert "nearest to standard quality" in unknown.explanation
