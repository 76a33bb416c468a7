import subprocess
import sys

import numpy as np

from forgery.evidence.analysis import drawings, explanation, gather
from forgery.evidence.views import VIEWS
from forgery.evidence.views.method import Drawing, Picture, ViewMethod
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.jpeg_encoder import encode
from tests.forgery.evidence.scenes import png, saved, scene


def test_needs_numpy_and_pillow_only():
    code = (
        "import sys, forgery.evidence.analysis; "
        "heavy = {'onnxruntime', 'mlflow', 'pandas', 'scipy', 'tensorflow'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_new_view_is_drawn_as_soon_as_it_is_registered(monkeypatch):
    luma = ViewMethod(
        "Luma", "The brightness.", lambda p: Drawing(p.upright(p.image.luma), "Dark.")
    )
    monkeypatch.setitem(VIEWS, "luma", luma)
    data = encode(scene(64, 96), quality=80)
    view = gather(data, Limits(), list(VIEWS)).views[-1]
    assert (view.name, view.title, view.explanation) == ("luma", "Luma", "The brightness. Dark.")


def test_the_ghosts_of_a_whole_image_are_told_as_a_hint_of_an_earlier_save():
    [(_, drawing)] = drawings(Picture(png(saved(scene(), 75))), ["ghosts"])
    said = "The whole image matches a re-save at quality 75: a hint of an earlier save."
    assert explanation("ghosts", drawing).endswith(said)
    [(_, drawing)] = drawings(Picture(png(scene())), ["ghosts"])
    assert explanation("ghosts", drawing) == VIEWS["ghosts"].explanation


def test_a_picture_that_is_too_small_for_a_view_is_shown_without_it():
    assert list(drawings(Picture(png(np.zeros((20, 20, 3), np.uint8))), ["grid"])) == []
