"""Worst and best come with pictures and maps."""

from forgery_lab.evaluation import mistakes
from tests.lab.evaluation.conftest import OPTIONS


def test_worst_and_best_come_with_pictures_and_maps(data_set, judged):
    rows, root = data_set
    found = mistakes.worst_and_best(judged, root, OPTIONS, number=2)
    assert len(found.best) == 2
    categories = rows.set_index("path")["category"]
    assert categories[found.best[0].path] != categories[found.best[1].path]
    for one in found.best:
        assert one.label == 1
        assert one.heatmap.shape == one.mask.shape == one.picture.shape[:2]
