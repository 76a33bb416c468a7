"""The list of sealed originals."""

from forgery_lab.sources.sealed import sealed, sealed_makes


def test_sealed_originals_are_named_by_their_whole_digest():
    assert len(sealed()) >= 60
    assert all(len(one) == 64 and int(one, 16) for one in sealed())


def test_makes_that_most_training_pictures_come_from_are_not_sealed():
    assert len(sealed_makes()) >= 20
    assert not sealed_makes() & {"canon", "sony", "fujifilm", "samsung"}
    assert {"nikon", "apple", "olympus"} <= sealed_makes()
