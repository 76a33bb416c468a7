"""Conditions: one registry of names, which settings and files use."""

from typing import get_args

import pytest

from forgery_lab.evaluation import conditions
from steps.settings.entities import EvaluateSettings


def test_every_condition_is_found_by_its_name():
    for condition in (*conditions.IMAGE_LEVEL, conditions.E, *conditions.F):
        assert conditions.named(condition.name) is condition
    assert conditions.named("F:quality:90").level == 90
    with pytest.raises(ValueError, match="condition 'G' is unknown; allowed: A, B, C, C-shift"):
        conditions.named("G")


def test_the_settings_of_evaluate_allow_the_same_conditions():
    names = tuple(condition.name for condition in conditions.IMAGE_LEVEL)
    field = EvaluateSettings.model_fields["protocols"]
    assert field.default == names
    assert get_args(get_args(field.annotation)[0]) == names
