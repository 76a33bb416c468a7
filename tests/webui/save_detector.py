"""Saves a detector that needs no training as an MLflow model, into a folder: its argument."""

import sys
from pathlib import Path

from forgery_lab.export.pyfunc import save_model
from forgery_pyfunc.calibration import Calibration
from tests.conftest import write_detector

CALIBRATION = Calibration(
    temperature=100.0, bias=1.0, block_temperature=0.05, block_bias=-20.0, t_lo=0.4, t_hi=0.7
)

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    detector = write_detector(folder.with_name("detector"), weight=-1.0, calibration=CALIBRATION)
    save_model(detector, folder)
