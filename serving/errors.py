"""What running the services can fail with."""

from forgery_pyfunc.errors import ForgeryError


class ServiceError(ForgeryError):
    """The service cannot run as it was asked to; one sentence says why."""

    code = "service"
