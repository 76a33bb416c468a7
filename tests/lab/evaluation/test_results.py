"""Results: what was shipped still loads, and is written again as it was."""

import json

import pytest

from forgery import SHIPPED
from forgery_lab.errors import DataError
from forgery_lab.evaluation import conditions, results
from forgery_lab.evaluation.results import Evaluation
from forgery_pyfunc.detector import FIGURES_FILE
from tests.lab.evaluation.made import evaluation


def test_the_shipped_figures_are_written_as_they_were_read(tmp_path):
    shipped = SHIPPED / FIGURES_FILE
    read = results.read(shipped)
    assert read.auc(conditions.C).value == pytest.approx(0.789, abs=0.001)
    results.write(tmp_path / FIGURES_FILE, read)
    assert (tmp_path / FIGURES_FILE).read_bytes() == shipped.read_bytes()


def test_all_parts_of_an_evaluation_are_written_and_read_alike(evaluated):
    for one in (evaluation(), evaluated):
        values = one.to_dict()
        assert Evaluation.from_dict(json.loads(json.dumps(values))).to_dict() == values


def test_curves_can_be_left_out(evaluated):
    without = evaluated.without_curves().to_dict()
    assert not [one for one in without["protocols"].values() if "curves" in one]
    assert set(without["protocols"]) == set(evaluated.to_dict()["protocols"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "figures.json: Expecting"),
        ("{}", "not the figures of an evaluation: protocols: Field required"),
        ('{"protocols": {"G": {}}}', "condition 'G' is unknown"),
    ],
)
def test_a_file_that_is_not_an_evaluation_is_refused_in_a_sentence(tmp_path, content, message):
    path = tmp_path / FIGURES_FILE
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        results.read(path)
