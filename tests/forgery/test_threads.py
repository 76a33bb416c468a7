"""Work in several threads, and the end of a process while one of them is still at it."""

import subprocess
import sys
import time

import pytest

from forgery.threads import in_order, is_at_work

ENDS = """
import atexit, sys, threading
from forgery.command.exits import end
from forgery.threads import in_order
atexit.register(print, "an orderly end")
print("all is written")
results = in_order(threading.Event().wait, [0, float(sys.argv[1])], jobs=2)
next(results)
results.close()
end(130)
"""


def test_results_come_in_the_order_of_the_items():
    assert list(in_order(lambda item: time.sleep(item) or item, [0.2, 0, 0.1], 3)) == [0.2, 0, 0.1]
    assert not is_at_work()


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "all is written\nan orderly end\n"), (600, "all is written\n")]
)
def test_a_process_does_not_wait_for_a_thread_nor_end_its_interpreter_below_it(seconds, said):
    command = [sys.executable, "-c", ENDS, str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (130, said)
