"""What goes wrong ends in a line that says what to do, or in a panic that names the cause."""
import os
import subprocess
import tempfile

from machine import BUILD, EXIT_PANIC, Machine, make_disk


def ends_with(pattern, status=None, **kw):
    with Machine(**kw) as m:
        m.expect(pattern)
        ended = m.wait_end()
        assert status is None or ended == status, f"QEMU ended with status {ended}"
        return m.text()


def test_missing_initrd_says_what_to_do():
    ends_with(r"root=.*initrd|initrd.*root=", initrd="none", append="root=/dev/ram0")


def test_corrupt_initrd_says_what_to_do():
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "corrupt.ext2")
        make_disk(path, 1 << 20)
        with open(path, "r+b") as f:
            f.seek(1024 + 24)  # s_log_block_size
            f.write(b"\xff\xff\xff\x7f")
        ends_with(r"ram0.*ext2|ext2.*ram0", initrd=path)


def test_garbage_as_initrd_says_what_to_do():
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "garbage")
        with open(path, "wb") as f:
            f.write(os.urandom(65536))
        ends_with(r"ram0.*ext2|ext2.*ram0", initrd=path)


def test_missing_init_says_what_to_do():
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "empty.ext2")
        make_disk(path, 1 << 20)
        ends_with(r"init=", initrd=path)


def test_init_that_is_no_program_says_so():
    with tempfile.TemporaryDirectory() as tmp:
        tree = os.path.join(tmp, "tree")
        os.mkdir(tree)
        with open(os.path.join(tree, "init"), "wb") as f:
            f.write(b"\x7fELF and then nonsense")
        os.chmod(os.path.join(tree, "init"), 0o755)
        path = os.path.join(tmp, "bad.ext2")
        make_disk(path, 1 << 20, tree=tree)
        ends_with(r"init", initrd=path, append="init=/init")


def test_too_little_memory_is_told():
    """The machine stops with a line on the serial port; it does not reset (a triple fault would end QEMU)."""
    with Machine(mem="8M", initrd="none") as m:
        m.expect(r"(?i)memory")


def test_module_that_leaves_too_little_memory_is_told():
    with Machine(mem="22M", initrd=os.path.join(BUILD, "test.ext2")) as m:
        m.expect(r"(?i)not enough memory.*boot module, which has \d+ KiB")


def test_cpu_without_long_mode_is_told():
    with Machine(cpu="qemu32", initrd="none") as m:
        m.expect(r"(?i)long mode|64-bit")


def test_cpu_without_nx_is_told():
    with Machine(cpu="qemu64,-nx", initrd="none") as m:
        m.expect(r"NX")


def panics(word, *patterns, variant="debug"):
    text = ends_with(r"(?i)panic", status=EXIT_PANIC, variant=variant, initrd="none", append=f"ktest=panic:{word}")
    for pattern in patterns:
        assert pattern.lower() in text.lower(), f"{pattern!r} is not in:\n{text[-3000:]}"


def test_null_dereference_is_named():
    panics("null", "NULL", "panic_test_null")


def test_null_dereference_is_named_in_release():
    panics("null", "NULL", "panic_test_null", variant="release")


def test_kernel_stack_overflow_is_named():
    panics("stack", "stack overflow", "panic_test_stack")


def test_lock_rank_violation_is_named():
    panics("rank", "rank")


def test_double_free_is_named():
    panics("doublefree", "double free")


def test_init_that_ends_is_a_panic_that_says_so():
    """As on Linux: the end of pid 1 is the end of the machine."""
    with tempfile.TemporaryDirectory() as tmp:
        tree = os.path.join(tmp, "tree")
        os.mkdir(tree)
        source = os.path.join(tmp, "init.c")
        with open(source, "w", encoding="ascii") as f:
            f.write("int main(void) { return 3; }\n")
        subprocess.run(["musl-gcc", "-static", "-O", "-o", os.path.join(tree, "init"), source], check=True)
        path = os.path.join(tmp, "root.ext2")
        make_disk(path, 1 << 20, tree=tree)
        ends_with(r"(?i)init.*(exit|ended)|kill init", status=EXIT_PANIC, initrd=path)
