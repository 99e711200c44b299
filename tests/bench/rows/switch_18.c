/* Context switch over pipes, 18 processes. */
#include "switch_common.h"

static void setup(void)
{
	ring_setup(18);
	atexit(ring_end);
}

BENCH("switch_18", "switch", 150, setup, run)
