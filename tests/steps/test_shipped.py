"""The detector in `release/`: what a clone has before anything was trained."""

import pytest

from forgery_pyfunc.detector import Detector
from steps.configuration import SHIPPED


@pytest.fixture(scope="module")
def detector():
    return Detector.load(SHIPPED)
