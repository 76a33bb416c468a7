"""The one stand-in for a trained detector: the real model on a network that needs no training.

It answers by how bright an image is, so that tests can tell images apart: a level of 128 gives
0.5, and the map shows the bright blocks. All else is the product's own: decoding, limits,
features, ONNX, calibration, heat map and records.
"""

import argparse
from pathlib import Path

from forgery_lab.export.pyfunc import save_model
from forgery_pyfunc.calibration import Calibration
from tests.conftest import write_detector

T_LO, T_HI = 0.3, 0.7


def save(folder: Path, weight: float, bias: float, name: str) -> None:
    """Write the stand-in as an MLflow model into a new folder."""
    calibration = Calibration(bias=bias, block_temperature=0.5, t_lo=T_LO, t_hi=T_HI)
    detector = write_detector(
        folder.with_name(f"{folder.name}-detector"),
        weight={"residual:brightness": weight},
        calibration=calibration,
        name=name,
    )
    save_model(detector, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weight", type=float, default=0.75, help="of brightness")
    parser.add_argument("--bias", type=float, default=0.0, help="of the image's logit")
    parser.add_argument("--name", default="stand-in", help="of the detector")
    save(**vars(parser.parse_args()))
