/* brk up and down by a page, untouched. */
#include "../bench.h"

static long run(long n)
{
	uint64_t base = (uint64_t)syscall(SYS_brk, 0);

	for (long i = 0; i < n; i++) {
		uint64_t want = base + (i & 1 ? 0 : 4 * PAGE);

		CHECK((uint64_t)syscall(SYS_brk, want) == want);
		bench_check++;
	}
	syscall(SYS_brk, base);
	return n;
}

BENCH("brk", "call", 10000, NULL, run)
