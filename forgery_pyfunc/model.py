"""The MLflow model, logged from this file (models from code): no pickle is involved.

Source: https://mlflow.org/docs/latest/ml/model/models-from-code/
"""

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import yaml
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from forgery_pyfunc import base64_text
from forgery_pyfunc.contract import (
    AT_ONCE_VARIABLE,
    HEALTH_CHECK,
    RECORD_FIELDS,
    VERSION_VARIABLE,
    Record,
)
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.errors import ImageError, ModelError, ParameterError
from forgery_pyfunc.features import channels
from forgery_pyfunc.imaging import decoding, sandbox
from forgery_pyfunc.imaging.decoding import FORMATS
from forgery_pyfunc.imaging.guards import Limits, read_limits
from forgery_pyfunc.imaging.reader import Reader
from forgery_pyfunc.imaging.sandbox.pool import Sandbox
from forgery_pyfunc.imaging.sniffing import sniff
from forgery_pyfunc.memory import Leftovers
from forgery_pyfunc.prediction_log.line import Line
from forgery_pyfunc.prediction_log.log import open_log
from forgery_pyfunc.request_parameters import Parameters
from forgery_pyfunc.turns import Turns

logger = logging.getLogger(__name__)

COLUMNS = pd.Index(RECORD_FIELDS, dtype=object)
"""Columns of an answer, made once; of objects, because pandas reads them faster than strings."""
IMAGES_AT_ONCE = 2
"""Per process, where the environment does not say. While one computes outside the interpreter lock
another runs; a third only takes the lock and the caches from them."""
PIXELS_LEFT = 2**20
"""After so many the memory that pictures left is given back: to score them takes a hundred times as
long as that."""


class ForgeryModel(PythonModel):
    """Scores encoded images; `predict` may run in several threads at once."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the detector that was logged as the artefact `detector`."""
        folder = Path(context.artifacts["detector"])
        self.detector = Detector.load(folder, registered_version(folder))
        self.limits = read_limits(os.environ)
        at_once = images_at_once(os.environ)
        self.turns = Turns(at_once)
        self.leftovers = Leftovers(PIXELS_LEFT)
        self.reader = reader(os.environ, self.limits, at_once)
        self.log = open_log(os.environ, channels(self.detector.features))

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """Return one record per image, in order; see `RECORD_FIELDS`.

        Args:
            context: not used; MLflow passes it.
            model_input: one column `image` of bytes, or of base64 text where MLflow's server
                does not decode it itself (the layouts `inputs` and `instances`).
            params: see `Parameters`. A batch scorer turns `strict` off and finds the reason in
                every record's `error`.

        Raises:
            MlflowException: INVALID_PARAMETER_VALUE (HTTP 400) for a bad parameter, for no
                image at all and, where strict, for no readable image.
        """
        parameters = read_parameters(params)
        images = model_input["image"]
        if len(images) == 0:
            raise BadRequestError("the request contains no image")
        records = [self._record(image, parameters) for image in images]
        self.leftovers.add(sum((one.width or 0) * (one.height or 0) for one in records))
        if parameters.strict and all(record.error for record in records):
            raise BadRequestError(f"no image could be read; the first error: {records[0].error}")
        rows = [[getattr(record, name) for name in RECORD_FIELDS] for record in records]
        return pd.DataFrame(rows, columns=COLUMNS, dtype=object)

    def _record(self, image: Any, parameters: Parameters) -> Record:
        try:
            data = to_bytes(image)
            with self.turns:
                found = self.detector.examine(
                    self.reader.decode(data, self.limits),
                    parameters.threshold,
                    parameters.heatmap,
                    with_explanation=parameters.explain,
                )
            if self.log and not data.endswith(HEALTH_CHECK):
                self.log.add(Line.of(found))
            return found.record
        except ImageError as error:
            return self._failed(error)
        except Exception:  # one image must never affect the others, whatever it triggers
            logger.exception("an image could not be scored")
            return self._failed(ImageError("this image could not be scored", code="internal_error"))

    def _failed(self, error: ImageError) -> Record:
        record = self.detector.error_record(error)
        if self.log:
            self.log.add(Line.of_error(record))
        return record


def images_at_once(environment: Mapping[str, str]) -> int:
    """Return how many images are scored at once; raise `ModelError` where the setting is wrong."""
    text = environment.get(AT_ONCE_VARIABLE) or str(IMAGES_AT_ONCE)
    if not text.isdecimal() or int(text) == 0:
        raise ModelError(f"{AT_ONCE_VARIABLE} is {text!r}; it must be a whole number above 0")
    return int(text)


def reader(environment: Mapping[str, str], limits: Limits, at_once: int) -> Reader:
    """Return who decodes images, so many at once: a sandbox, where the environment asks for it."""
    if not sandbox.is_wanted(environment):
        return decoding
    started = Sandbox(limits, at_once)
    started.start()
    return started


def read_parameters(params: dict[str, Any] | None) -> Parameters:
    """Return the parameters of a request; raise `BadRequestError` where one is not allowed."""
    try:
        return Parameters.read(params)
    except ParameterError as error:
        raise BadRequestError(str(error)) from error


def to_bytes(image: Any) -> bytes:
    """Return the encoded image of a cell: bytes as they are, text decoded from base64.

    MLflow's server hands on the layouts `inputs` and `instances` as the bytes of the base64 text;
    no image format begins like such text.
    """
    if isinstance(image, bytes | bytearray | memoryview):
        data = bytes(image)
        if sniff(data) in FORMATS:
            return data
        with contextlib.suppress(ImageError):
            return base64_text.decode(data)
        return data
    if not isinstance(image, str):
        kind = type(image).__name__
        raise ImageError(f"an image must be bytes or base64 text, not {kind}")
    return base64_text.decode(image)


def registered_version(folder: Path) -> str | None:
    """Return "name/version" of the registered model that holds this folder, if it is known."""
    named = os.environ.get(VERSION_VARIABLE)
    if named:
        return named
    meta = folder.parent.parent / "registered_model_meta"  # MLflow writes it on download
    if not meta.is_file():
        return None
    registered = yaml.safe_load(meta.read_text("utf-8"))
    return f"{registered['model_name']}/{registered['model_version']}"


class BadRequestError(MlflowException):
    """Answered by MLflow's server with HTTP 400, and a message that stays as it is.

    The server would put the whole payload in front of it.
    """

    def __init__(self, message: str) -> None:
        self._message = message
        super().__init__(message, error_code=INVALID_PARAMETER_VALUE)

    @property
    def message(self) -> str:
        """The message alone."""
        return self._message

    @message.setter
    def message(self, wrapped: str) -> None:
        """Ignore the server's version, which holds the payload."""


mlflow.models.set_model(ForgeryModel())
