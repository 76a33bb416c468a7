"""The system calls that a decoder may make, as a filter in the kernel.

A filter of the kernel is a program of its BPF machine, which sees number and arguments of every
call. This one allows what memory, threads and the exchange with the service need. Everything else,
such as opening a file, a socket or another process, fails with EPERM.

Sources: https://docs.kernel.org/userspace-api/seccomp_filter.html; the numbers are those of
asm/unistd_64.h and asm-generic/unistd.h. The bindings of libseccomp on the package index are
unmaintained (pyseccomp) or need its headers, and both need the library on the machine.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

_ALLOWED = {
    # name: (x86_64, aarch64)
    "read": (0, 63), "write": (1, 64),
    "munmap": (11, 215), "mremap": (25, 216), "brk": (12, 214), "madvise": (28, 233),
    "futex": (202, 98), "sched_yield": (24, 124), "sched_getaffinity": (204, 123),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    "clock_gettime": (228, 113), "clock_nanosleep": (230, 115),
    "getpid": (39, 172), "gettid": (186, 178), "getrandom": (318, 278),
    "set_robust_list": (273, 99), "rseq": (334, 293), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
_MMAP, _MPROTECT, _CLONE, _CLONE3 = (9, 222), (10, 226), (56, 220), (435, 435)
_PROTECTION, _CLONE_FLAGS = 2, 0
"""Which argument it is of `mmap` and `mprotect`, and of `clone`."""
_PROT_EXEC, _CLONE_THREAD = 4, 0x10000

_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Place in the tables above, and the kernel's name of the architecture."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in the kernel's `struct seccomp_data`."""


@dataclass(frozen=True)
class _Instruction:
    """One instruction of the BPF machine: jumps count from the next one."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def packed(self) -> bytes:
        """Return it as the kernel's `struct sock_filter`."""
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.value)


def refuse_other_calls() -> bool:
    """Allow this process, from now on, the calls above alone; return whether the kernel does it.

    It does not on other machines than x86_64 and aarch64, nor where it has no such filters.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    program = b"".join(one.packed() for one in _program(*machine))
    instructions = ctypes.create_string_buffer(program, len(program))
    packed = struct.pack("@HP", len(program) // 8, ctypes.addressof(instructions))
    header = ctypes.create_string_buffer(packed, len(packed))
    libc = ctypes.CDLL(None)
    no, filtered = ctypes.c_ulong(0), ctypes.c_ulong(_SECCOMP_MODE_FILTER)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), no, no, no):
        return False
    return not libc.prctl(_PR_SET_SECCOMP, filtered, header, no, no)


def _program(place: int, architecture: int) -> list[_Instruction]:
    """Return the filter; `place` is the column of the machine in the tables."""
    allow, refuse = _Instruction(_RETURN, _ALLOW), _Instruction(_RETURN, _ERROR | errno.EPERM)
    absent = _Instruction(_RETURN, _ERROR | errno.ENOSYS)  # the C library then calls `clone`
    program = [
        _Instruction(_LOAD, _ARCHITECTURE),
        _Instruction(_EQUAL, architecture, if_true=1),
        _Instruction(_RETURN, _KILL),
        _Instruction(_LOAD, _NUMBER),
    ]
    for numbers in _ALLOWED.values():
        program += [_Instruction(_EQUAL, numbers[place], if_false=1), allow]
    program += [_Instruction(_EQUAL, _CLONE3[place], if_false=1), absent]
    for numbers in (_MMAP, _MPROTECT):  # no memory that can be run
        program += _on_bit(numbers[place], _PROTECTION, _PROT_EXEC, refuse, allow)
    program += _on_bit(_CLONE[place], _CLONE_FLAGS, _CLONE_THREAD, allow, refuse)
    return [*program, refuse]


def _on_bit(
    number: int, argument: int, bit: int, if_set: _Instruction, otherwise: _Instruction
) -> list[_Instruction]:
    """Return what decides over a call by a bit of one of its arguments."""
    return [
        _Instruction(_EQUAL, number, if_false=4),
        _Instruction(_LOAD, _ARGUMENTS + 8 * argument),
        _Instruction(_ANY_BIT, bit, if_false=1),
        if_set,
        otherwise,
    ]
