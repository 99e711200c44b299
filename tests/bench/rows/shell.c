/* fork + sh -c true, with busybox's shell. */
#include "exec_common.h"

static long run(long n)
{
	char *args[] = {"/bin/sh", "-c", "true", NULL};

	return exec_run(n, args, 0);
}

BENCH("shell", "shell", 50, NULL, run)
