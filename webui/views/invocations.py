"""`POST /invocations`: MLflow's protocol in public, validated first and then passed on as it is.

MLflow's own server answers malformed requests with the payload inside; here the request is
checked before that server sees it, and none of its error bodies is passed on.
"""

from flask import Blueprint, Response, current_app, request
from pydantic import BaseModel

from forgery.client import JSON, error_of, read_records
from forgery_pyfunc.contract import Record
from webui.errors import ApiError
from webui.layouts import BODY, CSV, read_csv, read_images
from webui.openapi import UPSTREAM_ERRORS, describe
from webui.scoring.pool import scoring
from webui.scoring.turns import drawing
from webui.uploads import refusal
from webui.verdicts import reader

blueprint = Blueprint("invocations", __name__)


def read_body(max_files: int) -> tuple[list[bytes], bytes]:
    """Return the images of the current request, and the JSON body for the scoring server.

    Raises:
        ApiError: the body is of another type, or not one that the model can answer.
    """
    if request.mimetype == JSON:
        body = request.get_data(cache=False)
        return read_images(body, max_files), body
    if request.mimetype == "text/csv":
        return read_csv(request.get_data(cache=False), max_files)
    raise ApiError(
        "unsupported_media_type", "The Content-Type must be application/json or text/csv."
    )


class InvocationsAnswer(BaseModel):
    """One record per image, in order."""

    predictions: list[Record]


@blueprint.post("/invocations")
@describe(
    {"application/json": InvocationsAnswer},
    body={JSON: BODY, "text/csv": CSV},
    errors=[
        "unsupported_media_type",
        "bad_request",
        "missing_column",
        "missing_file",
        "bad_base64",
        "bad_parameter",
        "too_many_files",
        "no_readable_image",
        "upload_too_slow",
        "too_large",
        *UPSTREAM_ERRORS,
    ],
)
def invocations() -> Response:
    """Score a batch; the body is MLflow's, in any of its four JSON layouts, or CSV."""
    scoring().check_room()
    images, body = read_body(current_app.config["SETTINGS"].max_files)
    answer = scoring().invoke(body, len(images))
    if answer.status == 200:
        scoring().count(read_records(answer.data, len(images)))
        return Response(answer.data, mimetype="application/json")
    if answer.status == 400:  # the model says so when it could read none of the images
        with drawing().turn():
            reason = refusal(images[0], current_app.config["SETTINGS"].limits, reader().decode)
        if reason is not None:
            raise ApiError(
                "no_readable_image", f"No image could be read; the first error: {reason}"
            )
    raise error_of(answer)
