"""A service that is killed by its test: prints the processes of its sandbox, and then decodes.

Usage: python -m tests.pyfunc.imaging.sandbox.parent DEED
"""

import sys

import psutil

from forgery_pyfunc.imaging.sandbox.pool import Sandbox
from tests.pyfunc.imaging.sandbox import stand_in_operations

if __name__ == "__main__":
    sandbox = Sandbox(module=stand_in_operations.__name__)
    sandbox.start()
    print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)
    sandbox.read_metadata(sys.argv[1].encode())
