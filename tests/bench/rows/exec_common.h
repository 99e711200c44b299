/* fork + exec + exit + wait of the program in args. */
#include "../bench.h"

static inline long exec_run(long n, char *const *args, int want)
{
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			execv(args[0], args);
			_exit(127);
		}
		CHECK(pid > 0);
		wait_for_status(pid, want);
		bench_check++;
	}
	return n;
}
