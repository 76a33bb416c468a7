"""The named kind, on forgeries that are made here and that the shipped detector finds."""

from collections import Counter

import numpy as np
import pytest

from forgery.evidence.why import explained
from forgery_lab.forgeries import scenes
from forgery_lab.forgeries.forging import KINDS, forge
from forgery_lab.forgeries.pictures import Save
from forgery_pyfunc import Detector
from forgery_pyfunc.imaging.decoding import decode
from forgery_pyfunc.imaging.jpeg_encoder import encode

pytestmark = pytest.mark.slow

NUMBER = 45
TURNED = {"turn", "scale", "mirror"}
COPIED = {"copy-move", "removal"}
"""Kinds that put a part of the picture there again."""


def forged(number: int):
    """A forgery of a scene that was saved once before, and whether a copy is to be named.

    Whether it is, is None where both is right: a clone stamp and patches copy, too, little by
    little; of copies that were turned or scaled none can be found yet.
    """
    rng = np.random.default_rng([5, number])
    kind = KINDS[number % len(KINDS)]
    scene, other = (
        scenes.render(str(rng.choice(scenes.CATEGORIES)), rng, 256, 384) for _ in range(2)
    )
    host = decode(encode(scene, quality=int(rng.integers(60, 85)))).pixels
    made = forge(host, [other], kind, rng, Save(None), crude=bool(rng.random() < 0.5))
    data = encode(made.pixels, quality=int(rng.integers(88, 96)))
    names = {operation["name"] for operation in made.record.operations}
    methods = {operation.get("method") for operation in made.record.operations}
    if methods & {"stamp", "exemplar"} or (kind == "copy-move" and names & TURNED):
        return data, None
    return data, kind in COPIED


def test_the_kind_is_right_for_four_of_five_that_are_called_forged():
    detector, right = Detector.shipped(), Counter()
    for number in range(NUMBER):
        data, copied = forged(number)
        record = detector.score(data, with_explanation=True)
        if record.verdict == "forged" and copied is not None:
            right[(explained(record).kind == "copy") == copied] += 1
    assert right.total() >= NUMBER // 2
    assert right[True] >= 0.8 * right.total(), right
