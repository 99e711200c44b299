/* fork + exec + exit of a small static program. */
#include "exec_common.h"

static long run(long n)
{
	char *args[] = {"/bench/exit7", NULL};

	return exec_run(n, args, 7);
}

BENCH("exec", "exec", 150, NULL, run)
