import pytest

from webui.application import create_app
from webui.feedback_store import StoreError
from webui.settings import Settings


def test_a_store_that_cannot_be_opened_stops_the_start(tmp_path):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database" * 100)
    for path in (broken, tmp_path / "missing" / "feedback.db"):
        with pytest.raises(StoreError, match="FEEDBACK_DB"):
            create_app(Settings(feedback_db=str(path)))
