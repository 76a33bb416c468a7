"""The shipped detector behind BentoML, as its documentation builds a service.

`bentoml serve bentoml_app:Forgery --port PORT`; WORKERS in the environment.
"""

import base64
import dataclasses
import os
from typing import Any

import bentoml

from forgery_pyfunc import Detector


@bentoml.service(workers=int(os.environ["WORKERS"]), metrics={"enabled": False})
class Forgery:
    """Scores images in base64, in MLflow's layout `dataframe_records`."""

    def __init__(self) -> None:
        self.detector = Detector.shipped()

    @bentoml.api(route="/invocations")
    def invocations(self, dataframe_records: list[dict[str, str]]) -> dict[str, Any]:
        """Return one record per image."""
        images = [base64.b64decode(record["image"]) for record in dataframe_records]
        return {"predictions": [dataclasses.asdict(self.detector.score(i)) for i in images]}
