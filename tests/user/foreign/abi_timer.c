/* Timers of POSIX, by the functions of the C libraries and by their system calls. */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

#define MS 1000000l
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

static volatile sig_atomic_t hits, code, value, overruns;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	hits++;
	code = info->si_code;
	value = info->si_value.sival_int;
	overruns = info->si_overrun;
}

static void catch (int sig)
{
	struct sigaction act = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};

	CHECK_EQ(sigaction(sig, &act, NULL), 0);
}

static timer_t make(clockid_t clock, int sig)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig, .sigev_value.sival_int = 42};
	timer_t t;

	CHECK_EQ(timer_create(clock, &event, &t), 0);
	return t;
}

static struct itimerspec after(long ns, long period)
{
	return (struct itimerspec){
		.it_value = {ns / 1000000000, ns % 1000000000}, .it_interval = {0, period}};
}

static void start(timer_t t, long ns, long period)
{
	struct itimerspec its = after(ns, period);

	CHECK_EQ(timer_settime(t, 0, &its, NULL), 0);
}

static void sleep_ms(long ms)
{
	struct timespec left = {ms / 1000, ms % 1000 * MS};

	while (nanosleep(&left, &left) < 0)
		;
}

TEST(a_timer_expires_once)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGUSR1);
	struct itimerspec now;
	long begin = tap_ms();

	catch (SIGUSR1);
	start(t, 50 * MS, 0);
	while (!hits)
		sleep_ms(1);
	CHECK(tap_ms() - begin >= 49);
	sleep_ms(60);
	CHECK_EQ(hits, 1);
	CHECK_EQ(code, SI_TIMER);
	CHECK_EQ(value, 42);
	CHECK_EQ(overruns, 0);
	CHECK_EQ(timer_gettime(t, &now), 0);
	CHECK_EQ(now.it_value.tv_sec + now.it_value.tv_nsec, 0);
	CHECK_EQ(timer_delete(t), 0);
}

TEST(a_period_goes_on_until_it_is_stopped)
{
	timer_t t = make(CLOCK_REALTIME, SIGRTMIN + 1);
	struct itimerspec old, off = {0};

	catch (SIGRTMIN + 1);
	start(t, 1 * MS, 2 * MS);
	while (hits < 10)
		sleep_ms(1);
	CHECK_EQ(timer_settime(t, 0, &off, &old), 0);
	CHECK_EQ(old.it_interval.tv_nsec, 2 * MS);
	CHECK(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 2 * MS);
	sleep_ms(10);
	hits = 0;
	sleep_ms(10);
	CHECK_EQ(hits, 0);
}

TEST(missed_periods_are_counted)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGUSR1);
	sigset_t set, none;

	catch (SIGUSR1);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	start(t, 10 * MS, 10 * MS);
	sleep_ms(105);
	sigsuspend(&none);
	CHECK_EQ(hits, 1);
	CHECK(overruns >= 8);
	CHECK_EQ(timer_getoverrun(t), overruns);
	/* A period that no handler can follow does not stop the machine. */
	start(t, 1, 1);
	for (int i = 0; i < 50; i++)
		sigsuspend(&none);
	CHECK_EQ(hits, 51);
	CHECK_EQ(timer_delete(t), 0);
}

TEST(an_ignored_signal_does_not_end_the_period)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGUSR1);

	signal(SIGUSR1, SIG_IGN);
	start(t, MS, MS);
	sleep_ms(30);
	catch (SIGUSR1);
	while (hits < 2)
		sleep_ms(1);
}

TEST(absolute_points_and_those_that_are_over)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGUSR1);
	struct itimerspec its = {0};
	long begin = tap_ms();

	catch (SIGUSR1);
	clock_gettime(CLOCK_MONOTONIC, &its.it_value);
	its.it_value.tv_sec++;
	CHECK_EQ(timer_settime(t, TIMER_ABSTIME, &its, NULL), 0);
	while (!hits)
		sleep_ms(5);
	CHECK(tap_ms() - begin >= 990);
	its.it_value.tv_sec = 0;
	its.it_value.tv_nsec = 1;
	CHECK_EQ(timer_settime(t, TIMER_ABSTIME, &its, NULL), 0);
	while (hits < 2)
		sleep_ms(1);
}

TEST(cpu_time_is_used_up)
{
	timer_t t = make(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1);
	clockid_t own;
	struct timespec used;
	long before;
	int early;

	catch (SIGUSR1);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	before = used.tv_sec * 1000 + used.tv_nsec / MS;
	start(t, 60 * MS, 0);
	sleep_ms(150);
	early = hits;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	/* Sleep uses none up; what a machine that stands still is charged for does. */
	CHECK(!early || used.tv_sec * 1000 + used.tv_nsec / MS - before >= 59);
	while (!hits)
		;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	CHECK(used.tv_sec * 1000 + used.tv_nsec / MS - before >= 59);
	CHECK_EQ(pthread_getcpuclockid(pthread_self(), &own), 0);
	t = make(own, SIGUSR1);
	start(t, 10 * MS, 0);
	while (hits < 2)
		;
}

static volatile pid_t taker;

static void *wait_for_it(void *arg)
{
	sigset_t set;
	siginfo_t info;

	(void)arg;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	taker = syscall(SYS_gettid);
	return (void *)(long)(sigwaitinfo(&set, &info) == SIGUSR2 && info.si_code == SI_TIMER);
}

TEST(one_thread_is_told)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
	pthread_t thread;
	int id;
	sigset_t set;
	void *good;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_EQ(pthread_create(&thread, NULL, wait_for_it, NULL), 0);
	while (!taker)
		sleep_ms(1);
	event.sigev_notify_thread_id = taker;
	CHECK_EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id), 0);
	event.sigev_notify_thread_id = 1;
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &set), EINVAL);
	struct itimerspec its = after(5 * MS, 0);
	CHECK_EQ(syscall(SYS_timer_settime, id, 0, &its, NULL), 0);
	CHECK_EQ(pthread_join(thread, &good), 0);
	CHECK(good);
}

static void call(union sigval v)
{
	*(volatile int *)v.sival_ptr += 1;
}

TEST(the_library_calls_a_function)
{
	volatile int calls = 0;
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD,
		.sigev_notify_function = call,
		.sigev_value.sival_ptr = (void *)&calls,
	};
	timer_t t;

	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &t), 0);
	start(t, MS, 5 * MS);
	while (calls < 3)
		sleep_ms(1);
	CHECK_EQ(timer_delete(t), 0);
}

/* Whether its pending signal goes with it is left open (Linux dropped it from 6.13 on). */
TEST(a_timer_is_deleted_with_its_signal_pending)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGUSR1);
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	start(t, 1, 0);
	do
		sigpending(&set);
	while (!sigismember(&set, SIGUSR1));
	CHECK_EQ(timer_delete(t), 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	if (sigtimedwait(&set, &info, &(struct timespec){0, 0}) == SIGUSR1)
		CHECK_EQ(info.si_code, SI_TIMER);
	/* Many come and go with signals in the queue. */
	for (int i = 0; i < 200; i++) {
		t = make(CLOCK_MONOTONIC, SIGUSR1);
		start(t, 1, i & 1);
		CHECK_EQ(timer_delete(t), 0);
	}
}

static int has_no_timer(void *id)
{
	struct itimerspec now;

	return syscall(SYS_timer_gettime, *(int *)id, &now) == 0;
}

TEST(fork_inherits_none)
{
	int id;

	CHECK_EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id), 0);
	CHECK_EQ(tap_child(has_no_timer, &id), 0);
	CHECK_EQ(syscall(SYS_timer_delete, id), 0);
}

TEST(exec_and_exit_end_them)
{
	for (int i = 0; i < 10; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			timer_t t = make(CLOCK_MONOTONIC, SIGRTMIN);

			start(t, 300 * MS, MS);
			t = make(CLOCK_MONOTONIC, SIGRTMIN + 1);
			signal(SIGRTMIN + 1, SIG_IGN);
			start(t, 1, 1);
			close(1);
			if (i & 1)
				execl("/proc/self/exe", "abi_timer", "no such test", NULL);
			_exit(0);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK(WIFEXITED(status));
	}
	sleep_ms(350);
}

TEST(arguments_are_checked)
{
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 99};
	struct itimerspec its = after(MS, 0), now;
	int id;

	CHECK_ERR(syscall(SYS_timer_create, 99, NULL, &id), EINVAL);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, NULL, &id), EOPNOTSUPP);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id), EINVAL);
	event.sigev_signo = SIGUSR1;
	event.sigev_notify = 77;
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &id), EINVAL);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, (void *)16, &id), EFAULT);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, (void *)16), EFAULT);
	CHECK_ERR(syscall(SYS_timer_settime, 4711, 0, &its, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_timer_gettime, 4711, &now), EINVAL);
	CHECK_ERR(syscall(SYS_timer_getoverrun, 4711), EINVAL);
	CHECK_ERR(syscall(SYS_timer_delete, 4711), EINVAL);
	CHECK_EQ(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id), 0);
	CHECK_ERR(syscall(SYS_timer_settime, id, 0, NULL, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_timer_settime, id, 0, (void *)16, NULL), EFAULT);
	its.it_value.tv_nsec = 1000000000;
	CHECK_ERR(syscall(SYS_timer_settime, id, 0, &its, NULL), EINVAL);
	CHECK_ERR(syscall(SYS_timer_gettime, id, (void *)16), EFAULT);
}

TEST(one_that_tells_nobody_can_be_asked)
{
	struct sigevent event = {.sigev_notify = SIGEV_NONE};
	struct itimerspec now;
	timer_t t;

	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &t), 0);
	start(t, 5 * MS, 20 * MS);
	sleep_ms(50);
	CHECK_EQ(timer_gettime(t, &now), 0);
	CHECK(now.it_value.tv_nsec > 0 && now.it_value.tv_nsec <= 20 * MS);
	start(t, 5 * MS, 0);
	sleep_ms(20);
	CHECK_EQ(timer_gettime(t, &now), 0);
	CHECK_EQ(now.it_value.tv_nsec, 0);
}
