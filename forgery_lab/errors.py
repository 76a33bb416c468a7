"""Errors about data sets, raised where the fact is known."""

from forgery_pyfunc.errors import ForgeryError


class DataError(ForgeryError):
    """A data set, or a file of it, is not what the step needs."""

    code = "bad_data"
