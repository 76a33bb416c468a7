"""Networks, losses, the training loop and the fit of the calibration."""
