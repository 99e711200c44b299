/* sleep SECONDS: a decimal fraction is allowed. */
#include "tool.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	struct timespec ts;
	double seconds;
	char *end;

	tool_begin(argv[0]);
	if (argc != 2)
		tool_usage("SECONDS");
	seconds = strtod(argv[1], &end);
	if (end == argv[1] || *end || !(seconds >= 0 && seconds < 1e9))
		tool_usage("SECONDS");
	ts.tv_sec = (time_t)seconds;
	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	while (nanosleep(&ts, &ts) < 0)
		if (errno != EINTR)
			tool_die("nanosleep");
	return 0;
}
