"""Saves a detector that needs no training as an MLflow model: `tiny_model.py FOLDER BIAS`."""

import sys
from pathlib import Path

from forgery_lab.export.pyfunc import save_model
from forgery_pyfunc.calibration import Calibration
from tests.conftest import write_detector

if __name__ == "__main__":
    folder, bias = Path(sys.argv[1]), float(sys.argv[2])
    calibration = Calibration(bias=bias, t_lo=0.4, t_hi=0.6)
    detector = write_detector(folder.with_name(f"{folder.name}-detector"), weight=1e-3,
                              calibration=calibration)  # fmt: skip
    description = detector / "detector.json"
    description.write_text(description.read_text().replace('"means"', f'"tiny{bias:+g}"'))
    save_model(detector, folder)
