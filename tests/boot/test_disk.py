"""A virtio disk: files survive, e2fsck finds nothing, also after QEMU was killed in the middle of writes."""
import os
import tempfile
import time

from machine import BUILD, Machine, fsck, make_disk


def test_disk_is_clean_after_stress():
    with tempfile.TemporaryDirectory() as tmp:
        disk = os.path.join(tmp, "disk")
        make_disk(disk, 64 << 20, block_size=4096)
        with Machine(variant="debug", smp=4, disk=disk) as m:
            m.login()
            assert m.status("mkdir -p /mnt; mount -t ext2 /dev/vda /mnt") == 0
            m.run("cp /bin/busybox /mnt/busybox; mkdir /mnt/work; cd /mnt/work")
            assert m.status("filemapstress -s 8 -r 5 -w 4") == 0
            m.run("for i in 1 2 3 4 5 6 7 8; do mkdir d$i; echo text $i > d$i/file; ln d$i/file link$i; done; rm -r d3 d5; mv d7 moved")
            assert m.status("cmp /bin/busybox /mnt/busybox") == 0
            m.run("cd /")
            assert m.status("umount /mnt") == 0
            m.poweroff()
        status, out = fsck(disk)
        assert status == 0, out
        # A second boot sees what the first one wrote.
        with Machine(disk=disk) as m:
            m.login()
            assert m.status("mount -t ext2 /dev/vda /mnt && cmp /bin/busybox /mnt/busybox") == 0
            assert m.run("cat /mnt/work/moved/file").strip() == "text 7"
            assert sorted(m.run("ls /mnt/work").split()) == sorted(
                ["d1", "d2", "d4", "d6", "d8", "moved"] + [f"link{i}" for i in range(1, 9)])
            m.poweroff()


def test_each_block_size_is_clean_after_work():
    for block_size in (1024, 2048, 4096):
        with tempfile.TemporaryDirectory() as tmp:
            disk = os.path.join(tmp, "disk")
            make_disk(disk, 16 << 20, block_size=block_size)
            with Machine(disk=disk) as m:
                m.login()
                assert m.status("mount -t ext2 /dev/vda /mnt && cp /bin/busybox /mnt/a && cp /mnt/a /mnt/b && rm /mnt/a") == 0
                assert m.status("cmp /mnt/b /bin/busybox && sync") == 0
                m.run("umount /mnt")
                m.poweroff()
            status, out = fsck(disk)
            assert status == 0, f"block size {block_size}: {out}"


def test_what_was_synced_survives_a_kill():
    """QEMU is killed while files are written: what was synced before is there and the volume can be repaired."""
    with tempfile.TemporaryDirectory() as tmp:
        disk = os.path.join(tmp, "disk")
        make_disk(disk, 32 << 20, block_size=1024)
        with Machine(disk=disk) as m:
            m.login()
            assert m.status("mount -t ext2 /dev/vda /mnt && cp /bin/busybox /mnt/kept && sync") == 0
            m.type("while true; do cp /bin/busybox /mnt/x; rm /mnt/x; done")
            time.sleep(1.5)
        # The with-statement killed QEMU. e2fsck -fy must be able to mend the rest and leave the synced file.
        os.system(f"e2fsck -fy {disk} >/dev/null 2>&1")
        status, out = fsck(disk)
        assert status == 0, out
        with Machine(disk=disk) as m:
            m.login()
            assert m.status("mount -t ext2 /dev/vda /mnt && cmp /bin/busybox /mnt/kept") == 0
            m.poweroff()


def test_direct_io_on_a_disk():
    """The tests of O_DIRECT, which otherwise run on the ramdisk."""
    for block_size, smp, variant in ((1024, 4, "debug"), (4096, 1, "release")):
        with tempfile.TemporaryDirectory() as tmp:
            disk = os.path.join(tmp, "disk")
            make_disk(disk, 16 << 20, block_size=block_size)
            with Machine(variant=variant, smp=smp, disk=disk, initrd=os.path.join(BUILD, "test.ext2")) as m:
                m.login()
                assert m.status("mkdir /mnt; mount -t ext2 /dev/vda /mnt") == 0
                out = m.run("TAP_DISK=/mnt /tests/direct")
                assert "not ok" not in out and "SKIP" not in out and "ok 17 - block_devices" in out, out
                assert m.status("umount /mnt") == 0
                m.poweroff()
            status, out = fsck(disk)
            assert status == 0, f"block size {block_size}: {out}"


def test_a_disk_can_be_the_root():
    with tempfile.TemporaryDirectory() as tmp:
        disk = os.path.join(tmp, "disk")
        image = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/initrd.ext2")
        with open(image, "rb") as src, open(disk, "wb") as dst:
            dst.write(src.read())
        with Machine(disk=disk, initrd="none", append="root=/dev/vda rw") as m:
            m.login()
            m.run("echo kept > /root/file")
            m.poweroff()
        status, out = fsck(disk)
        assert status == 0, out
