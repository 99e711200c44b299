/* futex wake with nobody waiting, private. */
#include "../bench.h"

static uint32_t word;

static long run(long n)
{
	for (long i = 0; i < n; i++)
		bench_check += syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL,
				       NULL, 0) == 0;
	return n;
}

BENCH("futex_wake", "call", 100000, NULL, run)
