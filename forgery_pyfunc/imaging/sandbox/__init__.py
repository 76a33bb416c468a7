"""Decoding in processes of their own, for bytes of strangers.

`pool` is the service's side; `server` forks the decoders, `confinement` and `system_calls` take
from each what it does not need, `operations` is what it does, `answers` is what it may say.
"""

from collections.abc import Mapping

from forgery_pyfunc.errors import ModelError

VARIABLE = "DECODER_SANDBOX"
"""Environment variable that turns the sandbox on or off in a service."""

_WORDS = {"on": True, "true": True, "1": True, "off": False, "false": False, "0": False}


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether the environment turns the sandbox on; without the variable it is off.

    Raises:
        ModelError: the variable says neither on nor off.
    """
    text = environment.get(VARIABLE) or "off"
    if text.lower() not in _WORDS:
        raise ModelError(f"{VARIABLE} is {text!r}; it must be on or off")
    return _WORDS[text.lower()]
