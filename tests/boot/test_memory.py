"""A machine with little memory: programs and files that are larger than it."""
import os
import re
import tempfile

from machine import BUILD, Machine, fsck, make_disk

TEST_IMAGE = os.path.join(BUILD, "test.ext2")


def pressure(variant, smp):
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, "disk")
        make_disk(disk, 256 << 20, 4096)
        with Machine(variant=variant, smp=smp, mem="64M", initrd=TEST_IMAGE, disk=disk, append="rw", timeout=240) as m:
            m.login()
            m.run("mount /dev/vda /mnt")
            out = m.run("BIG_DIR=/mnt /tests/pressure; echo status=$?")
            assert "status=0" in out and "not ok" not in out, out
            assert "SKIP" not in out, out
            m.run("umount /mnt")
            m.poweroff()
        status, text = fsck(disk)
        assert status == 0, text


def test_files_larger_than_memory_with_1_cpu():
    pressure("release", 1)


def test_files_larger_than_memory_with_4_cpus():
    pressure("release", 4)


def test_files_larger_than_memory_with_all_checks():
    pressure("debug", 2)


def hogs(variant, smp, mem, tests=""):
    """Whoever asks for more than there is is ended, and nobody else; the kernel says who it was and who asked."""
    with Machine(variant=variant, smp=smp, mem=mem, initrd=TEST_IMAGE, append="rw", timeout=240) as m:
        m.login()
        out = m.run(f"FILL=1 /tests/oom {tests}; echo status=$?")
        assert "status=0" in out and "not ok" not in out and "SKIP" not in out, out
        killed = re.findall(r"Out of memory: Killed process \d+ \((.*?)\) total-vm", m.text())
        assert killed and set(killed) == {"hog"}, killed
        assert re.search(r"\S+ invoked oom-killer", m.text())
        m.poweroff()


def test_more_than_there_is_on_32_mib():
    hogs("release", 1, "32M")


def test_more_than_there_is_on_64_mib_with_4_cpus():
    hogs("release", 4, "64M")


def test_more_than_there_is_on_64_mib_with_all_checks():
    hogs("debug", 3, "64M")


def test_more_than_there_is_on_512_mib():
    hogs("release", 2, "512M", "four_at_a_time_are_ended a_file_without_a_name_counts_for_who_has_it_open page_tables_count_too")
