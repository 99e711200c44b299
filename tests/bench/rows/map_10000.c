/*
 * 10,000 mappings that do not merge, placed, found by a read in another order, and unmapped in a
 * third; per mapping. What a linear search costs shows here.
 */
#include "../bench.h"

#define MANY 10000

static char *at[MANY];

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		int prot = i & 1 ? PROT_READ : PROT_READ | PROT_WRITE;

		at[i] = mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(at[i] != MAP_FAILED);
	}
	/* Steps that have no divisor in common with n meet each mapping once. */
	for (long i = 0; i < n; i++)
		bench_check += 1 + *(volatile unsigned char *)at[i * 7919 % n];
	for (long i = 0; i < n; i++)
		CHECK(munmap(at[i * 6007 % n], PAGE) == 0);
	return n;
}

BENCH("map_10000", "mapping", MANY, NULL, run)
