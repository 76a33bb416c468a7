"""The process that forks decoders, and the decoders; started by `pool`.

It has one thread and never reads a byte of a stranger. Each decoder is a copy of it that serves one
connection, has that and the memory shared with the service, and ends with this process or when the
connection is closed.

Usage: python -m forgery_pyfunc.imaging.sandbox.server CONTROL OPERATIONS MEMORY
"""

import gc
import importlib
import json
import mmap
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.sandbox import answers
from forgery_pyfunc.imaging.sandbox.answers import Answer
from forgery_pyfunc.imaging.sandbox.confinement import (
    CONNECTION,
    SHARED,
    confine,
    die_with,
    keep_only,
)

FILTERED, NOT_FILTERED, STILLBORN = b"f", b"n", b"-"
"""What is said of a new decoder: whether the kernel filters its system calls, or that it died."""
_LARGEST_REQUEST = 4096

Operations = Mapping[str, Callable[[bytes, Limits], Answer]]


def main(control: int, module_name: str, memory: int) -> None:
    """Fork decoders until the control connection is closed.

    Args:
        control: descriptor of the connection.
        module_name: of a module with `OPERATIONS` and `prepare`.
        memory: bytes of address space that a decoder may add.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a decoder ended
    module = importlib.import_module(module_name)
    module.prepare()
    gc.freeze()
    server = os.getpid()
    with socket.socket(fileno=control) as orders:
        while True:
            message, descriptors, _, _ = socket.recv_fds(orders, 1, 2)
            if not message:
                return
            decoder = os.fork()
            if decoder == 0:
                die_with(server)
                keep_only(*descriptors)
                serve(module.OPERATIONS, memory)
            for descriptor in descriptors:
                os.close(descriptor)
            hand_over(orders, decoder)


def hand_over(orders: socket.socket, decoder: int) -> None:
    """Send a descriptor by which a decoder can be killed; its number may be another's one day."""
    try:
        handle = os.pidfd_open(decoder)
    except ProcessLookupError:
        orders.send(STILLBORN)
        return
    socket.send_fds(orders, [b"+"], [handle])
    os.close(handle)


def serve(operations: Operations, memory: int) -> NoReturn:
    """Answer requests until the connection is closed."""
    shared = memoryview(mmap.mmap(SHARED, os.fstat(SHARED).st_size))
    os.write(CONNECTION, FILTERED if confine(memory) else NOT_FILTERED)
    while message := os.read(CONNECTION, _LARGEST_REQUEST):
        os.write(CONNECTION, write(perform(operations, json.loads(message), shared), shared))
    os._exit(0)


def perform(operations: Operations, request: Mapping[str, Any], shared: memoryview) -> Answer:
    """Return the answer to a request, whose file lies at the start of the shared memory."""
    limits = Limits(request["max_bytes"], request["max_pixels"])
    try:
        return operations[request["operation"]](bytes(shared[: request["size"]]), limits)
    except ImageError as error:
        return answers.of_error(error)
    except MemoryError:
        return answers.of_error(
            ImageError("The image needs more memory than its decoder may have.", "decoder_failed")
        )
    except Exception as error:  # as in the service's own process, where it is logged
        return answers.of_fault(error)


def write(answer: Answer, shared: memoryview) -> bytes:
    """Write an answer into the shared memory and return its place."""
    start, text = 0, answers.text_of(answer)
    for part in (*answer.parts, memoryview(text)):
        end = start + part.nbytes
        shared[start:end] = part.cast("B")
        start = end
    return answers.PLACE.pack(start - len(text), len(text))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
