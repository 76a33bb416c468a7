"""A few decoders in processes of their own, which are reused; the service's side.

What crosses the border: the file goes into memory that both sides share, and the pixels come back
in the same memory, are copied, and only then looked at. None of it is unpickled.
"""

import fcntl
import json
import logging
import mmap
import os
import queue
import select
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from forgery_pyfunc.errors import ImageError
from forgery_pyfunc.imaging import guards
from forgery_pyfunc.imaging.decoding import DecodedImage
from forgery_pyfunc.imaging.guards import Limits
from forgery_pyfunc.imaging.metadata import StoredMetadata
from forgery_pyfunc.imaging.sandbox import answers, operations, server
from forgery_pyfunc.imaging.sandbox.answers import AnswerError
from forgery_pyfunc.turns import Turns

logger = logging.getLogger(__name__)

SECONDS = 20.0
"""Time for one file, on the clock; the largest that are allowed take a few seconds."""
START_SECONDS = 60.0
FILES_PER_DECODER = 100
"""After so many files a decoder is replaced, whatever one of them may have made of it."""
BYTES_PER_PIXEL = 32
"""Address space that a decoder may add, by the pixels that are allowed; the tests measure it."""
BYTES_BESIDE_PIXELS = 128 * 2**20

KEPT_BYTES = 64 * 2**20
"""Of the memory that a decoder shares with the service, how much it keeps between files."""

_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL")
_SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
_SIZE_IS_FIXED = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL

Result = TypeVar("Result")


class DecoderError(Exception):
    """A decoder died or could not be started."""


class Decoder:
    """One process that decodes a file at a time, seen from the service."""

    def __init__(self, connection: socket.socket, handle: int, shared: mmap.mmap) -> None:
        self.connection = connection
        self.handle = handle
        self.shared = shared
        self.memory = np.frombuffer(shared, np.uint8)
        self.files = 0
        self.used = 0

    def ask(self, request: Mapping[str, Any], data: bytes, seconds: float) -> tuple[int, int]:
        """Return where in the shared memory the answer is.

        Raises:
            DecoderError: it died, or took longer than so many seconds.
        """
        self.files += 1
        self.memory[: len(data)] = np.frombuffer(data, np.uint8)
        self.connection.settimeout(seconds)
        try:
            self.connection.send(json.dumps(request).encode())
            place = self.connection.recv(answers.PLACE.size)
        except TimeoutError as error:
            raise DecoderError(f"did not end within {seconds:g} s") from error
        except (BrokenPipeError, ConnectionResetError):
            place = b""
        if len(place) != answers.PLACE.size:
            raise DecoderError("died")
        start, length = answers.PLACE.unpack(place)
        self.used = max(self.used, len(data), start + length)
        return start, length

    def is_waiting(self) -> bool:
        """Return whether it waits for a file: one that died has closed its connection."""
        return not select.select([self.connection], [], [], 0)[0]

    def trim(self) -> None:
        """Give back memory that only large pictures need."""
        if self.used > KEPT_BYTES:
            self.shared.madvise(mmap.MADV_REMOVE, KEPT_BYTES)
            self.used = 0

    def end(self) -> None:
        """Kill the process."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.handle, signal.SIGKILL)
        os.close(self.handle)
        self.connection.close()


class ForkServer:
    """The process that forks decoders; see `server`."""

    def __init__(self, module: str, memory: int, variables: Sequence[str] = ()) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(START_SECONDS)
        with theirs, _blocked(signal.SIGINT, signal.SIGTERM):
            self.process = subprocess.Popen(
                [
                    sys.executable, "-P", "-m", server.__name__,
                    str(theirs.fileno()), module, str(memory),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=child_environment(variables),
            )  # fmt: skip

    def fork(self, room: int) -> Decoder:
        """Return a new decoder that shares so many bytes of memory with this process.

        Raises:
            DecoderError: none could be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START_SECONDS)
        memory = os.memfd_create("image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        handles: list[int] = []
        try:
            os.truncate(memory, room)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SIZE_IS_FIXED)
            with theirs:
                socket.send_fds(self.control, [b"+"], [theirs.fileno(), memory])
            _, handles, _, _ = socket.recv_fds(self.control, 1, 1)
            said = ours.recv(1) if handles else server.STILLBORN
            if said not in (server.FILTERED, server.NOT_FILTERED):
                raise DecoderError("ended while it was started")
            if said == server.NOT_FILTERED:
                logger.warning("the kernel does not filter the system calls of decoders here")
            return Decoder(ours, handles[0], mmap.mmap(memory, room))
        except BaseException as error:
            ours.close()
            for handle in handles:
                os.close(handle)
            if isinstance(error, OSError):
                raise DecoderError(f"could not be started: {error}") from error
            raise
        finally:
            os.close(memory)

    def end(self) -> None:
        """End it, and with it all its decoders."""
        self.control.close()
        self.process.kill()
        self.process.wait()


class Sandbox:
    """Reads files as `decoding` does, in other processes; safe to use from threads.

    A file whose decoder dies, or takes too long or too much memory, raises `ImageError`
    (`decoder_failed`); the next file gets another decoder. Processes start when the first file
    comes, or with `start`, and end with `close`, with the object, or with this process, however
    that ends.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        decoders: int = 2,
        seconds: float = SECONDS,
        module: str = operations.__name__,
        variables: Sequence[str] = (),
    ) -> None:
        """Set what bounds each decoder.

        Args:
            limits: the largest files; memory follows from them, also where a call says otherwise.
            decoders: how many files are decoded at once; further callers wait.
            seconds: time for one file.
            module: what a decoder does: `OPERATIONS` by name, and `prepare`.
            variables: of the environment, which it sees beside those that any program needs.
        """
        self.limits = limits or Limits()
        self.seconds = seconds
        self.module = module
        self.variables = tuple(variables)
        self.places = Turns(decoders)
        self.idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        self.forking = threading.Lock()
        self.servers: list[ForkServer] = []
        weakref.finalize(self, _end_all, self.servers, self.idle)

    @property
    def memory(self) -> int:
        """Bytes of address space that a decoder may add to those it starts with."""
        pixels = BYTES_PER_PIXEL * self.limits.max_pixels
        return BYTES_BESIDE_PIXELS + 4 * self.limits.max_bytes + pixels

    def start(self) -> None:
        """Start the processes now.

        Raises:
            DecoderError: they could not be started.
        """
        with self.places:
            self.idle.put(self._take())

    def close(self) -> None:
        """End the processes; a later file starts them anew."""
        with self.forking:
            _end_all(self.servers, self.idle)

    def decode(self, data: bytes, limits: Limits | None = None) -> DecodedImage:
        """Return the image that `data` holds.

        Raises:
            ImageError: as `decoding.decode`, or `decoder_failed`.
            DecoderError: no decoder could be started.
        """
        limits = self._both(limits)
        return self.ask("decode", data, limits, partial(answers.read_image, limits=limits))

    def read_metadata(self, data: bytes, limits: Limits | None = None) -> StoredMetadata:
        """Return what a file holds beside its pixels; raises as `decode`."""
        return self.ask("read_metadata", data, self._both(limits), answers.read_metadata)

    def _both(self, limits: Limits | None) -> Limits:
        """Return the limits of a call, as far as those of the sandbox allow."""
        limits = limits or self.limits
        return Limits(
            min(limits.max_bytes, self.limits.max_bytes),
            min(limits.max_pixels, self.limits.max_pixels),
        )

    def ask(
        self,
        operation: str,
        data: bytes,
        limits: Limits,
        read: Callable[[Mapping[str, Any], np.ndarray], Result],
    ) -> Result:
        """Return what `read` makes of a decoder's answer: its facts, and the shared memory.

        Args:
            operation: of the module that the decoders run.
            data: the file.
            limits: on its size.
            read: raises `AnswerError` where the answer is not one that an honest decoder gives.

        Raises:
            ImageError: the file was refused, or `decoder_failed`.
            DecoderError: no decoder could be started.
        """
        guards.check_bytes(data, limits)
        request = {
            "operation": operation,
            "size": len(data),
            "max_bytes": limits.max_bytes,
            "max_pixels": limits.max_pixels,
        }
        with self.places:
            decoder, is_sound = self._take(), False
            try:
                place = decoder.ask(request, data, self.seconds)
                result = read(answers.facts_of(decoder.memory, place), decoder.memory)
                is_sound = True
            except ImageError:
                is_sound = True
                raise
            except DecoderError as error:
                raise _failed(str(error)) from error
            except (AnswerError, LookupError, TypeError, ValueError) as error:
                raise _failed("gave no answer that could be read") from error
            finally:
                if is_sound and decoder.files < FILES_PER_DECODER:
                    decoder.trim()
                    self.idle.put(decoder)
                else:
                    decoder.end()
            return result

    def _take(self) -> Decoder:
        """Return an idle decoder or a new one; the caller holds a place."""
        with suppress(queue.Empty):
            while decoder := self.idle.get_nowait():
                if decoder.is_waiting():
                    return decoder
                decoder.end()
        with self.forking:
            room = answers.room(self.limits)
            if self.servers:
                try:
                    return self.servers[0].fork(room)
                except DecoderError as error:
                    logger.warning("a decoder %s; starting the process anew that forks them", error)
                    _end_all(self.servers, self.idle)
            self.servers.append(ForkServer(self.module, self.memory, self.variables))
            return self.servers[0].fork(room)


def child_environment(variables: Sequence[str] = ()) -> dict[str, str]:
    """Return the environment of decoders: the way to the code, and nothing of the service's."""
    code = str(Path(__file__).parents[3])
    kept = {name: os.environ[name] for name in (*_ENVIRONMENT, *variables) if name in os.environ}
    return kept | _SINGLE | {"PYTHONPATH": os.pathsep.join([code, *filter(None, sys.path)])}


@contextmanager
def _blocked(*numbers: signal.Signals) -> Iterator[None]:
    """Have a process that is started inside the block never see these signals.

    A service that is told to stop still reads the files in flight; its decoders, which are in its
    process group and are told too, end with it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _failed(how: str) -> ImageError:
    logger.warning("a decoder %s", how)
    return ImageError(f"The image could not be decoded: its decoder {how}.", "decoder_failed")


def _end_all(servers: list[ForkServer], idle: "queue.SimpleQueue[Decoder]") -> None:
    while True:
        try:
            idle.get_nowait().end()
        except queue.Empty:
            break
    while servers:
        servers.pop().end()
