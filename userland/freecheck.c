/*
 * freecheck COMMAND [ARG]...: does the command give all memory back? Runs it once as warm-up, then
 * again, and compares the free memory before and after the second run, each time after a drop of
 * the caches. Status 0 if it is exactly the same and the command ended with 0.
 */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		tool_die("fork");
	if (pid == 0) {
		execvp(argv[0], argv);
		tool_error("%s", argv[0]);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			tool_die("waitpid");
	return status;
}

/* => free memory in KiB with the caches dropped. */
static long free_memory(void)
{
	static char text[4096];
	const char *line;
	long value = -1;
	ssize_t n;
	int fd;

	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd < 0 || write(fd, "3\n", 2) != 2)
		tool_die("/proc/sys/vm/drop_caches");
	close(fd);
	fd = open("/proc/meminfo", O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		tool_die("/proc/meminfo");
	close(fd);
	text[n] = 0;
	line = strstr(text, "MemFree:");
	if (!line || sscanf(line, "MemFree: %ld", &value) != 1)
		tool_die("no MemFree in /proc/meminfo");
	return value;
}

int main(int argc, char **argv)
{
	long before, after;
	int status;

	tool_begin(argv[0]);
	if (argc < 2)
		tool_usage("COMMAND [ARG]...");
	/* The first look also warms up what looking needs. */
	free_memory();
	run(argv + 1);
	before = free_memory();
	status = run(argv + 1);
	after = free_memory();
	printf("freecheck: %ld KiB before, %ld KiB after, %ld KiB missing\n", before, after,
		before - after);
	return tool_end() || status != 0 || before != after;
}
