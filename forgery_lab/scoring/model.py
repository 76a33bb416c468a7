"""The check that a model answers as `/invocations` does, before it scores an archive."""

from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.types import DataType

from forgery_pyfunc.errors import ModelError

_NEEDED = ("verdict", "probability", "error")


def check_contract(model: Path) -> None:
    """Raise `ModelError` unless the signature has the image in, and a record with errors out."""
    try:
        found = Model.load(model)
    except (MlflowException, OSError) as error:
        raise ModelError(f"{model} is not an MLflow model: {error}") from error
    inputs, outputs, params = (
        found.get_input_schema(),
        found.get_output_schema(),
        found.get_params_schema(),
    )
    takes = inputs.input_dict() if inputs is not None and inputs.has_input_names() else {}
    gives = outputs.input_names() if outputs is not None and outputs.has_input_names() else []
    lacks = [f"the output {name}" for name in _NEEDED if name not in gives]
    if list(takes) != ["image"] or takes["image"].type != DataType.binary:
        lacks.insert(0, "the one input image (binary)")
    if "strict" not in {item.name for item in params or ()}:
        lacks.append("the parameter strict")
    if lacks:
        raise ModelError(
            f"the model's signature is not that of /invocations: it lacks {', '.join(lacks)}"
        )
