#!/usr/bin/python3
"""Virtual CPUs that stand still, as they do when the host has other work: single threads of QEMU are stopped by ptrace.

    QEMU_PREFIX="tests/standstill.py SEED MS" make test-user

While QEMU runs, up to three of its CPUs at a time stand still, for up to MS milliseconds. As a module: stop one CPU.
"""
import ctypes
import os
import random
import sys
import time

# ptrace(2), waitpid(2)
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def cpu_threads(pid):
    """The threads of QEMU's CPUs, in order: they have names like "CPU 0/TCG" (guest.py sees to it)."""
    found = {}
    for tid in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{tid}/comm", encoding="ascii") as f:
            name = f.read()
        if name.startswith("CPU "):
            found[int(name[4:].split("/")[0])] = int(tid)
    return [found[n] for n in sorted(found)]


def stop(tid):
    """The thread stands still on return. False: this is not permitted here, or it is gone."""
    if libc.ptrace(PTRACE_SEIZE, tid, None, None) < 0:
        return False
    libc.ptrace(PTRACE_INTERRUPT, tid, None, None)
    os.waitpid(tid, WALL)
    return True


def go_on(tid):
    if libc.ptrace(PTRACE_DETACH, tid, None, None) < 0:
        # It was killed meanwhile, and is ours to reap.
        os.waitpid(tid, WALL)


def disturb(pid, rng, longest):
    """Until QEMU is gone."""
    while True:
        threads = cpu_threads(pid)
        stopped = [t for t in rng.sample(threads, min(len(threads), rng.choice((1, 1, 1, 2, 3)))) if stop(t)]
        # Mostly short.
        time.sleep(longest * rng.random() ** 3)
        for tid in stopped:
            go_on(tid)
        time.sleep(rng.choice((0.0005, 0.002, 0.01, 0.05)))


def main():
    pid = os.getpid()
    if os.fork():
        os.execvp(sys.argv[3], sys.argv[3:])
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    try:
        disturb(pid, random.Random(int(sys.argv[1])), float(sys.argv[2]) / 1000)
    except OSError:
        pass  # QEMU is gone


if __name__ == "__main__":
    main()
