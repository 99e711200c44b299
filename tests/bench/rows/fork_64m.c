/* fork + exit + wait of a process with 64 MiB touched. */
#include "fork_common.h"

static void setup(void)
{
	fork_setup(64ul * MIB);
}

BENCH("fork_64m", "fork", 100, setup, run)
