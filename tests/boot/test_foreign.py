"""Programs that were not built for Quire, as init from somebody else's image."""
import os
import subprocess
import tempfile

from machine import Machine, make_disk

PROGRAM = r"""
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void *thread(void *arg) { return (char *)arg + 1; }

int main(int argc, char **argv)
{
	pthread_t t;
	void *r;
	mkdir("/proc", 0755);
	mkdir("/dev", 0755);
	printf("pid %d args", (int)getpid());
	for (int i = 1; i < argc; i++)
		printf(" %s", argv[i]);
	printf(" mark=%s\n", getenv("mark") ? getenv("mark") : "none");
	int proc = mount("proc", "/proc", "proc", 0, NULL);
	int dev = mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	printf("proc %d dev %d %s\n", proc, dev, access("/dev/null", W_OK) == 0 && access("/proc/self/maps", R_OK) == 0 ? "usable" : "missing");
	fflush(stdout);
	if (fork() == 0)
		_exit(42);
	int status;
	wait(&status);
	pthread_create(&t, NULL, thread, (void *)41);
	pthread_join(t, &r);
	printf("child %d thread %ld\n", WEXITSTATUS(status), (long)r);
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
"""


def foreign(compiler):
    with tempfile.TemporaryDirectory() as tmp:
        tree = os.path.join(tmp, "tree")
        os.mkdir(tree)
        source = os.path.join(tmp, "init.c")
        with open(source, "w", encoding="ascii") as f:
            f.write(PROGRAM)
        subprocess.run([compiler, "-static", "-O2", "-pthread", "-o", os.path.join(tree, "init"), source], check=True)
        image = os.path.join(tmp, "root.ext2")
        make_disk(image, 4 << 20, tree=tree)
        with Machine(initrd=image, append="quiet root=/dev/ram0 rw init=/init mark=here", init_args="one two", smp=2) as m:
            m.expect(r"pid 1 args one two mark=here\s*\n")
            m.expect(r"proc 0 dev 0 usable\s*\n")
            m.expect(r"child 42 thread 42\s*\n")
            assert m.wait_end() == 0


def test_static_musl_program_as_init():
    foreign("musl-gcc")


def test_static_glibc_program_as_init():
    foreign("gcc")
