/* fork + exit + wait of a process that has touched some memory. */
#include "../bench.h"

static char *area;

static inline void fork_setup(size_t bytes)
{
	if (!bytes)
		return;
	area = map_anon(bytes, MAP_PRIVATE);
	touch_write(area, bytes, PAGE);
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit((int)(i & 63));
		CHECK(pid > 0);
		wait_for_status(pid, (int)(i & 63));
		bench_check++;
	}
	return n;
}
