import numpy as np

from forgery_lab.forgeries.blending import membrane


def test_membrane_blending_leaves_no_step_at_the_seam():
    difference = np.zeros((64, 64, 3), np.float32)
    difference[:, :, 0] = np.linspace(0, 60, 64)[None, :]
    inside = np.zeros((64, 64), bool)
    inside[20:44, 20:44] = True
    spread = membrane(difference, inside)
    assert np.abs(spread[30, 20, 0] - difference[30, 19, 0]) < 6
    assert np.abs(spread[30, 43, 0] - difference[30, 44, 0]) < 6
    assert difference[30, 19, 0] < spread[30, 32, 0] < difference[30, 44, 0]
