"""Which tests need the load generator."""

import shutil

import pytest

needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="needs wrk: apt-get install wrk")
