import json

import pytest

from forgery.client import Client, ClientError, read_records
from forgery.evidence.why import explained
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


@pytest.mark.parametrize("field", ["note", "explanation"])
def test_the_records_of_older_models_lack_a_field(field):
    old = {name: None for name in RECORD_FIELDS if name != field}
    (record,) = read_records(json.dumps({"predictions": [old]}).encode(), expected=1)
    assert getattr(record, field) is None


def test_a_server_tells_why_when_it_is_asked(front_end):
    client = Client(front_end)
    asked, plain = (client.score([picture(240)], explain=asked)[0] for asked in (True, False))
    assert plain.explanation is None
    explanation = explained(asked)
    assert [one.family for one in explanation.contributions] == ["residual"]
    assert client.analyze("a.jpg", picture(240)).why.reasons[0].title == "Grain and error levels"
