/* The cheapest system call. */
#include "../bench.h"

static long run(long n)
{
	pid_t parent = getppid();

	for (long i = 0; i < n; i++)
		bench_check += syscall(SYS_getppid) == parent;
	return n;
}

BENCH("null", "call", 200000, NULL, run)
