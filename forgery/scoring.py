"""A scorer in this process, for `forgery.scanning`: no server, no MLflow, no network.

For a single picture, `forgery_pyfunc.Detector` is the way.
"""

import logging
from collections.abc import Sequence

from forgery_pyfunc.contract import Record
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.request_parameters import Parameters

logger = logging.getLogger(__name__)


class LocalScorer:
    """Answers with a detector in this process; may be used from many threads."""

    def __init__(self, detector: Detector, limits: Limits | None = None) -> None:
        """Take a detector, and limits of what is read; by default those of a server."""
        self.detector = detector
        self.limits = limits or Limits()

    def score(
        self,
        images: Sequence[bytes],
        threshold: float | None = None,
        heatmap: bool = False,
        *,
        explain: bool = False,
    ) -> list[Record]:
        """Return one record per encoded image, in order, as a server would.

        Args:
            images: the bytes of JPEG, PNG, TIFF, BMP, WebP, HEIC or AVIF files.
            threshold: a probability in [0, 1] that replaces the calibrated grey band.
            heatmap: whether to draw the map of where.
            explain: whether to tell why.

        Raises:
            ParameterError: the threshold is no probability.
        """
        parameters = Parameters(threshold=threshold, heatmap=heatmap, explain=explain)
        return [self._record(image, parameters) for image in images]

    def check(self) -> None:
        """Return: a detector that was loaded answers."""

    def _record(self, image: bytes, parameters: Parameters) -> Record:
        try:
            return self.detector.score(
                image,
                parameters.threshold,
                parameters.heatmap,
                self.limits,
                parameters.explain,
            )
        except ImageError as error:
            return self.detector.error_record(error)
        except Exception:  # one image must never spoil the others, whatever it triggered
            logger.debug("an image could not be scored", exc_info=True)
            failure = ImageError("this image could not be scored", code="internal_error")
            return self.detector.error_record(failure)
