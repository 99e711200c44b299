/*
 * torture: all stress programs at once, with the same options. Ends with one summary line; the
 * status is 0 only if every one of them ended with 0. filemapstress works in the current directory.
 */
#include "tool.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const programs[] = {
	"forkstress",
	"cowstress",
	"mmapstress",
	"filemapstress",
	"futexstress",
};

#define PROGRAM_COUNT ((int)(sizeof(programs) / sizeof(programs[0])))

static const char *folder = "";

static pid_t start(const char *program, char **options)
{
	char path[256];
	char *argv[8] = {path};
	pid_t pid = fork();

	if (pid)
		return pid;
	for (int i = 0; options[i] && i < 6; i++)
		argv[i + 1] = options[i];
	snprintf(path, sizeof(path), "%s%s", folder, program);
	execvp(path, argv);
	tool_error("%s", path);
	_exit(127);
}

int main(int argc, char **argv)
{
	char number[24], *given[7] = {NULL};
	int failed = 0, status, opt, n = 0;
	char *slash = strrchr(argv[0], '/');
	const char *seed = NULL;

	tool_begin(argv[0]);
	/* Started with a path, the others are beside it. */
	if (slash) {
		folder = strndup(argv[0], (size_t)(slash + 1 - argv[0]));
		if (!folder)
			tool_die("memory");
	}
	while ((opt = getopt(argc, argv, "s:r:w:")) != -1) {
		if (opt == '?')
			tool_usage("[-s SECONDS] [-r SEED] [-w WORKERS]");
		if (opt == 'r')
			seed = optarg;
		else if (n < 4) {
			given[n++] = opt == 's' ? "-s" : "-w";
			given[n++] = optarg;
		}
	}
	if (!seed) {
		snprintf(number, sizeof(number), "%ld", (long)time(NULL));
		seed = number;
	}
	given[n++] = "-r";
	given[n++] = (char *)seed;
	for (int i = 0; i < PROGRAM_COUNT; i++)
		if (start(programs[i], given) < 0) {
			tool_error("fork");
			failed++;
		}
	for (pid_t pid; (pid = wait(&status)) > 0 || errno == EINTR;)
		if (pid > 0 && status)
			failed++;
	printf("torture: %s, %d of %d programs failed, seed %s\n", failed ? "FAILED" : "ok", failed,
		PROGRAM_COUNT, seed);
	return tool_end() || failed;
}
