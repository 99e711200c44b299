"""The machines that Quire boots on: each boots to the prompt, does some work and powers off."""
import itertools
import re
import time

from machine import Machine, host_memory_mib
import standstill  # beside guest.py

MACHINES = ["pc", "q35"]
CPUS = ["max", "qemu64"]
COUNTS = [1, 2, 4]
MEMORY = ["32M", "512M", "16G"]
# Every pair of values of two of the four columns stands in at least one row (all pairs of 2 x 2 x 3 x 3 need nine rows;
# these six hold every pair with a machine or a CPU model, the others are in --all-machines).
PAIRWISE = [
    ("pc", "max", 1, "32M"),
    ("q35", "qemu64", 1, "512M"),
    ("q35", "max", 2, "16G"),
    ("pc", "qemu64", 2, "32M"),
    ("pc", "qemu64", 4, "16G"),
    ("q35", "max", 4, "512M"),
]
NEEDS_MIB = {"32M": 32, "512M": 512, "16G": 3072}


def boot(machine, cpu, smp, mem, iso):
    if host_memory_mib() < NEEDS_MIB[mem] + 512:
        return f"needs {NEEDS_MIB[mem]} MiB of free memory on the host"
    with Machine(machine=machine, cpu=cpu, smp=smp, mem=mem, iso=iso) as m:
        m.login()
        cpus = m.run("grep -c ^processor /proc/cpuinfo").strip()
        assert cpus == str(smp), f"{cpus} CPUs of {smp}"
        total = int(re.search(r"MemTotal:\s+(\d+)", m.run("cat /proc/meminfo")).group(1)) // 1024
        size = int(mem[:-1]) * (1024 if mem.endswith("G") else 1)
        assert size * 0.6 < total <= size, f"MemTotal {total} MiB of {size}"
        assert m.run("busybox seq 1 4 | busybox tr '\\n' ' '; echo").strip() == "1 2 3 4"
        assert m.status("forkstress -s 1 -r 7") == 0
        m.poweroff()
    return None


def test_a_cpu_that_stands_still_while_it_is_started_comes_late():
    with Machine(smp=4, mem="128M") as m:
        m.expect("Quire, started by")
        tid = standstill.cpu_threads(m.child.pid)[2]
        if not standstill.stop(tid):
            return "ptrace is not permitted"
        try:
            time.sleep(1)
        finally:
            standstill.go_on(tid)
        m.login()
        assert m.run("grep -c ^processor /proc/cpuinfo").strip() == "4"
        assert m.status("forkstress -s 1 -r 8") == 0
        m.poweroff()
    return None


def named(rows):
    tests = []
    for i, row in enumerate(rows):
        iso = i % 2 == 0
        way = "iso" if iso else "direct"
        name = f"boots on {row[0]} {row[1]} with {row[2]} CPUs and {row[3]} ({way})"
        tests.append((name, lambda row=row, iso=iso: boot(*row, iso)))
    return tests


def cases():
    return named(PAIRWISE)


def all_machines():
    product = list(itertools.product(MACHINES, CPUS, COUNTS, MEMORY))
    return named([row for row in product for _ in (0, 1)])
