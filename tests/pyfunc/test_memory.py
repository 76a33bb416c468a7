import os
import subprocess
import sys

import pytest

from forgery_pyfunc.memory import LARGE_PIXELS
from serving.services import MEMORY

MEGABYTES_GIVEN_BACK = """
import sys
import psutil
from forgery_pyfunc import memory
blocks = [bytearray(2**19) for _ in range(200)]
for block in blocks:
    block[::4096] = bytes(2**7)
del blocks[::2]
before = psutil.Process().memory_info().rss
memory.give_back(int(sys.argv[1]))
print((before - psutil.Process().memory_info().rss) / 2**20)
"""
"""Of 100 MB every other half megabyte is freed: holes, of which the allocator keeps each."""


@pytest.mark.parametrize(("pixels", "at_least"), [(LARGE_PIXELS, 45), (LARGE_PIXELS - 1, 0)])
def test_what_lies_between_used_memory_is_given_back_after_a_large_picture(pixels, at_least):
    command = [sys.executable, "-c", MEGABYTES_GIVEN_BACK, str(pixels)]
    done = subprocess.run(
        command, env=os.environ | MEMORY, capture_output=True, text=True, check=True
    )
    assert at_least <= float(done.stdout) < at_least + 6
