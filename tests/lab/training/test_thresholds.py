import numpy as np
import pytest

from forgery_lab.training.thresholds import choose_t_hi, choose_t_lo


def test_t_hi_allows_no_alarm_in_a_small_set():
    assert choose_t_hi(np.array([0.1, 0.2, 0.9])) > 0.9
    assert choose_t_hi(np.ones(5)) == 1.0


def test_t_lo_never_passes_t_hi():
    probability = np.linspace(0, 1, 100)
    labels = np.arange(100) % 2 == 0
    assert choose_t_lo(probability, labels, t_hi=0.3, coverage=1.0) <= 0.3
    assert choose_t_lo(probability, labels, t_hi=0.9, coverage=0.5) == pytest.approx(0.4, abs=0.03)
