"""Components: exactly what shares sources belongs together."""

import pandas as pd
from hypothesis import given, settings

from forgery_lab.data.splits.graph import components
from tests.lab.data.test_splits import manifest, name_graphs


@settings(max_examples=20, deadline=None)
@given(name_graphs())
def test_components_join_exactly_what_shares_sources(rows):
    frame = manifest(rows)
    group = components(frame)
    by_source = frame.assign(group=group).explode("source_ids").groupby("source_ids")["group"]
    assert by_source.nunique().max() == 1
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_series_equal(components(shuffled).sort_index(), group)
