/* A signal to oneself: delivery, handler, return. */
#include "../bench.h"

static volatile uint64_t seen;

static void handler(int sig)
{
	seen += (uint64_t)sig;
}

static void setup(void)
{
	struct sigaction sa = {.sa_handler = handler};

	CHECK(sigaction(SIGUSR1, &sa, NULL) == 0);
}

static long run(long n)
{
	pid_t pid = getpid();
	pid_t tid = (pid_t)syscall(SYS_gettid);

	seen = 0;
	for (long i = 0; i < n; i++)
		syscall(SYS_tgkill, pid, tid, SIGUSR1);
	CHECK(seen == (uint64_t)n * SIGUSR1);
	bench_check = seen;
	return n;
}

BENCH("signal", "signal", 5000, setup, run)
