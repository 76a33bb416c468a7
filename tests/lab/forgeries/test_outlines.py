import numpy as np

from forgery_lab.forgeries.outlines import outline


def test_an_object_outline_follows_the_object():
    """A bright disc on a dark ground: the outline found there is the disc's."""
    y, x = np.mgrid[0:240, 0:320]
    disc = np.hypot(y - 120, x - 160) < 50
    picture = np.where(disc[..., None], (220, 180, 60), (30, 50, 70)).astype(np.uint8)
    overlaps = []
    for seed in range(5):
        found = outline(picture, "object", disc.mean(), np.random.default_rng(seed)) > 0.5
        overlaps.append((found & disc).sum() / (found | disc).sum())
    assert np.median(overlaps) > 0.85
