/* mprotect of one touched page of a mapping of its own, back and forth. */
#include "../bench.h"

static char *p;

static void setup(void)
{
	p = map_anon(PAGE, MAP_PRIVATE);
	*p = 1;
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		CHECK(mprotect(p, PAGE, i & 1 ? PROT_READ | PROT_WRITE : PROT_READ) == 0);
		bench_check++;
	}
	return n;
}

BENCH("protect", "call", 10000, setup, run)
