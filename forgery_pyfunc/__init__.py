"""All that a served model needs, and no more: it ships inside the logged model.

>>> from forgery_pyfunc import Detector
>>> Detector.shipped().score("photo.jpg").verdict
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forgery_pyfunc.detector import Detector

__all__ = ["Detector"]


def __getattr__(name: str) -> Any:
    """Return `Detector`, whose module and ONNX Runtime are imported only when it is asked for."""
    if name != "Detector":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from forgery_pyfunc.detector import Detector

    return Detector
