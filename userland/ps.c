/* ps: every process that /proc shows: number, parent, state, resident memory, command line. */
#include "tool.h"
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct process {
	int pid, ppid;
	char state;
	long rss_kib;
	char name[64];
};

/* => 0, or -1 if the process has gone meanwhile. */
static int read_status(const char *pid, struct process *p)
{
	char path[300], line[256];
	FILE *f;

	*p = (struct process){.pid = atoi(pid), .state = '?'};
	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "r");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "Name: %63[^\n]", p->name);
		sscanf(line, "State: %c", &p->state);
		sscanf(line, "PPid: %d", &p->ppid);
		sscanf(line, "VmRSS: %ld", &p->rss_kib);
	}
	fclose(f);
	return 0;
}

/* The arguments with blanks between; what has none (a kernel thread) is [name]. */
static void print_command(const char *pid, const struct process *p)
{
	char path[300], text[512];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text));
		close(fd);
	}
	if (n <= 0) {
		printf("[%s]\n", p->name);
		return;
	}
	while (n > 0 && !text[n - 1])
		n--;
	for (ssize_t i = 0; i < n; i++)
		putchar(text[i] ? text[i] : ' ');
	putchar('\n');
}

static int is_process(const struct dirent *entry)
{
	return isdigit((unsigned char)entry->d_name[0]);
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
	return atoi((*a)->d_name) - atoi((*b)->d_name);
}

int main(int argc, char **argv)
{
	struct dirent **entries;
	int count;

	(void)argc;
	tool_begin(argv[0]);
	count = scandir("/proc", &entries, is_process, by_number);
	if (count < 0)
		tool_die("/proc");
	printf("  PID  PPID S   RSS KiB COMMAND\n");
	for (int i = 0; i < count; i++) {
		struct process p;

		if (read_status(entries[i]->d_name, &p) < 0)
			continue;
		printf("%5d %5d %c %9ld ", p.pid, p.ppid, p.state, p.rss_kib);
		print_command(entries[i]->d_name, &p);
	}
	return tool_end();
}
