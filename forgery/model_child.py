"""The process that loads one model and scores images, started by `forgery.model_process`.

It stands alone: it imports nothing of this project, so that the code inside the model is the code
that runs. Requests and answers are pickles behind a length of eight bytes, over pipes that only
parent and child share; whatever libraries print goes to standard error.

Usage: python -I model_child.py MODEL_URI PARAMS(as JSON)
"""

import json
import os
import pickle
import struct
import sys
from typing import IO, Any

LENGTH = struct.Struct(">Q")


def read_message(stream: IO[bytes]) -> Any:
    """Return the next message, or None at the end of the stream, also within a message."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    size = LENGTH.unpack(head)[0]
    data = stream.read(size)
    return pickle.loads(data) if len(data) == size else None  # noqa: S301, from our own parent


def write_message(stream: IO[bytes], message: Any) -> None:
    """Write one message and flush."""
    data = pickle.dumps(message)
    stream.write(LENGTH.pack(len(data)) + data)
    stream.flush()


def predict(model: Any, images: list[bytes], params: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a record per image; where a batch fails as a whole, one image after the other."""
    import pandas as pd

    try:
        answer = model.predict(pd.DataFrame({"image": images}), params=params)
    except Exception as error:
        if len(images) == 1:
            return [{"probability": None, "verdict": None, "error": str(error) or repr(error)}]
        return [predict(model, [image], params)[0] for image in images]
    answer = pd.DataFrame(answer).astype(object)
    answer = answer.where(answer.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in answer.to_dict("records")]


def main() -> None:
    """Load the model, say so, then answer batches until the parent closes the pipe."""
    uri, wanted = sys.argv[1], json.loads(sys.argv[2])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        import mlflow

        model = mlflow.pyfunc.load_model(uri)
    except Exception as error:
        lines = str(error).strip().splitlines() or [repr(error)]
        write_message(answers, {"failed": lines[0]})
        return
    schema = model.metadata.get_params_schema()
    known = {spec.name for spec in schema.params} if schema else set()
    write_message(answers, {"ready": True})
    while (message := read_message(sys.stdin.buffer)) is not None:
        images, changed = message
        params = {k: v for k, v in {**wanted, **changed}.items() if k in known}
        write_message(answers, predict(model, images, params))


if __name__ == "__main__":
    main()
