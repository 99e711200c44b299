/*
 * Process groups, sessions, stopping and going on; forced signals; what the end of a leader does.
 */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static int *shared_ints(void)
{
	int *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* A group that nobody of its session looks after, with a stopped member: the end of another member
 * changes nothing about that. */
static int end_a_member(void *arg)
{
	int status;
	pid_t stopped, other;

	(void)arg;
	setsid();
	signal(SIGHUP, SIG_DFL);
	stopped = fork();
	if (stopped == 0) {
		raise(SIGSTOP);
		_exit(0);
	}
	if (waitpid(stopped, &status, WUNTRACED) != stopped || !WIFSTOPPED(status))
		return 1;
	other = fork();
	if (other == 0)
		_exit(0);
	if (waitpid(other, &status, 0) != other)
		return 2;
	if (waitpid(stopped, &status, WNOHANG | WCONTINUED) != 0)
		return 3;
	kill(stopped, SIGKILL);
	return waitpid(stopped, &status, 0) == stopped ? 0 : 4;
}

TEST(the_end_of_a_member_leaves_an_orphaned_group_alone)
{
	CHECK_EQ(tap_child(end_a_member, NULL), 0);
}

/* The same when the group becomes an orphaned one: SIGHUP and SIGCONT. */
TEST(a_group_that_becomes_orphaned_is_hung_up)
{
	int fds[2], status;
	pid_t middle;
	char c;

	CHECK_EQ(pipe(fds), 0);
	middle = fork();
	if (middle == 0) {
		pid_t pid;

		/* Not the session of who adopts its child. */
		setsid();
		pid = fork();
		if (pid == 0) {
			signal(SIGHUP, SIG_DFL);
			setpgid(0, 0);
			close(fds[0]);
			raise(SIGSTOP);
			_exit(write(fds[1], "x", 1) != 1);
		}
		close(fds[1]);
		_exit(waitpid(pid, &status, WUNTRACED) != pid);
	}
	close(fds[1]);
	CHECK_EQ(waitpid(middle, &status, 0), middle);
	CHECK_EQ(status, 0);
	/* The end comes: it was continued, and died of SIGHUP before it wrote. */
	CHECK_EQ(read(fds[0], &c, 1), 0);
}

static volatile sig_atomic_t got_pid, got_code;

static void note_sender(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	got_pid = info->si_pid;
	got_code = info->si_code;
}

static int wait_for_group_signal(int ready)
{
	struct sigaction sa = {.sa_sigaction = note_sender, .sa_flags = SA_SIGINFO};
	sigset_t block, none;

	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	sigprocmask(SIG_BLOCK, &block, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	if (write(ready, "x", 1) != 1)
		return 1;
	while (!got_code && !got_pid)
		sigsuspend(&none);
	return got_pid == getppid() && got_code == SI_USER ? 0 : 2;
}

TEST(every_member_of_a_group_learns_the_sender)
{
	int fds[2], status;
	pid_t pids[3];
	char c;

	CHECK_EQ(pipe(fds), 0);
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			setpgid(0, i ? pids[0] : 0);
			_exit(wait_for_group_signal(fds[1]));
		}
		setpgid(pids[i], pids[0]);
	}
	for (int i = 0; i < 3; i++)
		CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(kill(-pids[0], SIGUSR1), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
		CHECK_EQ(status, 0);
	}
}

static int fault_with_one_pending(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_kill(pthread_self(), SIGSEGV);
	return tap_peek(arg);
}

TEST(a_fault_kills_also_when_its_signal_is_blocked_and_pending)
{
	CHECK_EQ(tap_signal_of(fault_with_one_pending, NULL), SIGSEGV);
}

static void *spin(void *arg)
{
	for (;;)
		__atomic_fetch_add((int *)arg, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void *doze(void *arg)
{
	for (;;)
		usleep(500);
	return arg;
}

/* Each stop must be told, also when the threads have hardly begun to go on from the one before. */
TEST(a_process_with_threads_stops_and_goes_on_again_and_again)
{
	int *n = shared_ints(), status;
	pid_t pid = fork();

	if (pid == 0) {
		pthread_t t;

		for (int i = 0; i < 3; i++)
			pthread_create(&t, NULL, i ? spin : doze, n);
		spin(n);
	}
	while (!__atomic_load_n(n, __ATOMIC_RELAXED))
		usleep(1000);
	for (int i = 0; i < 200; i++) {
		CHECK_EQ(kill(pid, SIGSTOP), 0);
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		CHECK_EQ(kill(pid, SIGCONT), 0);
	}
	CHECK_EQ(kill(pid, SIGSTOP), 0);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	int before = __atomic_load_n(n, __ATOMIC_RELAXED);

	usleep(50000);
	CHECK_EQ(__atomic_load_n(n, __ATOMIC_RELAXED), before);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void *exec_alone(void *arg)
{
	char *argv[] = {"sh", "-c", arg, NULL};
	char path[64], state;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)getpid());
	while ((state = tap_state(path)) && state != 'Z')
		usleep(1000);
	execv("/bin/sh", argv);
	_exit(99);
}

static int exec_after_the_main_thread(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, exec_alone, arg);
	syscall(SYS_exit, 0); /* of this thread alone */
	return 98;
}

TEST(exec_of_the_last_thread_takes_the_number_of_the_main_thread)
{
	CHECK_EQ(tap_child(exec_after_the_main_thread, "[ -d /proc/$$/task/$$ ]"), 0);
}

TEST(the_end_of_a_session_leader_takes_the_terminal_from_its_session)
{
	int fds[2], ready[2], status, tty = open("/dev/tty", O_RDWR);
	pid_t leader;
	char c = 0;

	if (tty >= 0)
		close(tty);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(pipe(ready), 0);
	leader = fork();
	if (leader == 0) {
		setsid();
		tty = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
		/* Also if another session has it. */
		if (tty < 0 || ioctl(tty, TIOCSCTTY, 1) < 0 || open("/dev/tty", O_RDWR) < 0)
			_exit(77);
		if (fork() == 0) {
			pid_t parent = getppid();

			signal(SIGHUP, SIG_IGN);
			if (write(ready[1], "x", 1) != 1)
				_exit(1);
			while (getppid() == parent)
				usleep(1000);
			c = open("/dev/tty", O_RDWR) < 0 && errno == ENXIO ? 'y' : 'n';
			_exit(write(fds[1], &c, 1) != 1);
		}
		signal(SIGHUP, SIG_IGN);
		_exit(read(ready[0], &c, 1) != 1);
	}
	CHECK_EQ(waitpid(leader, &status, 0), leader);
	if (status == 77 << 8)
		tap_skip("no serial line for a controlling terminal");
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(c, 'y');
}

static int raw_clone(void *arg)
{
	/* CLONE_VM, CLONE_VFORK, CLONE_SETTLS */
	long pid = syscall(SYS_clone, 0x100 | 0x4000 | 0x80000 | SIGCHLD, 0, 0, 0, arg);

	if (pid == 0)
		_exit(0);
	return pid == -1 && errno == EPERM ? 0 : 1;
}

TEST(a_thread_pointer_outside_user_space_is_refused)
{
	CHECK_EQ(tap_child(raw_clone, (void *)0x8000000000000000), 0);
	CHECK_EQ(tap_child(raw_clone, (void *)0xffff800000000000), 0);
	CHECK_EQ(tap_child(raw_clone, (void *)0x00007ffffffff000), 0);
}
