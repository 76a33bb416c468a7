"""`release` with recalibrate=true: another calibration, and the same network."""

import mlflow
import numpy as np
import pytest
from PIL import Image

from forgery_lab.errors import DataError
from forgery_lab.export import writing
from forgery_lab.export.detector_folder import Description
from forgery_lab.files import write_whole
from forgery_lab.forgeries import scenes
from forgery_lab.sources import photographs
from forgery_lab.training import networks, release
from forgery_pyfunc.calibration import Calibration
from forgery_pyfunc.detector import FIGURES_FILE, KERAS_FILE, NETWORK_FILE, Detector
from forgery_pyfunc.features import channels
from steps.release import run
from steps.settings.configuration import ConfigurationManager
from steps.settings.entities import ReleaseSettings

pytestmark = pytest.mark.slow

FAMILIES = ("residual",)
HELD_OUT = 0


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Three camera originals of as many makes, and five photographs of the web."""
    root = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(4)
    for name in ("photos", "photos_web"):
        (root / name).mkdir()
    for number in range(3):
        exif = Image.Exif()
        exif[0x010F] = f"Make{number} Ltd"
        picture = Image.fromarray(scenes.render("nat", rng, 200, 260))
        picture.save(root / "photos" / f"{number}.jpg", quality=92, exif=exif)
    for number in range(5):
        picture = Image.fromarray(scenes.render("ind", rng, 160, 130))
        picture.save(root / "photos_web" / f"{number}.jpg", quality=69)
    return root


@pytest.fixture
def detector(tmp_path, photos):
    """A network that learnt nothing, and figures of it that nobody measured."""
    folder = tmp_path / "detector"
    names = channels(FAMILIES)
    model = networks.build("blocks", len(names), seed=1, width=8, relative=True)
    description = Description(
        name=release.NAME,
        network="blocks",
        features=FAMILIES,
        calibration=Calibration(chosen_on="nothing"),
        training={"epochs": 7},
        provenance={"git_commit": "0123"},
    )
    seen = release.training_manifest(photographs.find(photos), HELD_OUT)
    samples = [np.zeros((8, 8, len(names)), np.float32)]
    writing.write_detector(folder, model, samples, description, seen)
    write_whole(folder / FIGURES_FILE, "{}")
    return folder


def recalibrate(detector, photos, held_out=HELD_OUT):
    manager = ConfigurationManager()
    given = {"photos": str(photos), "output": str(detector), "held_out": str(held_out)}
    settings = manager.settings(ReleaseSettings, {**given, "draws": "1", "recalibrate": "true"})
    with mlflow.start_run():
        run(settings, manager.workspace(detector.parent / "workspace"))


def test_the_calibration_is_fitted_anew_and_the_network_stays(detector, photos, tracking_store):
    files = [detector / name for name in (NETWORK_FILE, KERAS_FILE)]
    before = [file.read_bytes() for file in files]
    recalibrate(detector, photos)
    assert [file.read_bytes() for file in files] == before
    after = Description.read(detector)
    assert after.calibration.chosen_on.startswith("1 camera originals of makes")
    assert after.calibration.block_temperature != 1.0
    assert after.training["epochs"] == 7
    assert after.training["held_out_false_alarms"]["camera pair"]["number"] == 18
    assert after.provenance["git_commit"] == "0123"
    assert not (detector / FIGURES_FILE).exists()
    assert Detector.load(detector).calibration == after.calibration


def test_what_the_network_learnt_from_calibrates_nothing(detector, photos, tracking_store):
    before = Description.read(detector)
    with pytest.raises(DataError, match="its network learnt from them"):
        recalibrate(detector, photos, held_out=1)
    assert Description.read(detector) == before
