"""Records of uploads with what the files state of their origin."""

from pydantic import TypeAdapter

from forgery.evidence.facts.provenance import read_provenance
from forgery_pyfunc.contract import Record
from tests.forgery.evidence.scenes import scene, with_exif, xmp
from tests.forgery.evidence.signing import signer
from webui.jobs.store import RESULT_BYTES
from webui.records import FileRecord, Predictions, of_file, with_origin
from webui.uploads import MAX_NAME

RECORD = Record(verdict="forged", probability=0.9, width=96, height=96, format="JPEG")


def test_a_record_has_the_credentials_and_the_findings_of_its_file():
    signed = signer("Anna").sign(with_exif(scene(96, 96), b""), "trainedAlgorithmicMedia")
    record = with_origin(of_file("a.jpg", RECORD), read_provenance(signed))
    answer = Predictions(predictions=[record]).model_dump()["predictions"][0]
    assert answer["probability"] == 0.9
    assert answer["content_credentials"]["state"] == "untrusted"
    assert answer["content_credentials"]["ai_generated"] == "generated"
    assert set(answer["content_credentials"]) == {"state", "signer", "ai_generated", "explanation"}
    assert answer["findings"][0]["code"] == "ai_generated"


def test_no_record_of_a_job_is_longer_than_its_store_counts():
    wide = "\U0001f600" * 1000
    history = "".join(
        f"<rdf:li stEvt:action='{wide}' stEvt:softwareAgent='Photoshop {wide}'/>" for _ in range(3)
    )
    stated = (
        f"<xmpMM:History><rdf:Seq>{history}</rdf:Seq></xmpMM:History>"
        f"<dcterms:provenance>https://{wide}</dcterms:provenance>"
        f"<Iptc4xmpExt:DigitalSourceType>{wide}</Iptc4xmpExt:DigitalSourceType>"
    )
    data = with_exif(scene(96, 96), b"", xmp=xmp(stated))
    record = with_origin(of_file("\U0001f600" * MAX_NAME, RECORD), read_provenance(data))
    assert {"edit_history", "editing_program"} <= {each.code for each in record.findings}
    assert 4000 < len(TypeAdapter(FileRecord).dump_json(record)) < RESULT_BYTES
