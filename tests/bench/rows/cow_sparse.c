/* Copy-on-write break of one page per 2 MiB of a dense area, with the child alive. */
#include "cow_common.h"

static void setup(void)
{
	area_len = 256 * MIB;
	area = map_anon(area_len, MAP_PRIVATE);
	touch_write(area, area_len, PAGE);
}

static long run(long n)
{
	return cow_write(n, 2 * MIB);
}

BENCH("cow_sparse", "page", 128, setup, run, cow_fork, cow_end)
