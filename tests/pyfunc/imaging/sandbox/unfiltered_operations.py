"""The stand-in decoder on a machine whose kernel filters no system calls."""

from forgery_pyfunc.imaging.sandbox import confinement
from tests.pyfunc.imaging.sandbox import stand_in_operations
from tests.pyfunc.imaging.sandbox.stand_in_operations import OPERATIONS

__all__ = ["OPERATIONS", "prepare"]


def prepare():
    """Load what decoding needs, and forget the filter."""
    stand_in_operations.prepare()
    confinement.refuse_other_calls = lambda: False
