/* Signals. */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

static volatile sig_atomic_t seen, count;
static siginfo_t last;
static int *taken; /* signals handled, in memory shared with children; NULL: nobody asks */

static void note(int sig)
{
	seen = sig;
	count++;
	if (taken)
		__atomic_add_fetch(taken, 1, __ATOMIC_RELEASE);
}

static void note_info(int sig, siginfo_t *info, void *context)
{
	(void)context;
	last = *info;
	note(sig);
}

static void catch_with(int sig, int flags)
{
	struct sigaction act = {.sa_sigaction = note_info, .sa_flags = flags | SA_SIGINFO};

	CHECK_EQ(sigaction(sig, &act, NULL), 0);
}

TEST(a_handler_runs_and_learns_the_sender)
{
	catch_with(SIGUSR1, 0);
	CHECK_EQ(kill(getpid(), SIGUSR1), 0);
	CHECK(seen == SIGUSR1 && count == 1);
	CHECK_EQ(last.si_signo, SIGUSR1);
	CHECK_EQ(last.si_pid, getpid());
	CHECK_EQ(last.si_code, SI_USER);
}

TEST(sigaction_gives_the_old_action)
{
	struct sigaction old;

	catch_with(SIGUSR1, SA_RESTART);
	CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
	CHECK(old.sa_sigaction == note_info && old.sa_flags == (SA_RESTART | SA_SIGINFO));
	CHECK_ERR(sigaction(SIGKILL, &old, NULL), EINVAL);
	CHECK_ERR(sigaction(SIGSTOP, &old, NULL), EINVAL);
	CHECK_ERR(sigaction(0, NULL, &old), EINVAL);
	CHECK_ERR(sigaction(65, NULL, &old), EINVAL);
}

TEST(kill_errors)
{
	CHECK_ERR(kill(getpid(), 65), EINVAL);
	CHECK_ERR(kill(getpid(), -1), EINVAL);
	CHECK_ERR(kill(4000000, 0), ESRCH);
	CHECK_EQ(kill(getpid(), 0), 0);
	CHECK_EQ(kill(0, 0), 0);
}

TEST(blocked_signals_wait)
{
	sigset_t set, old, pending;

	catch_with(SIGUSR1, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, &old), 0);
	raise(SIGUSR1);
	raise(SIGUSR1);
	CHECK_EQ(count, 0);
	CHECK_EQ(sigpending(&pending), 0);
	CHECK_EQ(sigismember(&pending, SIGUSR1), 1);
	CHECK_EQ(sigprocmask(SIG_SETMASK, &old, NULL), 0);
	/* Not queued: one delivery. */
	CHECK_EQ(count, 1);
	CHECK_ERR(sigprocmask(99, &set, NULL), EINVAL);
}

TEST(kill_and_stop_cannot_be_blocked)
{
	sigset_t set, got;

	sigfillset(&set);
	CHECK_EQ(sigprocmask(SIG_SETMASK, &set, NULL), 0);
	CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &got), 0);
	CHECK(!sigismember(&got, SIGKILL) && !sigismember(&got, SIGSTOP) &&
		sigismember(&got, SIGTERM));
}

TEST(the_signal_is_blocked_in_its_handler_unless_nodefer)
{
	struct sigaction act = {.sa_handler = note};
	sigset_t set;

	sigemptyset(&act.sa_mask);
	sigaddset(&act.sa_mask, SIGUSR2);
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	raise(SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &set) == 0 && !sigismember(&set, SIGUSR1) &&
		!sigismember(&set, SIGUSR2));
}

TEST(resethand_resets)
{
	struct sigaction old;

	catch_with(SIGUSR1, (int)SA_RESETHAND);
	raise(SIGUSR1);
	CHECK_EQ(count, 1);
	CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
}

static int raise_it(void *arg)
{
	raise((int)(long)arg);
	return 0;
}

TEST(default_actions)
{
	CHECK_EQ(tap_signal_of(raise_it, (void *)SIGTERM), SIGTERM);
	CHECK_EQ(tap_signal_of(raise_it, (void *)SIGKILL), SIGKILL);
	CHECK_EQ(tap_signal_of(raise_it, (void *)SIGUSR1), SIGUSR1);
	CHECK_EQ(tap_signal_of(raise_it, (void *)SIGCHLD), 0);
	CHECK_EQ(tap_signal_of(raise_it, (void *)SIGURG), 0);
	CHECK_EQ(tap_signal_of(raise_it, (void *)SIGWINCH), 0);
	CHECK_EQ(tap_signal_of(raise_it, (void *)SIGRTMAX), SIGRTMAX);
}

static sigjmp_buf back;

static void jump_back(int sig, siginfo_t *info, void *context)
{
	(void)context;
	last = *info;
	siglongjmp(back, sig);
}

static int fault_at(volatile unsigned char *p, int write)
{
	struct sigaction act = {.sa_sigaction = jump_back, .sa_flags = SA_SIGINFO};
	int sig;

	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGFPE, &act, NULL);
	sigaction(SIGILL, &act, NULL);
	sig = sigsetjmp(back, 1);
	if (sig)
		return sig;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

TEST(a_segfault_tells_address_and_cause)
{
	unsigned char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_EQ(munmap(p + PAGE, PAGE), 0);
	CHECK_EQ(fault_at(p + PAGE + 5, 0), SIGSEGV);
	CHECK(last.si_addr == p + PAGE + 5 && last.si_code == SEGV_MAPERR);
	CHECK_EQ(fault_at(p + 7, 1), SIGSEGV);
	CHECK(last.si_addr == p + 7 && last.si_code == SEGV_ACCERR);
}

TEST(a_bus_error_tells_the_address)
{
	int fd = tap_file("file", 1);
	unsigned char *p = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);

	CHECK_EQ(fault_at(p + PAGE + 9, 0), SIGBUS);
	CHECK(last.si_addr == p + PAGE + 9 && last.si_code == BUS_ADRERR);
}

static int divide(void *arg)
{
	/* In assembly: the compiler knows other ways to divide. */
	__asm__ volatile("xorl %%edx, %%edx\n\tmovl $1, %%eax\n\tidivl %0"
			 :
			 : "r"(0)
			 : "eax", "edx", "cc");
	(void)arg;
	return 0;
}

static int illegal(void *arg)
{
	(void)arg;
	__asm__ volatile("ud2");
	return 0;
}

static int breakpoint(void *arg)
{
	(void)arg;
	__asm__ volatile("int3");
	return 0;
}

static int privileged(void *arg)
{
	(void)arg;
	__asm__ volatile("cli");
	return 0;
}

TEST(processor_faults_become_signals)
{
	CHECK_EQ(tap_signal_of(divide, NULL), SIGFPE);
	CHECK_EQ(tap_signal_of(illegal, NULL), SIGILL);
	CHECK_EQ(tap_signal_of(breakpoint, NULL), SIGTRAP);
	CHECK_EQ(tap_signal_of(privileged, NULL), SIGSEGV);
}

/* Signals the parent each time that it sleeps, `times` times, then writes one byte into fd. */
static void disturb_then_write(int times, int fd)
{
	pid_t parent = getpid(), pid;

	taken = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(taken != MAP_FAILED);
	pid = fork();
	CHECK(pid >= 0);
	if (pid)
		return;
	for (int i = 0; i < times; i++) {
		tap_until_asleep(parent);
		kill(parent, SIGUSR1);
		while (__atomic_load_n(taken, __ATOMIC_ACQUIRE) <= i)
			usleep(1000);
	}
	tap_until_asleep(parent);
	_exit(write(fd, "x", 1) != 1);
}

TEST(read_is_interrupted_without_restart)
{
	int fds[2];
	char c;

	CHECK(pipe(fds) == 0);
	catch_with(SIGUSR1, 0);
	disturb_then_write(1, fds[1]);
	CHECK_ERR(read(fds[0], &c, 1), EINTR);
	CHECK_EQ(count, 1);
}

TEST(read_goes_on_with_restart)
{
	int fds[2];
	char c;

	CHECK(pipe(fds) == 0);
	catch_with(SIGUSR1, SA_RESTART);
	disturb_then_write(3, fds[1]);
	CHECK_EQ(read(fds[0], &c, 1), 1);
	CHECK_EQ(count, 3);
}

TEST(sleep_is_interrupted_and_tells_the_rest)
{
	struct timespec ts = {1000, 0}, left = {0, 0};
	long start, took, left_ms;
	int fds[2];

	CHECK(pipe(fds) == 0);
	catch_with(SIGUSR1, SA_RESTART);
	disturb_then_write(1, fds[1]);
	start = tap_ms();
	CHECK_ERR(nanosleep(&ts, &left), EINTR);
	took = tap_ms() - start;
	left_ms = left.tv_sec * 1000 + left.tv_nsec / 1000000;
	CHECK(left_ms <= 1000000 && left_ms >= 1000000 - took - 2);
}

TEST(pause_and_sigsuspend_end_with_eintr)
{
	sigset_t set, none;
	int fds[2];

	CHECK(pipe(fds) == 0);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	catch_with(SIGUSR1, 0);
	raise(SIGUSR1);
	CHECK_EQ(count, 0);
	CHECK_ERR(sigsuspend(&none), EINTR);
	CHECK_EQ(count, 1);
	CHECK(sigprocmask(SIG_BLOCK, NULL, &set) == 0 && sigismember(&set, SIGUSR1));
	sigprocmask(SIG_SETMASK, &none, NULL);
	disturb_then_write(1, fds[1]);
	CHECK_ERR(pause(), EINTR);
}

TEST(alarm_and_itimer_send_sigalrm)
{
	struct itimerval timer = {{0, 10000}, {0, 10000}};
	long start, left;

	catch_with(SIGALRM, 0);
	CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	while (count < 3)
		pause();
	timer = (struct itimerval){{0, 0}, {0, 0}};
	CHECK_EQ(setitimer(ITIMER_REAL, &timer, NULL), 0);
	start = tap_ms();
	CHECK_EQ(alarm(10000), 0);
	left = alarm(0);
	CHECK(left <= 10000 && left >= 9999 - (tap_ms() - start) / 1000);
}

TEST(sigtimedwait_takes_a_blocked_signal)
{
	const struct timespec shortly = {0, 10000000};
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_ERR(sigtimedwait(&set, &info, &shortly), EAGAIN);
	raise(SIGUSR1);
	CHECK_EQ(sigtimedwait(&set, &info, NULL), SIGUSR1);
	CHECK_EQ(info.si_signo, SIGUSR1);
}

TEST(real_time_signals_queue_with_their_values)
{
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){.sival_int = i}), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN + 3);
		CHECK(info.si_value.sival_int == i && info.si_code == SI_QUEUE);
	}
}

static char alternate[SIGSTKSZ];
static volatile int on_alternate;

static void where(int sig)
{
	char here;

	(void)sig;
	on_alternate = &here >= alternate && &here < alternate + sizeof(alternate);
}

TEST(handlers_run_on_the_alternate_stack)
{
	stack_t ss = {alternate, 0, sizeof(alternate)}, old;
	struct sigaction act = {.sa_handler = where, .sa_flags = SA_ONSTACK};

	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
	raise(SIGUSR1);
	CHECK(on_alternate);
	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK(old.ss_sp == alternate && old.ss_size == sizeof(alternate) && old.ss_flags == 0);
	ss.ss_size = 100;
	CHECK_ERR(sigaltstack(&ss, NULL), ENOMEM);
}

static volatile long depth_limit = 1L << 40;

static int overflow(long depth)
{
	volatile char frame[1000];

	frame[0] = 1;
	return depth == depth_limit ? 0 : overflow(depth + 1) + frame[0];
}

static void exit_9(int sig)
{
	(void)sig;
	_exit(9);
}

static int overflow_with_handler(void *arg)
{
	stack_t ss = {alternate, 0, sizeof(alternate)};
	struct sigaction act = {.sa_handler = exit_9, .sa_flags = SA_ONSTACK};

	sigaltstack(&ss, NULL);
	sigaction(SIGSEGV, &act, NULL);
	(void)arg;
	return overflow(0);
}

TEST(stack_overflow_is_caught_on_the_alternate_stack)
{
	CHECK_EQ(tap_child(overflow_with_handler, NULL), 9 << 8);
}

TEST(registers_survive_a_handler)
{
	double f = 1.5;
	long sum = 0;

	catch_with(SIGUSR1, 0);
	for (long i = 0; i < 1000; i++) {
		f = f * 1.0000001 + 1;
		if (i % 100 == 0)
			raise(SIGUSR1);
		sum += i;
	}
	CHECK(sum == 499500 && f > 1000 && f < 1002 && count == 10);
}

TEST(a_child_has_no_pending_signals)
{
	sigset_t set, pending;
	int status;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	pid = fork();
	if (pid == 0)
		_exit(sigpending(&pending) != 0 || sigismember(&pending, SIGUSR1));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(sigchld_comes_when_a_child_ends)
{
	pid_t pid;

	catch_with(SIGCHLD, SA_RESTART);
	pid = fork();
	if (pid == 0)
		_exit(4);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(count, 1);
	CHECK(last.si_pid == pid && last.si_status == 4 && last.si_code == CLD_EXITED);
}

TEST(ignored_sigchld_leaves_no_zombies)
{
	pid_t pid;

	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	if (pid == 0)
		_exit(0);
	CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
}

TEST(a_group_gets_the_signal)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		setpgid(0, 0);
		for (int i = 0; i < 2; i++)
			if (fork() == 0)
				for (;;)
					pause();
		kill(0, SIGTERM);
		for (;;)
			pause();
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WTERMSIG(status), SIGTERM);
}

static void *block_and_wait(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigwait(&set, arg) == 0 ? arg : NULL;
}

TEST(pthread_kill_reaches_its_thread)
{
	pthread_t thread;
	sigset_t set;
	int sig = 0;
	void *got;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	CHECK_EQ(pthread_create(&thread, NULL, block_and_wait, &sig), 0);
	CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
	CHECK(pthread_join(thread, &got) == 0 && got && sig == SIGUSR1);
}

TEST(writing_to_a_pipe_nobody_reads_is_sigpipe)
{
	int fds[2];

	CHECK(pipe(fds) == 0);
	close(fds[0]);
	catch_with(SIGPIPE, 0);
	CHECK_ERR(write(fds[1], "x", 1), EPIPE);
	CHECK_EQ(seen, SIGPIPE);
}

/* /proc/sys/debug/exception-trace: a fault that ends a program is told in the log. */

static int crash_at_0x1234(void *arg)
{
	(void)arg;
	*(volatile char *)0x1234 = 1;
	return 0;
}

#define READ_ONLY_AT 0x10000000ul

static int crash_at_what_is_read_only(void *arg)
{
	volatile char *p = mmap((void *)READ_ONLY_AT, 4096, PROT_READ,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	(void)arg;
	p[0] = p[1]; /* a read, so that it is there */
	return 0;
}

static void set_trace(const char *value)
{
	int fd = open("/proc/sys/debug/exception-trace", O_WRONLY);

	if (fd < 0)
		tap_skip("no exception-trace");
	CHECK_EQ(write(fd, value, 1), 1);
	close(fd);
}

/* How many lines of the log since fd was opened hold the text. */
static int lines_with(int fd, const char *text)
{
	char line[1200];
	int found = 0;
	ssize_t n;

	while ((n = read(fd, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		found += strstr(line, text) != NULL;
	}
	return found;
}

TEST(a_fault_that_ends_a_program_is_told)
{
	static const char *const told[] = {
		"segfault at 0x1234 (not mapped) ip 0x", "code at 0x", "stack at 0x"};
	int log[3];

	tap_only_on_quire("the words of its kernel");
	for (int i = 0; i < 3; i++) {
		log[i] = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
		CHECK(log[i] >= 0);
		lseek(log[i], 0, SEEK_END);
	}
	set_trace("0");
	CHECK_EQ(tap_signal_of(crash_at_0x1234, NULL), SIGSEGV);
	set_trace("1");
	CHECK_EQ(tap_signal_of(crash_at_0x1234, NULL), SIGSEGV);
	set_trace("0");
	for (int i = 0; i < 3; i++)
		CHECK_EQ(lines_with(log[i], told[i]), 1);

	lseek(log[0], 0, SEEK_END);
	set_trace("1");
	CHECK_EQ(tap_signal_of(crash_at_what_is_read_only, NULL), SIGSEGV);
	set_trace("0");
	CHECK_EQ(lines_with(log[0], "segfault at 0x10000000 (mapped, present)"), 1);
}
