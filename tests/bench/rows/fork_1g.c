/* fork + exit + wait of a process with 1024 MiB touched. */
#include "fork_common.h"

static void setup(void)
{
	fork_setup(1024ul * MIB);
}

BENCH("fork_1g", "fork", 5, setup, run)
