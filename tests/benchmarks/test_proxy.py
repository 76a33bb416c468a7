import time

import pytest
import requests

from benchmarks import proxy


@pytest.mark.slow
def test_the_front_end_is_measured_against_the_scoring_server(detector_folder):
    with proxy.servers(detector_folder) as (scoring_url, page_url):
        rows = proxy.measure(scoring_url, page_url, rounds=3)
    assert len(rows) == len(proxy.SIZES)
    for row in rows:
        assert row["allowed_ms"] >= proxy.ALLOWED_MILLISECONDS
        assert row["met"] == (row["added_ms"] <= row["allowed_ms"])
    deadline = time.monotonic() + 120
    for url in (scoring_url, page_url):  # both were stopped; their workers take a moment
        while answers(url):
            assert time.monotonic() < deadline, f"{url} still answers"
            time.sleep(0.2)


def answers(url):
    try:
        requests.get(url, timeout=2)
    except requests.RequestException:
        return False
    return True
