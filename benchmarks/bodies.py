"""The requests that are sent: rendered pictures, as an upload or in MLflow's JSON."""

import base64
import json
from pathlib import Path

import numpy as np
import requests
from urllib3 import encode_multipart_formdata

from benchmarks.load import TIMEOUT_SECONDS, LoadError, Request
from forgery_lab.forgeries import scenes
from forgery_pyfunc.imaging.jpeg_encoder import encode

SMALL, LARGE, HUGE = "384×256", "1536×1024", "4242×2828"
SIZES = {SMALL: (256, 384), LARGE: (1024, 1536), HUGE: (2828, 4242)}
LARGER = (LARGE, HUGE)
QUALITY = 90
PREDICT, INVOCATIONS, PING = "/predict", "/invocations", "/ping"


def request(server_url: str, path: str, picture: str, folder: Path) -> Request:
    """Return the request to a path of a server; its body is written into the folder.

    Args:
        server_url: of the server.
        path: `/predict` takes an upload, `/invocations` JSON; every other path is asked with GET.
        picture: a name of `SIZES`; not used where none is sent.
        folder: for the body.
    """
    url = f"{server_url}{path}"
    if path not in (PREDICT, INVOCATIONS):
        return Request(url)
    data = _jpeg(picture)
    if path == PREDICT:
        upload = {"file": ("photo.jpg", data, "image/jpeg")}
        content, content_type = encode_multipart_formdata(upload, boundary="of-the-form")
    else:
        image = base64.b64encode(data).decode("ascii")
        content = json.dumps({"dataframe_records": [{"image": image}]}).encode()
        content_type = "application/json"
    body = folder / f"{path.strip('/')} {picture}"
    body.write_bytes(content)
    return Request(url, "POST", content_type, body)


def ask_once(request: Request) -> None:
    """Send a request, as the load generator does.

    Raises:
        LoadError: it is not answered with a status of success.
    """
    body = request.body.read_bytes() if request.body else None
    headers = {"Content-Type": request.content_type} if request.content_type else {}
    try:
        requests.request(
            request.method, request.url, data=body, headers=headers, timeout=TIMEOUT_SECONDS
        ).raise_for_status()
    except requests.RequestException as error:
        raise LoadError(f"{request.url} does not answer: {error}") from error


def _jpeg(picture: str) -> bytes:
    height, width = SIZES[picture]
    return encode(scenes.render("nat", np.random.default_rng(1), height, width), quality=QUALITY)
