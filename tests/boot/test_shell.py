"""A person at the prompt of the GRUB ISO: tools, pipes, scripts, ^C, maps, stress, poweroff."""
import re
import time

from machine import PROMPT, Machine


def check_tools(m):
    assert m.run("echo hello world").strip() == "hello world"
    assert "bin" in m.run("ls /").split()
    assert re.match(r"-rwx", m.run("ls -l /bin/sh | tail -n 1").strip().splitlines()[-1])
    assert m.run("echo abc | cat | wc -c").split()[0] == "4"
    assert m.run("ls /bin | grep -c .").strip().isdigit()
    m.run("echo one > /tmp/x; echo two >> /tmp/x")
    assert m.run("cat < /tmp/x").split() == ["one", "two"]
    assert m.status("cat /nonexistent 2>/dev/null") == 1
    assert m.status("true && false || exit_is_no_command 2>/dev/null") == 127
    assert "PID" in m.run("ps").split()
    assert m.run("mkdir -p /tmp/d/e; mv /tmp/x /tmp/d/e/y; cp /tmp/d/e/y /tmp/z; cmp /tmp/z /tmp/d/e/y; echo $?").strip() == "0"
    assert m.run("rm -r /tmp/d; ls /tmp").split() == ["z"]


def check_script(m):
    """A script with a here document, a function, a loop, arithmetic and a command substitution."""
    m.type("cat > /tmp/script <<'END'")
    for line in ["#!/bin/sh", "total() { sum=0; for n in \"$@\"; do sum=$((sum + n)); done; echo $sum; }",
                 "echo sum $(total 1 2 3 4)", "cat <<TEXT", "args $# first $1", "TEXT", "exit 7", "END"]:
        m.expect("> $")
        m.type(line)
    m.login()
    out = m.run("chmod +x /tmp/script; /tmp/script alpha beta; echo status=$?")
    assert out.split("\n")[-3:] == ["sum 10", "args 2 first alpha", "status=7"], out


def check_interrupt(m):
    """^C ends a sleeping child and the shell goes on."""
    m.type("sh -c 'echo started; exec sleep 1000'")
    m.expect(r"\nstarted\s*\n")
    m.send("\x03")
    m.expect(PROMPT)
    assert m.run("echo alive").strip() == "alive"


def check_maps(m):
    """A file of the initrd through mmap equals what read() gives."""
    assert m.status("mmapcat /bin/busybox > /tmp/a; cat /bin/busybox > /tmp/b; cmp /tmp/a /tmp/b") == 0
    m.run("rm /tmp/a /tmp/b")
    assert "[stack]" in m.run("cat /proc/self/maps")


def test_iso_boots_to_a_working_shell():
    with Machine(iso=True, smp=2) as m:
        m.login()
        check_tools(m)
        check_script(m)
        check_interrupt(m)
        check_maps(m)
        m.poweroff()


def test_busybox_applets_work():
    with Machine() as m:
        m.login()
        assert re.search(r"-rwxr-xr-x .* /bin/busybox", m.run("busybox ls -l /bin/busybox"))
        m.run("printf 'pear\\napple\\nfig\\n' > /tmp/f")
        assert m.run("busybox sort /tmp/f").split() == ["apple", "fig", "pear"]
        assert m.run("busybox cat /tmp/f | busybox grep -n p").split() == ["1:pear", "2:apple"]
        assert m.run("printf abc | busybox md5sum").split()[0] == "900150983cd24fb0d6963f7d28e17f72"
        assert re.search(r"^\s*1 .*init", m.run("busybox ps"), re.M)
        assert m.run("busybox sh -c 'for i in 1 2 3; do echo $i; done | busybox tac'").split() == ["3", "2", "1"]
        assert "MemTotal" in m.run("busybox cat /proc/meminfo")
        m.poweroff()


def test_a_console_that_nobody_reads_for_a_while_loses_nothing():
    with Machine(smp=2) as m:
        m.login()
        m.type("busybox seq 100000 103000")
        # More than the pipe between holds: the machine stands still until somebody reads.
        time.sleep(3)
        m.expect(PROMPT)
        lines = m.child.before.replace("\r", "").split("\n")
        assert [x for x in lines if x.startswith("10")] == [str(n) for n in range(100000, 103001)]
        m.poweroff()
