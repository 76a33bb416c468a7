"""One target under libFuzzer: `python -m tests.fuzz.one TARGET [libFuzzer's arguments]`.

See https://github.com/google/atheris and https://llvm.org/docs/LibFuzzer.html.
"""

import logging
import sys
import warnings

import atheris

with atheris.instrument_imports(include=["forgery_pyfunc", "forgery_lab", "webui", "PIL"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer ends this process; its exit status tells whether something was found."""
    name, *arguments = sys.argv[1:]
    logging.disable()
    warnings.simplefilter("ignore")
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
