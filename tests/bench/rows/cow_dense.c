/* Copy-on-write break, page after page, with the child alive. */
#include "cow_common.h"

static void setup(void)
{
	area_len = 4096 * PAGE;
	area = map_anon(area_len, MAP_PRIVATE);
	touch_write(area, area_len, PAGE);
}

static long run(long n)
{
	return cow_write(n, PAGE);
}

BENCH("cow_dense", "page", 4096, setup, run, cow_fork, cow_end)
