import numpy as np

from forgery_lab.forgeries.scenes.camera import photograph


def test_the_sensor_leaves_the_traces_of_demosaicing():
    """Interpolated green is smoother than measured green: a period of two in the variance."""
    light = np.full((128, 128, 3), 0.3, np.float32)
    pixels = photograph(light, np.random.default_rng(0)).astype(float)
    green = pixels[..., 1] - pixels[..., 1].mean()
    measured = green[0::2, 1::2].var() + green[1::2, 0::2].var()
    interpolated = green[0::2, 0::2].var() + green[1::2, 1::2].var()
    assert measured > 1.1 * interpolated
