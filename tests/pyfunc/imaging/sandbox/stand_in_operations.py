"""What a decoder might do if a stranger's file had taken it over: the file names the misdeed."""

import mmap
import os
import signal
import socket
import threading
import time

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging.sandbox import operations
from forgery_pyfunc.imaging.sandbox.answers import Answer

EMPTY = {"exif": {}, "details": {}, "gps": {}, "thumbnail": 0, "xmp": 0, "damaged": False}


def hang():
    while True:
        time.sleep(1)


def spin():
    while True:
        pass


def die():
    os._exit(3)


def crash():
    os.abort()


def recurse():
    return recurse()


def allocate():
    return bytearray(2**33)


def open_file():
    os.open("/etc/hostname", os.O_RDONLY)


def write_file():
    os.open("written", os.O_WRONLY | os.O_CREAT)


def open_socket():
    socket.socket()


def fork():
    os.fork()


def execute():
    os.execv("/bin/true", ["true"])


def kill_parent():
    os.kill(os.getppid(), signal.SIGKILL)


def map_code():
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)


def shrink_memory():
    os.ftruncate(4, 0)


def thread():
    """Decoders of HEIC and AVIF start threads: that is allowed."""
    started = threading.Thread(target=time.sleep, args=(0.01,))
    started.start()
    started.join()


def lie():
    return Answer({"thumbnail": 2**40})


def lie_in_the_code():
    return Answer({"error": {"code": "no such code", "message": "x"}})


DEEDS = {
    deed.__name__.encode(): deed
    for deed in (
        hang, spin, die, crash, recurse, allocate, open_file, write_file, open_socket, fork,
        execute, kill_parent, map_code, shrink_memory, thread, lie, lie_in_the_code,
    )
}  # fmt: skip


def read_metadata(data, limits):
    """Do what the file names, and answer what came of it as the refusal of a file."""
    try:
        answer = DEEDS[data]()
    except OSError as error:
        raise ImageError(type(error).__name__) from error
    return answer or Answer(EMPTY)


OPERATIONS = {"decode": operations.decode, "read_metadata": read_metadata}
prepare = operations.prepare
