"""Findings in the metadata: what they say, and that no file makes the reader work without end."""

import io
import time
import zlib

import pytest
from PIL import ExifTags, Image, PngImagePlugin

from forgery.evidence.facts.file_facts import read_file_facts
from forgery.evidence.facts.finding import NOT_JUDGED, ai_notice
from forgery.evidence.facts.provenance import read_provenance
from forgery.evidence.facts.xmp import MAX_BYTES, read_xmp
from forgery_pyfunc.imaging import png
from forgery_pyfunc.imaging.decoding import decode
from tests.forgery.evidence.scenes import scene, with_exif, xmp

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def findings(data):
    return {finding.code: finding for finding in read_provenance(data).findings}


def jpeg(elements="", attributes="", exif=b""):
    return with_exif(scene(64, 64), exif, xmp=xmp(elements, attributes))


def with_texts(compressed=False, **texts):
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key.replace("_", "-") if key == "sd_metadata" else key, text, compressed)
    output = io.BytesIO()
    Image.fromarray(scene(64, 64)).save(output, "PNG", pnginfo=info)
    return output.getvalue()


@pytest.mark.parametrize(
    ("texts", "name"),
    [
        ({"parameters": "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7"}, "Stable Diffusion"),
        ({"parameters": '{"sui_image_params": {}}'}, "SwarmUI"),
        ({"prompt": '{"3": {"class_type": "KSampler"}}'}, "ComfyUI"),
        ({"workflow": '{"last_node_id": 9, "nodes": []}'}, "ComfyUI"),
        ({"invokeai_metadata": "{}"}, "InvokeAI"),
        ({"sd_metadata": "{}"}, "InvokeAI"),
        ({"fooocus_scheme": "a1111"}, "Fooocus"),
        ({"Software": "NovelAI"}, "NovelAI"),
        (
            {"Description": "a cat --v 6 Job ID: 0d3f6e0a-3c7e-4b5e-9a51-0a0b0c0d0e0f"},
            "Midjourney",
        ),
    ],
)
@pytest.mark.parametrize("compressed", [False, True])
def test_the_texts_of_generators_are_found(texts, name, compressed):
    found = findings(with_texts(compressed, **texts))["ai_generated"]
    assert name in found.text
    assert found.weight == "moderate"


@pytest.mark.parametrize(
    "texts",
    [
        {"parameters": "of a camera"},
        {"prompt": "Press a key"},
        {"Software": "Imagenomic Portraiture"},
        {"Description": "A cat"},
    ],
)
def test_other_texts_are_no_generators(texts):
    assert "ai_generated" not in findings(with_texts(**texts))


def test_the_comment_in_exif_and_the_credit_in_xmp_name_generators():
    for encoding, text in (("ASCII\0\0\0", "utf-8"), ("UNICODE\0", "utf-16-be")):
        exif = Image.Exif()
        comment = encoding.encode() + "a cat\nSteps: 20, Sampler: Euler".encode(text)
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = comment
        data = with_exif(scene(64, 64), exif)
        assert "Stable Diffusion" in findings(data)["ai_generated"].text
    credit = jpeg(attributes='photoshop:Credit="Made with Google AI"')
    assert "Google" in findings(credit)["ai_generated"].text


def test_the_digital_source_type_is_told_and_what_it_says_of_ai():
    for name, code in (
        ("trainedAlgorithmicMedia", "ai_generated"),
        ("compositeWithTrainedAlgorithmicMedia", "ai_composite"),
        ("digitalCapture", "digital_source_type"),
    ):
        found = findings(jpeg(attributes=f'Iptc4xmpExt:DigitalSourceType="{IPTC}{name}"'))
        assert code in found
        assert ("ai_generated" in found) is (code == "ai_generated")


def test_the_answer_says_that_nobody_judged_whether_ai_made_it():
    said = read_provenance(with_texts(fooocus_scheme="a")).findings
    notice = ai_notice(said)
    assert notice is not None
    assert notice.endswith(NOT_JUDGED)
    assert ai_notice(read_provenance(jpeg()).findings) is None


def test_history_and_other_documents_are_told():
    entries = "".join(
        f"<rdf:li stEvt:action='{action}' stEvt:softwareAgent='Adobe Photoshop 25.1'/>"
        for action in ("created", "converted", "saved")
    )
    ancestors = "<rdf:Bag><rdf:li>a</rdf:li><rdf:li>b</rdf:li></rdf:Bag>"
    found = findings(
        jpeg(
            f"<xmpMM:History><rdf:Seq>{entries}</rdf:Seq></xmpMM:History>"
            f"<photoshop:DocumentAncestors>{ancestors}</photoshop:DocumentAncestors>"
        )
    )
    assert found["edit_history"].text == (
        "The XMP history notes 3 steps, the last of them: saved by Adobe Photoshop 25.1."
    )
    assert "2 other documents" in found["other_documents"].text
    assert found["editing_program"].text == (
        "The file names an editing program: Adobe Photoshop 25.1."
    )


def test_a_camera_is_a_weak_finding_and_none_is_one_too():
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Maker", "M1"
    found = findings(with_exif(scene(64, 64), exif))
    assert (found["camera"].text, found["camera"].weight) == (
        "EXIF names a camera: Maker M1.",
        "weak",
    )
    assert "no_metadata" in findings(with_exif(scene(64, 64), b""))


def test_findings_come_by_weight_and_are_the_remarks_of_the_facts():
    data = jpeg(attributes=f'Iptc4xmpExt:DigitalSourceType="{IPTC}trainedAlgorithmicMedia"')
    facts = read_file_facts(data, decode(data))
    assert [finding.weight for finding in facts.findings] == ["moderate", "weak"]
    assert facts.remarks == [finding.text for finding in facts.findings]


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
        + b"".join(b'<!ENTITY b%d "%s">' % (n, b"&a;" * 99) for n in range(99))
        + b"]><a>&b9;</a>",
        b"<a>",
        b"<a xmlns:b='c' b:d='e'/><f/>",
        b"\xff\xfe\x00",
        b"<?xml version='1.0' encoding='klingon'?><a/>",
        b"<a>" + bytes(MAX_BYTES),
    ],
)
def test_xmp_that_is_no_plain_xml_counts_as_damaged(packet):
    assert read_xmp(packet).damaged
    data = with_exif(scene(64, 64), b"", xmp=packet) if len(packet) < 60_000 else None
    if data:
        assert "metadata_damaged" in findings(data)


def test_a_deep_packet_takes_bounded_time():
    depth = MAX_BYTES // 8
    began = time.process_time()
    packet = read_xmp(b"<a>" * depth + b"</a>" * depth)
    assert packet.values("xmp:CreatorTool") == []
    assert time.process_time() - began < 5


def test_endless_lists_are_cut():
    entries = "<rdf:li stEvt:action='saved'/>" * 1000
    packet = read_xmp(xmp(f"<xmpMM:History><rdf:Seq>{entries}</rdf:Seq></xmpMM:History>"))
    assert len(packet.items("xmpMM:History")) == 100


def test_texts_of_a_png_are_bounded():
    def chunk(kind, body):
        checksum = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + checksum

    plain = with_texts()
    bomb = chunk(b"zTXt", b"bomb\0\0" + zlib.compress(bytes(50 * 2**20)))
    broken = chunk(b"zTXt", b"broken\0\0no stream")
    many = b"".join(chunk(b"tEXt", b"%d\0text" % number) for number in range(200))
    found = png.texts(plain[:33] + bomb * 9 + broken + many + plain[33:])
    assert len(found["bomb"]) < 2**20
    assert "broken" not in found
    assert found["7"] == "text"
    assert len(found) <= 50


class AskedError(Exception):
    """A reader was asked."""


def asked(data):
    """Return whether a reader is asked what a file holds beside its pixels."""

    class Reader:
        def read_metadata(self, data, limits=None):
            raise AskedError

    try:
        found = read_provenance(data, reader=Reader())
    except AskedError:
        return True
    assert [finding.code for finding in found.findings] == ["no_metadata"]
    return False


def test_only_a_jpeg_that_states_nothing_is_not_read():
    bare, other = io.BytesIO(), io.BytesIO()
    Image.fromarray(scene(64, 64)).save(bare, "JPEG", icc_profile=b"profile")
    Image.fromarray(scene(64, 64)).save(other, "PNG")
    assert not asked(bare.getvalue())
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "maker"
    assert asked(with_exif(scene(64, 64), exif.tobytes()))
    assert asked(jpeg("<a/>"))
    assert asked(other.getvalue())
    assert asked(b"text")
