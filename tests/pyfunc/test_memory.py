import os
import subprocess
import sys

import pytest

from serving.services import MEMORY

MEGABYTES_GIVEN_BACK = """
import sys
import psutil
from forgery_pyfunc.memory import Leftovers
blocks = [bytearray(2**19) for _ in range(200)]
for block in blocks:
    block[::4096] = bytes(2**7)
del blocks[::2]
before = psutil.Process().memory_info().rss
leftovers = Leftovers(every=100)
for amount in sys.argv[1:]:
    leftovers.add(int(amount))
print((before - psutil.Process().memory_info().rss) / 2**20)
"""
"""Of 100 MB every other half megabyte is freed: holes, of which the allocator keeps each."""


@pytest.mark.parametrize(("work", "at_least"), [([100], 45), ([50, 50], 45), ([50, 49], 0)])
def test_what_lies_between_used_memory_is_given_back_every_so_much_work(work, at_least):
    command = [sys.executable, "-c", MEGABYTES_GIVEN_BACK, *map(str, work)]
    done = subprocess.run(
        command, env=os.environ | MEMORY, capture_output=True, text=True, check=True
    )
    assert at_least <= float(done.stdout) < at_least + 6
