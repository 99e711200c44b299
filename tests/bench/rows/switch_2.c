/* Context switch over pipes, 2 processes. */
#include "switch_common.h"

static void setup(void)
{
	ring_setup(2);
	atexit(ring_end);
}

BENCH("switch_2", "switch", 1500, setup, run)
