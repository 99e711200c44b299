/* mprotect of a page in the middle of a larger mapping, back and forth: split and merge. */
#include "../bench.h"

static char *p;

static void setup(void)
{
	p = map_anon(64 * PAGE, MAP_PRIVATE);
	touch_write(p, 64 * PAGE, PAGE);
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		CHECK(mprotect(p + 20 * PAGE, PAGE, i & 1 ? PROT_READ | PROT_WRITE : PROT_READ) ==
			0);
		bench_check++;
	}
	return n;
}

BENCH("protect_split", "call", 5000, setup, run)
