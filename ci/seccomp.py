"""Which system calls submitted code may make: a filter of the Linux kernel, for x86-64.

The filter keeps the sandbox to one process: threads may be started, processes may not. Limits of
memory and time, which the kernel counts for each process, are thereby limits of the whole sandbox.
"""

import errno
import struct

MACHINE = "x86_64"
AUDIT_ARCH = 0xC000003E
X32 = 0x40000000  # first number of the second table of calls
CLONE, CLONE3, CLONE_THREAD = 56, 435, 0x10000
DENIED = {
    "socket": 41,
    "socketpair": 53,
    "fork": 57,
    "vfork": 58,
    "unshare": 272,
    "setns": 308,
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
    "kcmp": 312,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "mount": 165,
    "umount2": 166,
    "pivot_root": 155,
    "chroot": 161,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "mount_setattr": 442,
    "open_by_handle_at": 304,
    "shmget": 29,  # memory that no limit of a process counts
    "semget": 64,
    "msgget": 68,
    "mq_open": 240,
    "memfd_create": 319,
    "memfd_secret": 447,
    "add_key": 248,
    "request_key": 249,
    "keyctl": 250,
    "bpf": 321,
    "perf_event_open": 298,
    "userfaultfd": 323,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "kexec_load": 246,
    "kexec_file_load": 320,
    "init_module": 175,
    "finit_module": 313,
    "delete_module": 176,
}

LOAD, JUMP_EQUAL, JUMP_FROM, JUMP_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
NUMBER, ARCH, FIRST_ARGUMENT = 0, 4, 16  # bytes into what the kernel shows the filter


def seccomp_filter() -> bytes:
    """The filter as classic BPF, as `bwrap --seccomp` takes it.

    Denied calls fail with EPERM. `clone3` fails with ENOSYS, for its flags cannot be seen and the
    C library then falls back to `clone`. Calls of another architecture kill the process.

    References:
        Linux, Documentation/userspace-api/seccomp_filter.rst; include/uapi/linux/filter.h.
    """
    refused = _step(RETURN, REFUSE | errno.EPERM)
    program = [
        _step(LOAD, ARCH),
        _step(JUMP_EQUAL, AUDIT_ARCH, 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER),
        _step(JUMP_FROM, X32, 0, 1),
        _step(RETURN, KILL),
        _step(JUMP_EQUAL, CLONE3, 0, 1),
        _step(RETURN, REFUSE | errno.ENOSYS),
    ]
    for number in DENIED.values():
        program += [_step(JUMP_EQUAL, number, 0, 1), refused]
    program += [
        _step(JUMP_EQUAL, CLONE, 0, 3),
        _step(LOAD, FIRST_ARGUMENT),
        _step(JUMP_BITS, CLONE_THREAD, 1, 0),
        refused,
        _step(RETURN, ALLOW),
    ]
    return b"".join(program)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; the jumps count the instructions that are passed over."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
