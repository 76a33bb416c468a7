"""Scoring in this process with the shipped detector: no server, no MLflow, no network.

>>> from forgery.scoring import ShippedDetector
>>> record = ShippedDetector().score([open("picture.jpg", "rb").read()])[0]
>>> record.verdict, record.probability
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from forgery import SHIPPED
from forgery_pyfunc.contract import Record
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.request_parameters import Parameters

logger = logging.getLogger(__name__)


class ShippedDetector:
    """The detector that comes with this package; may be used from many threads."""

    def __init__(self, folder: Path = SHIPPED, limits: Limits | None = None) -> None:
        """Load the detector.

        Args:
            folder: of another detector, as `train` writes it.
            limits: of what is read; by default those of a server.

        Raises:
            ModelError: a file of the detector is missing or damaged.
        """
        self.detector = Detector.load(folder)
        self.limits = limits or Limits()

    def score(
        self, images: Sequence[bytes], threshold: float | None = None, heatmap: bool = False
    ) -> list[Record]:
        """Return one record per encoded image, in order, as a server would.

        Args:
            images: the bytes of JPEG, PNG, TIFF, BMP or WebP files.
            threshold: a probability in [0, 1] that replaces the calibrated grey band.
            heatmap: whether to draw the map of where.

        Raises:
            ParameterError: the threshold is no probability.
        """
        parameters = Parameters(threshold=threshold, heatmap=heatmap)
        return [self._record(image, parameters) for image in images]

    def check(self) -> None:
        """Return: a detector that was loaded answers."""

    def _record(self, image: bytes, parameters: Parameters) -> Record:
        threshold, heatmap = parameters.threshold, parameters.heatmap
        try:
            return self.detector.score(image, threshold, heatmap, self.limits)
        except ImageError as error:
            return self.detector.error_record(error)
        except Exception as error:  # one image must never spoil the others, whatever it triggered
            logger.debug("an image could not be scored", exc_info=True)
            reason = f"this image could not be scored ({type(error).__name__}: {error})"
            return self.detector.error_record(ImageError(reason, code="internal_error"))
