/*
 * init: the first process. It mounts what programs expect, gives the console a session with a shell
 * in it, and reaps orphans. When the shell ends, another one is started.
 *
 *	init                    a login shell on the console, again and again
 *	init COMMAND [ARG]...   runs the command once instead, then powers off; what follows "--"
 *	                        on the kernel's command line comes here
 *
 * Signals, those that busybox's poweroff, reboot and halt send: SIGUSR2 powers off, SIGTERM
 * reboots, SIGUSR1 halts. The handler does all of it, since it only makes system calls; so no
 * request can be lost between two of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
	const char *source, *target, *type;
} mounts[] = {
	{"proc", "/proc", "proc"},
	{"dev", "/dev", "devtmpfs"},
	{"shm", "/dev/shm", "tmpfs"},
	{"tmp", "/tmp", "tmpfs"},
};

#define MOUNT_COUNT (sizeof(mounts) / sizeof(mounts[0]))

static void say(const char *what, const char *name)
{
	dprintf(2, "init: %s %s: %s\n", what, name, strerror(errno));
}

static void mount_all(void)
{
	for (size_t i = 0; i < MOUNT_COUNT; i++) {
		mkdir(mounts[i].target, 0755);
		/* The kernel may have mounted it already. */
		if (mount(mounts[i].source, mounts[i].target, mounts[i].type, 0, NULL) < 0 &&
			errno != EBUSY)
			say("mount", mounts[i].target);
	}
}

/* The console becomes descriptors 0, 1 and 2, whatever the kernel left there. */
static void open_console(void)
{
	int fd = open("/dev/console", O_RDWR | O_NOCTTY);

	if (fd < 0) {
		say("open", "/dev/console");
		return;
	}
	for (int i = 0; i < 3; i++)
		if (fd != i)
			dup2(fd, i);
	if (fd > 2)
		close(fd);
}

/* Gives every process a chance to end by itself, then ends them all. */
static void end_processes(void)
{
	const struct timespec grace = {0, 50 * 1000 * 1000};

	kill(-1, SIGHUP);
	kill(-1, SIGTERM);
	kill(-1, SIGCONT);
	for (int i = 0; i < 4; i++) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		if (errno == ECHILD)
			return;
		nanosleep(&grace, NULL);
	}
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void shut_down(unsigned int command)
{
	end_processes();
	sync();
	for (size_t i = MOUNT_COUNT; i-- > 0;)
		umount2(mounts[i].target, MNT_DETACH);
	mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL);
	sync();
	reboot(command);
	say("reboot", "failed");
}

static void on_signal(int sig)
{
	shut_down(sig == SIGUSR2 ? RB_POWER_OFF : sig == SIGUSR1 ? RB_HALT_SYSTEM : RB_AUTOBOOT);
}

static void catch_signals(void)
{
	static const int signals[] = {SIGUSR1, SIGUSR2, SIGTERM};
	struct sigaction act = {.sa_handler = on_signal};

	sigfillset(&act.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, NULL);
}

/* => the child, which has a session of its own with the console as its terminal. */
static pid_t spawn(char *const argv[])
{
	const char *file = argv[0][0] == '-' ? argv[0] + 1 : argv[0];
	pid_t pid = fork();

	if (pid)
		return pid;
	setsid();
	ioctl(0, TIOCSCTTY, 1);
	execvp(file, argv);
	say("exec", file);
	_exit(127);
}

/* Reaps whatever ends until it is pid. => its status. */
static int reap_until(pid_t pid)
{
	int status;
	pid_t ended;

	do
		ended = wait(&status);
	while (ended != pid && (ended > 0 || errno == EINTR));
	return ended == pid ? status : -1;
}

static void run_once(char *const argv[])
{
	pid_t pid = spawn(argv);
	int status = pid > 0 ? reap_until(pid) : -1;

	if (status == -1)
		say("cannot run", argv[0]);
	else if (WIFSIGNALED(status))
		dprintf(2, "init: %s ended by signal %d\n", argv[0], WTERMSIG(status));
	else
		dprintf(2, "init: %s ended with status %d\n", argv[0], WEXITSTATUS(status));
	shut_down(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	char *const shell[] = {"-sh", NULL};
	const struct timespec pause_on_error = {1, 0};

	if (getpid() != 1) {
		fprintf(stderr, "init: only the kernel starts it, as process 1\n");
		return 1;
	}
	umask(022);
	mount_all();
	open_console();
	catch_signals();
	if (chdir("/root") < 0)
		chdir("/");
	setenv("PATH", "/bin:/sbin:/tests", 0);
	setenv("HOME", "/root", 1);
	setenv("TERM", "vt100", 0);
	setenv("USER", "root", 1);
	if (argc > 1)
		run_once(argv + 1);
	for (;;) {
		pid_t pid = spawn(shell);

		if (pid < 0 || reap_until(pid) == 127 << 8)
			nanosleep(&pause_on_error, NULL);
	}
}
