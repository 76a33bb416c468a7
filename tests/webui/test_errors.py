import re
from pathlib import Path

import webui
from forgery_pyfunc.contract import ERROR_CODES, PARAMETER_CODE
from webui.errors import STATUS_OF_CODE

ROOT = Path(webui.__file__).parents[1]
RAISED = re.compile(r'(?:Error|CodedMessage)\((?:[^"()]*|"[^"]* [^"]*", )"([a-z]+_[a-z_]+)"')


def test_every_code_of_the_contract_has_its_status():
    assert {*ERROR_CODES, PARAMETER_CODE} <= set(STATUS_OF_CODE)


def test_every_code_that_is_raised_here_has_its_status():
    sources = [*ROOT.glob("webui/**/*.py"), ROOT / "forgery" / "client.py"]
    raised = {code for source in sources for code in RAISED.findall(source.read_text("utf-8"))}
    assert {"bad_request", "consent_needed", "feedback_full", "scoring_server_busy"} <= raised
    assert raised <= set(STATUS_OF_CODE)
