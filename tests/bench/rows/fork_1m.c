/* fork + exit + wait of a process with 1 MiB touched. */
#include "fork_common.h"

static void setup(void)
{
	fork_setup(1ul * MIB);
}

BENCH("fork_1m", "fork", 300, setup, run)
