"""A FastAPI application with the shipped detector in its own process, without MLflow.

`python -m benchmarks.peers.fastapi_app PORT WORKERS`
"""

import socket
import sys
from typing import Annotated

from fastapi import FastAPI, HTTPException, UploadFile
from pydantic import Base64Bytes, BaseModel, Field
from uvicorn import Config, Server
from uvicorn.supervisors import Multiprocess

from forgery import SHIPPED
from forgery_pyfunc.contract import Record
from forgery_pyfunc.detector import Detector
from forgery_pyfunc.errors import ImageError

app = FastAPI()
detector = Detector.load(SHIPPED)


class Picture(BaseModel):
    """An encoded image."""

    image: Base64Bytes


class Question(BaseModel):
    """Images to score, in MLflow's layout `dataframe_records`."""

    dataframe_records: Annotated[list[Picture], Field(min_length=1)]


class Answer(BaseModel):
    """One record per image, in order."""

    predictions: list[Record]


@app.get("/ping")
async def ping() -> None:
    """Answer that the application runs."""


@app.post("/predict")
def predict(file: UploadFile) -> Answer:
    """Score an uploaded file."""
    return Answer(predictions=[score(file.file.read())])


@app.post("/invocations")
def invocations(question: Question) -> Answer:
    """Score images in base64."""
    return Answer(predictions=[score(picture.image) for picture in question.dataframe_records])


def score(data: bytes) -> Record:
    """Return the record of an image; answer 422 where it cannot be read."""
    try:
        return detector.score(data)
    except ImageError as error:
        raise HTTPException(422, str(error)) from error


def main() -> None:
    """Serve with several workers, on a socket that sends small answers at once.

    `uvicorn --workers` alone leaves Nagle's algorithm on where it runs on asyncio, and every
    answer over a kept connection waits 40 ms. Connections inherit the option from the listener.
    """
    port, workers = map(int, sys.argv[1:])
    config = Config(
        "benchmarks.peers.fastapi_app:app", port=port, workers=workers, access_log=False
    )
    listener = config.bind_socket()
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if workers == 1:
        Server(config).run(sockets=[listener])
    else:
        Multiprocess(config, sockets=[listener]).run()


if __name__ == "__main__":
    main()
