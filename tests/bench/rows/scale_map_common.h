/* map, touch, protect, unmap: the edits of one worker. */
#include "scale_common.h"

static void work(int worker, long n)
{
	(void)worker;
	for (long i = 0; i < n; i++) {
		char *p = map_anon(4 * PAGE, MAP_PRIVATE);

		*(volatile char *)p = 1;
		CHECK(mprotect(p, PAGE, PROT_READ) == 0);
		CHECK(munmap(p, 4 * PAGE) == 0);
	}
}
