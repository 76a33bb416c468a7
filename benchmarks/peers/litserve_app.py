"""The shipped detector behind LitServe, as its documentation builds a service.

`python litserve_app.py PORT WORKERS`
"""

import base64
import dataclasses
import sys
from typing import Any

import litserve

from forgery_pyfunc import Detector


class Api(litserve.LitAPI):
    """Scores images in base64, in MLflow's layout `dataframe_records`."""

    def setup(self, device: str) -> None:
        """Load the detector."""
        self.detector = Detector.shipped()

    def decode_request(self, request: dict[str, Any]) -> list[bytes]:
        """Return the encoded images of a request."""
        return [base64.b64decode(record["image"]) for record in request["dataframe_records"]]

    def predict(self, images: list[bytes]) -> list[dict[str, Any]]:
        """Return one record per image."""
        return [dataclasses.asdict(self.detector.score(image)) for image in images]

    def encode_response(self, records: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the answer."""
        return {"predictions": records}


if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    api = Api(api_path="/invocations")
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=workers, healthcheck_path="/ping"
    )
    server.run(host="127.0.0.1", port=port, num_api_servers=1, generate_client_file=False)
