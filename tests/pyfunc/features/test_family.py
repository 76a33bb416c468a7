import pytest

from forgery_pyfunc.features import FAMILIES
from forgery_pyfunc.features.family import unchanged


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_a_family_tells_channels_and_paper(family):
    assert FAMILIES[family.name] is family
    assert len(set(family.channels)) == len(family.channels)
    assert family.paper


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", [name for name, family in FAMILIES.items() if family.mirror])
def test_a_mirror_rule_leads_back_to_the_channel(name, axis):
    family = FAMILIES[name]
    for channel in family.channels:
        source, sign = family.mirror(channel, axis)
        assert family.mirror(source, axis) == (channel, sign)


def test_mirrors_turn_grid_steps_and_signs():
    assert FAMILIES["residual"].mirror("grid.column.3", 1) == ("grid.column.5", 1)
    assert FAMILIES["residual"].mirror("grid.column.3", 0) == ("grid.column.3", 1)
    assert FAMILIES["dct"].mirror("level.1", 1) == ("level.1", -1)
    assert FAMILIES["dct"].mirror("level.1", 0) == ("level.1", 1)
    assert FAMILIES["dct"].mirror("step.1", 1) == ("step.1", 1)
    assert FAMILIES["copymove"].mirror is FAMILIES["double_jpeg"].mirror is unchanged
