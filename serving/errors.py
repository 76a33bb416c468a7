"""What operations can fail with."""

from forgery_pyfunc.errors import ForgeryError


class DeployError(ForgeryError):
    """The service cannot run as it was asked to; one sentence says why."""

    code = "deploy"
