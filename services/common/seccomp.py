"""From now on this process computes, and reads and writes what it has open: a seccomp filter of system calls.

What is not named is refused, so that a decoder that was taken over can open no file, no connection and no program, and
can send no signal to anybody. Needs no privilege.
"""

import ctypes
import errno
import os
import platform
import struct
from typing import Final

_PR_SET_NAME, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 15, 22, 38, 2  # prctl(2), seccomp(2)
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # BPF: ld word at, jeq, jge, jset, ret
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENT_AT = 0, 4, 16  # struct seccomp_data, low half of the first argument
_CLONE_THREAD: Final = 0x00010000
_X32: Final = 0x40000000
"""Set in the numbers of x86_64's second, 32 bit way to call the same things; arm64 has none so high."""

_ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_ALLOWED: Final[dict[str, tuple[int, int]]] = {  # the numbers of both architectures
    # what is open
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "newfstatat": (262, 79), "lseek": (8, 62),
    "pread64": (17, 67), "readv": (19, 65), "writev": (20, 66), "preadv": (295, 69), "dup": (32, 23), "fcntl": (72, 25),
    "sendto": (44, 206), "recvfrom": (45, 207), "poll": (7, 73), "ppoll": (271, 73),
    # memory
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216),
    "madvise": (28, 233),
    # threads and signals of its own
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123), "membarrier": (324, 283), "getcpu": (309, 168), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    # who, when and how much
    "getpid": (39, 172), "gettid": (186, 178), "getppid": (110, 173), "getuid": (102, 174), "geteuid": (107, 175),
    "getgid": (104, 176), "getegid": (108, 177), "uname": (63, 160), "sysinfo": (99, 179), "times": (100, 153),
    "getrusage": (98, 165), "getrandom": (318, 278), "gettimeofday": (96, 169), "clock_gettime": (228, 113),
    "clock_getres": (229, 114), "clock_nanosleep": (230, 115), "nanosleep": (35, 101),
    # the end
    "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
_CLONE, _CLONE3, _TGKILL, _PRCTL = (56, 220), (435, 435), (234, 131), (157, 167)


def refuse_other_calls() -> None:
    """For this thread and what it starts, for good. Nothing on machines whose calls are not known here.

    Raises OSError where the kernel takes no filter.
    """
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return
    program = _program(*known, os.getpid())
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    held = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, held, 0, 0):
        raise OSError(ctypes.get_errno(), "the child cannot be confined")


def _program(column: int, architecture: int, own_pid: int) -> list[tuple[int, int, int, int]]:
    """Steps: operation, steps to skip if so, if not, value."""
    allow, refuse = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE | errno.EPERM)
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_AT_LEAST, 0, 1, _X32),
        refuse,
    ]
    for numbers in _ALLOWED.values():
        program += [(_EQUAL, 0, 1, numbers[column]), allow]
    # The C library then starts threads by the older call, whose flags can be looked at: threads, no processes.
    program += [(_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _REFUSE | errno.ENOSYS)]
    for numbers, test, value in (
        (_CLONE, _ANY_BIT, _CLONE_THREAD),
        (_TGKILL, _EQUAL, own_pid),
        (_PRCTL, _EQUAL, _PR_SET_NAME),
    ):
        program += [(_EQUAL, 0, 4, numbers[column]), (_LOAD, 0, 0, _ARGUMENT_AT), (test, 0, 1, value), allow, refuse]
    return [*program, refuse]
