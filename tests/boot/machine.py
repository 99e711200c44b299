"""A Quire machine in QEMU, driven over its serial console."""
import os
import re
import signal
import subprocess
import sys
import time

import pexpect

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from guest import emulator  # noqa: E402 pylint: disable=wrong-import-position

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build")
PROMPT = r"[#$] $"
# Exit status of QEMU when the kernel leaves through isa-debug-exit (kernel/ktest.h).
EXIT_PANIC = 35
# Seconds after which the wait for an output is a hang. Only a hang may take that long: slow machines are far from it.
HANG = 600


class Machine:
    """Boots when made; a with-statement ends QEMU whatever happened."""

    def __init__(self, iso=False, variant="release", kernel=None, initrd=None, append="", init_args="", machine="q35",
                 cpu="max", smp=1, mem="512M", disk=None, extra=(), timeout=HANG):
        kernel = kernel or os.path.join(BUILD, variant, "quire")
        initrd = initrd or os.path.join(BUILD, "initrd.ext2")
        argv = ["-M", machine, "-cpu", cpu, "-smp", str(smp), "-m", mem, "-display", "none", "-no-reboot",
                "-monitor", "none", "-net", "none",
                # Keys such as ^C are the guest's.
                "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
        if iso:
            argv += ["-cdrom", os.path.join(BUILD, "quire.iso")]
        else:
            words = f"console=ttyS0 panic=exit {append}"
            if init_args:
                words += f" -- {init_args}"
            argv += ["-kernel", kernel, "-append", words]
            if initrd != "none":
                argv += ["-initrd", initrd]
        if disk:
            argv += ["-drive", f"file={disk},if=none,id=disk0,format=raw", "-device", "virtio-blk-pci,drive=disk0"]
        argv += list(extra)
        self.timeout = timeout
        self.log = []
        program, *argv = emulator(argv)
        self.child = pexpect.spawn(program, argv, timeout=timeout, encoding="utf-8", codec_errors="replace",
                                   dimensions=(50, 200))
        self.child.logfile_read = self
        # A terminal that does not echo by itself: what comes back is what the guest sent.
        self.child.setecho(False)
        self.child.delaybeforesend = None

    # The log file interface of pexpect.
    def write(self, text):
        self.log.append(text)

    def flush(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        # Not pexpect's own way, which is an error when the process needs more than 0.1 s for its end.
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
            self.child.wait()
        self.child.close()
        return False

    def text(self):
        return "".join(self.log)

    def expect(self, pattern, timeout=None):
        """Wait for the pattern; a hang shows the end of the console."""
        try:
            return self.child.expect(pattern, timeout=timeout or self.timeout)
        except (pexpect.TIMEOUT, pexpect.EOF) as err:
            tail = self.text()[-3000:]
            raise AssertionError(f"waited for {pattern!r}, {type(err).__name__}; the console ends in:\n{tail}") from None

    def login(self, timeout=None):
        self.expect(PROMPT, timeout)

    def send(self, text):
        self.child.send(text)

    def type(self, line):
        self.child.send(line + "\r")

    def run(self, command, timeout=None):
        """Type a command, return what it printed (without the echo of the command itself)."""
        self.type(command)
        self.expect(PROMPT, timeout)
        text = self.child.before.replace("\r\n", "\n").replace("\r", "")
        first, _, rest = text.partition("\n")
        if command.strip()[-20:] in first:
            text = rest
        # The prompt's own text before "# " stands on the last line.
        return text.rpartition("\n")[0] if "\n" in text else ""

    def status(self, command, timeout=None):
        """The exit status of a command."""
        out = self.run(f"{command}; echo status=$?", timeout)
        match = re.search(r"status=(\d+)", out)
        assert match, f"no status in {out!r}"
        return int(match.group(1))

    def wait_end(self, timeout=None):
        """Wait until QEMU has ended by itself; returns its exit status."""
        try:
            self.child.expect(pexpect.EOF, timeout=timeout or self.timeout)
        except pexpect.TIMEOUT:
            raise AssertionError(f"QEMU did not end; the console ends in:\n{self.text()[-3000:]}") from None
        # It closes the console before it is gone, and close() would end it, with another status.
        if self.child.isalive():
            self.child.wait()
        self.child.close()
        return self.child.exitstatus

    def poweroff(self):
        self.type("poweroff")
        status = self.wait_end()
        assert status == 0, f"QEMU ended with status {status} after poweroff"

    def free_frames(self):
        """Memory that is neither in use nor lost, in KiB, after a drop of caches: free frames and the slabs' frames.

        The shell reads it itself: a new process would take memory. Slabs count as free because the few objects of
        the shell may lie in one slab or in two, by the CPU that it ran on; objects() counts them instead.
        """
        out = self.run("sync; echo 3 > /proc/sys/vm/drop_caches; "
                       "while read key value unit; do case $key in MemFree:|Slab:) echo kib=$value;; esac; done "
                       "< /proc/meminfo")
        return sum(int(value) for value in re.findall(r"kib=(\d+)", out))

    def objects(self):
        """Kernel objects in use, by slab cache (those of the per-CPU magazines left out).

        Read by the shell itself, too: a child would share and copy some of them while it runs.
        """
        out = self.run("while read name used rest; do case $name in slab*|'#') ;; *) echo obj=$name=$used;; esac; done "
                       "< /proc/slabinfo")
        return {name: int(used) for name, used in re.findall(r"^obj=(\S+)=(\d+)\s*$", out, re.M)}


def host_memory_mib():
    with open("/proc/meminfo", encoding="ascii") as f:
        for line in f:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) // 1024
    return 0


def make_disk(path, size, block_size=1024, tree=None):
    """A fresh ext2 image."""
    with open(path, "wb") as f:
        f.truncate(size)
    argv = ["mke2fs", "-q", "-F", "-t", "ext2", "-b", str(block_size)]
    if tree:
        argv += ["-d", tree]
    subprocess.run(argv + [path], check=True)


def fsck(path):
    """Run e2fsck -fn; returns (status, output)."""
    done = subprocess.run(["e2fsck", "-fn", path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def now():
    return time.monotonic()
