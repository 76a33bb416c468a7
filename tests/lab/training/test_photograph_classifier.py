"""The classifier of photographs: what it learns from, what it is judged on, and its threshold."""

import numpy as np
import pandas as pd
import pytest

from forgery_lab.errors import DataError
from forgery_lab.evaluation import photographs
from forgery_lab.training import photograph_classifier
from forgery_pyfunc.picture_statistics import NAMES


def table(sizes, seed=0):
    """Rows of sources {name: (is_photograph, may_teach, pictures)}; a few columns tell the kind."""
    rng = np.random.default_rng(seed)
    parts = []
    for source, (is_photograph, may_teach, count) in sizes.items():
        values = rng.normal(size=(2 * count, len(NAMES))).astype(np.float32)
        values[:, :20] += 1 if is_photograph else -1
        part = pd.DataFrame(values, columns=list(NAMES))
        first = sum(len(one) for one in parts)
        parts.append(
            part.assign(
                picture=first + np.repeat(range(count), 2),
                rendition=np.tile([0, 1], count),
                source=source,
                is_photograph=is_photograph,
                may_teach=may_teach,
            )
        )
    return pd.concat(parts, ignore_index=True)


SIZES = {
    "cameras": (True, True, 30),
    "web": (True, True, 40),
    "restricted": (True, False, 20),
    "charts": (False, True, 30),
    "drawn": (False, True, 30),
    "screens": (False, True, 30),
}


@pytest.fixture(scope="module")
def rows():
    return table(SIZES)


@pytest.fixture(scope="module")
def fitted(rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photograph_classifier, "_MEMBERS", 2)
        patch.setattr(photograph_classifier, "_EPOCHS", 100)
        return photograph_classifier.fit(rows, ["screens"], seed=1, max_declined=0.05)


def test_it_tells_sources_that_it_has_not_seen(fitted, rows):
    called = fitted.unseen >= fitted.classifier.threshold
    labels = rows["is_photograph"].to_numpy()
    assert called[labels].mean() >= 0.9
    assert called[~labels].mean() <= 0.05


def test_sources_that_are_held_out_are_judged_by_the_classifier_itself(fitted, rows):
    held = (rows["source"] == "screens").to_numpy()
    again = 1 / (1 + np.exp(-fitted.classifier.logits(rows.loc[held, list(NAMES)].to_numpy())))
    assert np.abs(again - fitted.unseen[held]).max() < 1e-4


def test_figures_count_pictures_as_they_are_and_say_what_was_learnt_from(fitted, rows):
    figures = photographs.by_source(rows, fitted.unseen, fitted.classifier.threshold, ["screens"])
    by_name = {one.source: one for one in figures}
    assert [one.source for one in figures][:3] == ["cameras", "restricted", "web"]
    assert {name for name, one in by_name.items() if one.learnt_from} == {
        "cameras", "charts", "drawn", "web",
    }  # fmt: skip
    assert (by_name["web"].pictures, by_name["web"].renditions) == (40, 40)
    assert photographs.together(figures, is_photograph=False).of == 90


def test_one_kind_alone_teaches_nothing(rows):
    with pytest.raises(DataError, match="not one kind"):
        photograph_classifier.fit(rows[rows["is_photograph"]], (), seed=1)
