/* sched_yield with nobody else to run. */
#include "../bench.h"

static long run(long n)
{
	for (long i = 0; i < n; i++)
		bench_check += sched_yield() == 0;
	return n;
}

BENCH("yield", "call", 50000, NULL, run)
