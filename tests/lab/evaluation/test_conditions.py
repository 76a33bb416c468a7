"""Conditions: one registry of names, which settings and files use."""

import pytest

from forgery_lab.evaluation import conditions
from steps.errors import SettingsError
from steps.settings.configuration import ConfigurationManager
from steps.settings.entities import EvaluateSettings


def test_every_condition_is_found_by_its_name():
    for condition in (*conditions.IMAGE_LEVEL, conditions.E, *conditions.F):
        assert conditions.named(condition.name) is condition
    assert conditions.named("F:quality:90").level == 90
    with pytest.raises(ValueError, match="condition 'G' is unknown; allowed: A, B, C, C-shift"):
        conditions.named("G")


def test_the_settings_of_evaluate_allow_the_same_conditions():
    names = tuple(condition.name for condition in conditions.IMAGE_LEVEL)
    manager = ConfigurationManager()
    assert manager.settings(EvaluateSettings).protocols == names
    for name in names:
        assert manager.settings(EvaluateSettings, {"protocols": name}).protocols == (name,)
    with pytest.raises(SettingsError, match=r"'G'; allowed: 'A', 'B', .* or 'control'"):
        manager.settings(EvaluateSettings, {"protocols": "G"})
