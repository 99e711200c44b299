"""A machine with little memory: programs and files that are larger than it."""
import os
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
            assert "Out of memory: Killed process" in m.text(), "the kernel did not say whom it ended"
            m.run("umount /mnt")
            m.poweroff()
        status, text = fsck(disk)
        assert status == 0, text


def test_more_than_there_is_with_1_cpu():
    pressure("release", 1)


def test_more_than_there_is_with_4_cpus():
    pressure("release", 4)


def test_more_than_there_is_with_all_checks():
    pressure("debug", 2)
