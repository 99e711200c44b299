"""QEMU with its console on a pipe, read line by line, and its monitor on a socket: a hang shows every CPU's stack."""
import os
import selectors
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def emulator(argv):
    """The command line of QEMU with these arguments, disturbed as the environment says (docs/testing.md)."""
    words = {name: os.environ.get(f"QEMU_{name}", "").split() for name in ("PREFIX", "ACCEL", "EXTRA")}
    # Its threads have names, for standstill.py.
    return [*words["PREFIX"], "qemu-system-x86_64", "-name", "quire,debug-threads=on",
            "-accel", *(words["ACCEL"] or ["tcg"]), *argv, *words["EXTRA"]]


class Guest:
    """Starts when made. `machine` are QEMU's options for the machine; the console is the first serial line."""

    def __init__(self, variant, machine, append, initrd=None):
        # pylint: disable=consider-using-with
        self.ended = False  # the console is closed: QEMU is on its way out by itself
        self.dir = tempfile.TemporaryDirectory()
        self.monitor = os.path.join(self.dir.name, "monitor")
        argv = [*machine, "-display", "none", "-no-reboot", "-net", "none",
                "-serial", "stdio", "-monitor", f"unix:{self.monitor},server=on,wait=off",
                "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
                "-kernel", os.path.join(ROOT, "build", variant, "quire"), "-append", append]
        if initrd:
            argv += ["-initrd", os.path.join(ROOT, "build", initrd)]
        self.proc = subprocess.Popen(emulator(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def lines(self, quiet, total=float("inf")):
        """Lines as they come; None after `quiet` seconds of silence, and once `total` seconds have gone."""
        fd = self.proc.stdout.fileno()
        end = time.monotonic() + total
        rest = b""
        with selectors.DefaultSelector() as selector:
            selector.register(fd, selectors.EVENT_READ)
            while True:
                late = time.monotonic() > end
                if late or not selector.select(quiet):
                    end = float("inf") if late else end
                    yield None
                    continue
                data = os.read(fd, 65536)
                if not data:
                    self.ended = True
                    break
                *whole, rest = (rest + data).split(b"\n")
                for line in whole:
                    yield line.decode(errors="replace").rstrip("\r")
        if rest:
            yield rest.decode(errors="replace")

    def inject_nmi(self):
        """The kernel panics at it, with a backtrace of every CPU."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.monitor)
            s.sendall(b"nmi\n")
            time.sleep(1)

    def end(self):
        """=> QEMU's exit status."""
        if not self.ended:
            self.proc.send_signal(signal.SIGTERM)
        status = self.proc.wait()
        self.proc.stdout.close()
        self.dir.cleanup()
        return status
