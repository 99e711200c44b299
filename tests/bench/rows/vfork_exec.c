/* vfork + exec + exit of a small static program. */
#include "../bench.h"

static long run(long n)
{
	char *args[] = {"/bench/exit7", NULL};

	for (volatile long i = 0; i < n; i++) {
		pid_t pid = vfork();

		if (pid == 0) {
			execv(args[0], args);
			_exit(127);
		}
		CHECK(pid > 0);
		wait_for_status(pid, 7);
		bench_check++;
	}
	return n;
}

BENCH("vfork_exec", "exec", 150, NULL, run)
