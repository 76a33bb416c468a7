"""The library behind training and judging: data sets, splits, networks, metrics and reports."""
