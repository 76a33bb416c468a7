import json

import pytest

from forgery.client import Client, ClientError, read_records
from forgery_pyfunc.contract import RECORD_FIELDS
from tests.webui.pictures import picture


def test_the_client_gives_typed_answers(front_end):
    client = Client(front_end)
    assert [r.verdict for r in client.score([picture(20), b"?"])] == ["authentic", None]
    analysis = client.analyze("a.jpg", picture(240))
    assert analysis.record.verdict == "forged"
    assert analysis.evidence.facts.format == "JPEG"
    with pytest.raises(ClientError, match="not a picture") as refusal:
        client.analyze("a.jpg", b"hello")
    assert refusal.value.code == "not_an_image"


def test_the_records_of_older_models_have_no_note():
    old = {name: None for name in RECORD_FIELDS if name != "note"}
    (record,) = read_records(json.dumps({"predictions": [old]}).encode(), expected=1)
    assert record.note is None
