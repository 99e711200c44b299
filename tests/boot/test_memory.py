"""A machine with little memory: programs and files that are larger than it."""
import os
import re
import tempfile

from machine import BUILD, HANG, Machine, fsck, make_disk

TEST_IMAGE = os.path.join(BUILD, "test.ext2")


def pressure(variant, smp, mib=0):
    """mib: how large the file is; 0: once and a half of memory."""
    with tempfile.TemporaryDirectory() as folder:
        disk = os.path.join(folder, "disk")
        make_disk(disk, 256 << 20, 4096)
        with Machine(variant=variant, smp=smp, mem="64M", initrd=TEST_IMAGE, disk=disk, append="rw") as m:
            m.login()
            m.run("mount /dev/vda /mnt")
            out = m.run(f"BIG_DIR=/mnt BIG_MIB={mib} /tests/pressure; echo status=$?")
            assert "status=0" in out and "not ok" not in out, out
            assert "SKIP" not in out, out
            m.run("umount /mnt")
            m.poweroff()
        status, text = fsck(disk)
        assert status == 0, text


def test_files_larger_than_memory_with_1_cpu():
    pressure("release", 1)


def test_files_of_200_mib_on_64_mib_with_4_cpus():
    pressure("release", 4, 200)


def test_files_larger_than_memory_with_all_checks():
    pressure("debug", 2)


def hogs(variant, smp, mem, tests=""):
    """Whoever asks for more than there is is ended, and nobody else; the kernel says who it was and who asked."""
    with Machine(variant=variant, smp=smp, mem=mem, initrd=TEST_IMAGE, append="rw") as m:
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


# A million (make test-churn) takes minutes; a part of it goes with every run.
CHURN = int(os.environ.get("CHURN", "50000"))


def large_blocks(m):
    """Free memory in pieces of order 9 and above, in pages."""
    columns = re.search(r"Normal\s+([\d ]+)", m.run("cat /proc/buddyinfo")).group(1).split()
    return sum(int(n) << order for order, n in enumerate(columns) if order >= 9)


def test_memory_lies_together_again_after_maps_of_random_sizes():
    with Machine(mem="512M", timeout=HANG + CHURN // 100) as m:
        m.login()
        # The warm-up: the shell's heap and what is kept for good grow once.
        assert m.status("mapchurn -n 500") == 0
        m.free_frames()
        frames, large = m.free_frames(), large_blocks(m)
        assert m.status(f"mapchurn -n {CHURN}") == 0
        after = m.free_frames()
        assert after == frames, f"{frames - after} KiB of memory are missing"
        left = large_blocks(m)
        assert left >= 1 << 9 and left >= large * 9 // 10, f"{left} pages lie in large blocks, {large} did"
        m.poweroff()
