/* mremap of a touched page between two places. */
#include "../bench.h"

static char *a, *b;

static void setup(void)
{
	a = map_anon(PAGE, MAP_PRIVATE);
	b = map_anon(PAGE, MAP_PRIVATE);
	CHECK(munmap(b, PAGE) == 0);
	*a = 42;
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		char *t = mremap(a, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, b);

		CHECK(t == b);
		bench_check += (uint64_t)*t;
		b = a, a = t;
	}
	return n;
}

BENCH("remap", "call", 3000, setup, run)
