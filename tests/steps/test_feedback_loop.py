"""From what strangers say to the gate: 200 answers, 20 of them wrong, reviewed and learnt from."""

import base64
import re
import shutil

import pandas as pd
import pytest

from steps.registry.model_registry import Registry
from tests.conftest import write_pictures
from tests.lab.sources.test_feedback import add, key
from tests.steps.conftest import Clone
from tests.stores import move_store, tracking
from webui.feedback_store import Store
from webui.review import create_app
from webui.settings import Settings

pytestmark = pytest.mark.slow

KEY = "a key of some length"
OTHER = {"authentic": "forged", "forged": "authentic"}
LABELS = {"Au": "authentic", "Tp": "forged"}


@pytest.fixture
def clone(trained, tmp_path) -> Clone:
    """A copy of the trained clone, for a second model."""
    shutil.copytree(trained.root, tmp_path / "clone", symlinks=True)
    move_store(tmp_path / "clone", trained.root)
    return Clone(tmp_path / "clone")


def test_what_reviewers_correct_is_learnt_from_and_judged_by_the_gate(clone, tmp_path):
    store = Store(str(clone.root / "feedback.db"))
    truth = given_feedback(store, tmp_path / "pictures")
    assert len(truth) == 200
    review(clone, truth)

    clone.step("ingest", "--source", "feedback")
    manifest = pd.read_parquet(clone.root / "data/manifest.parquet")
    learnt = {row.sha256: row.label for row in manifest.itertuples()}
    assert learnt == {name: label == "forged" for name, label in truth.items()}
    assert set(manifest["reviewed_by"]) == {"Rita"}

    for step in ("preprocess", "train", "evaluate", "register"):
        clone.step(step)
    said = clone.step("promote", "--stage", "Staging", expect=None)
    with tracking(clone.environment["MLFLOW_TRACKING_URI"]):
        version = Registry("forgery-detector").by_number(2)
    is_promoted = version.tags.get("stage") == "Staging"
    assert f"version 2 is {'' if is_promoted else 'not '}promoted" in said
    assert "against" in version.tags["promotion.gate" if is_promoted else "gate.refusal"]

    withdrawn = next(iter(truth))
    told = clone.run("forgery", "learnt", withdrawn, expect=1).splitlines()
    assert any(re.search(r"version 2 .*learnt from it", line) for line in told), told


def given_feedback(store: Store, folder) -> dict[str, str]:
    """Give 200 pictures as feedback, every tenth with a wrong label; return their true labels."""
    write_pictures(folder, 100, seed=77)
    truth = {}
    for name, label in LABELS.items():
        for number, path in enumerate(sorted((folder / name).iterdir())):
            image = path.read_bytes()
            add(store, image, OTHER[label] if number % 10 == 3 else label, reviewed=None)
            truth[key(image)] = label
    return truth


def review(clone: Clone, truth: dict[str, str]) -> None:
    """Decide on every picture on the page for it, as its reviewer knows it."""
    page = create_app(Settings(feedback_db=str(clone.root / "feedback.db")), KEY).test_client()
    login = {"Authorization": f"Basic {base64.b64encode(f'Rita:{KEY}'.encode()).decode()}"}
    while "Everything is reviewed" not in (shown := page.get("/", headers=login).text):
        (sha256,) = set(re.findall(r"[0-9a-f]{64}", shown)) & set(truth)
        fields = dict(re.findall(r'name="(receipt|token)" value="([^"]+)"', shown))
        decided = page.post("/decide", data=fields | {"decision": truth[sha256]}, headers=login)
        assert decided.status_code == 303
