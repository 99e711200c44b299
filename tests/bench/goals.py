"""The rows of `make bench`: program, what it measures, goal as ratio Quire / Linux, and how it is run.

A goal of 1.00 is the floor that holds for every row; rows with a goal of their own there have that.
"""
from dataclasses import dataclass


@dataclass
class Row:
    name: str           # as the program prints it
    program: str        # in tests/bench/rows
    goal: float
    meaning: str
    divide: int = 1     # the instruction table does 1/divide of the work
    arg: str = ""       # argv[3]
    instructions: bool = True   # rows that mostly idle have no instruction figure
    smp: int = 1        # CPUs that the row needs
    scale: tuple = ()   # (kind, workers): shown again relative to one worker
    huge: bool = False  # measured on Linux with 2 MiB pages too


ROWS = [
    Row("null", "null", 0.40, "null system call (getppid)", 20),
    Row("yield", "yield", 1.00, "sched_yield, alone", 10),
    Row("fork", "fork", 0.30, "fork + exit + wait, small static process", 10),
    Row("fork_1m", "fork_1m", 0.30, "fork + exit + wait, 1 MiB touched", 10),
    Row("fork_64m", "fork_64m", 0.30, "fork + exit + wait, 64 MiB touched", 10, huge=True),
    Row("fork_1g", "fork_1g", 0.002, "fork + exit + wait, 1 GiB touched", 1, huge=True),
    Row("vfork", "vfork", 1.00, "vfork + exit + wait", 20),
    Row("exec", "exec", 0.35, "fork + exec + exit", 10),
    Row("vfork_exec", "vfork_exec", 1.00, "vfork + exec + exit", 10),
    Row("shell", "shell", 0.35, "fork + sh -c true", 5),
    Row("fault_anon", "fault_anon", 0.45, "anonymous first touch, per 4 KiB page", 8, huge=True),
    Row("fault_zero", "fault_zero", 1.00, "first read of anonymous memory, per page", 8),
    Row("fault_file_read", "fault_file_read", 0.50, "read fault on a cached file page, MAP_SHARED, random", 4),
    Row("fault_file_private", "fault_file_private", 1.00, "write fault on a cached file page, MAP_PRIVATE, random", 4),
    Row("fault_file_write", "fault_file_write", 1.00, "write fault on a cached file page, MAP_SHARED, random", 4),
    Row("cow_dense", "cow_dense", 0.60, "copy-on-write break, dense, per page", 4, huge=True),
    Row("cow_sparse", "cow_sparse", 0.90, "copy-on-write break, one page per 2 MiB", 1),
    Row("cow_reuse", "cow_reuse", 0.30, "write again after the child has gone, per page", 2, huge=True),
    Row("fork_child_reads", "fork_child_reads", 0.50, "fork, child reads 256 MiB, exit; per page", 1, huge=True),
    Row("map_unmap", "map_unmap", 0.14, "mmap + munmap, untouched", 10),
    Row("map_touch1_unmap", "map_touch1_unmap", 1.00, "mmap + touch one page + munmap", 10),
    Row("map_touch_unmap", "map_touch_unmap", 0.40, "mmap + touch + munmap, 50 to 1500 pages, per page", 4, huge=True),
    Row("map_10000", "map_10000", 1.00, "10,000 mappings placed, found by a read and unmapped, per mapping", 1),
    Row("protect", "protect", 0.40, "mprotect of a page, back and forth", 10),
    Row("protect_split", "protect_split", 1.00, "mprotect in the middle of a mapping", 10),
    Row("dontneed", "dontneed", 1.00, "madvise(DONTNEED) + touch", 10),
    Row("remap", "remap", 1.00, "mremap of a touched page", 10),
    Row("brk", "brk", 1.00, "brk up and down", 10),
    Row("signal", "signal", 0.35, "signal delivery and return", 10),
    Row("segv", "segv", 1.00, "SIGSEGV handled with mprotect", 10),
    Row("switch_2", "switch_2", 0.40, "context switch over pipes, 2 processes", 10),
    Row("switch_18", "switch_18", 0.40, "context switch over pipes, 18 processes", 10),
    Row("futex_switch", "futex_switch", 0.40, "futex wake to wait", 10),
    Row("futex_wake", "futex_wake", 1.00, "futex wake, nobody waits", 20),
    Row("thread", "thread", 1.00, "thread create + join", 10),
    Row("read_4k", "read_4k", 0.70, "pread of a cached file, 4 KiB", 10),
    Row("read_64k", "read_64k", 0.70, "pread of a cached file, 64 KiB", 5),
    Row("pipe_bandwidth", "pipe_bandwidth", 0.70, "pipe bandwidth, per 4 KiB", 10),
    Row("open_close", "open_close", 0.30, "open + close, three directories down", 10),
    Row("stat", "stat", 0.30, "stat, three directories down", 10),
    Row("fstat", "fstat", 0.30, "fstat", 10),
    Row("select_100", "select_100", 0.30, "select on 100 descriptors", 10),
    Row("create_delete", "create_delete", 0.50, "create + delete an empty file on ext2", 2),
    Row("boot", "", 1.00, "power-on to init's first instruction"),
]

SCALE_KINDS = [
    ("fault_threads", "scale_fault", "first touch by threads, per page", 4),
    ("futex_threads", "scale_futex", "futex wakes by threads", 10),
    ("map_processes", "scale_map_processes", "map + touch + protect + unmap by processes", 8),
    ("map_threads", "scale_map_threads", "map + touch + protect + unmap by threads", 8),
]
for _kind, _program, _meaning, _divide in SCALE_KINDS:
    for _workers in (1, 2, 4):
        ROWS.append(Row(f"scale_{_kind}_{_workers}", _program, 1.00, f"{_meaning}, {_workers} at once", _divide,
                        str(_workers), smp=4, scale=(f"scale_{_kind}", _workers)))
