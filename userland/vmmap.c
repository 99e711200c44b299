/*
 * vmmap [PID]: the address space of a process (its own without PID): each mapping with its size,
 * rights, kind and file, and the gaps between.
 */
#include "tool.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct mapping {
	unsigned long start, end, offset;
	char rights[5];
	char path[PATH_MAX];
};

static int parse(const char *line, struct mapping *m)
{
	int at = 0;

	m->path[0] = 0;
	if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &m->start, &m->end, m->rights, &m->offset,
		    &at) < 4)
		return -1;
	if (at)
		snprintf(m->path, sizeof(m->path), "%s", line + at);
	m->path[strcspn(m->path, "\n")] = 0;
	return 0;
}

static const char *kind(const struct mapping *m)
{
	int shared = m->rights[3] == 's';

	if (m->path[0] == '/')
		return shared ? "file shared" : "file private";
	return shared ? "anon shared" : "anon private";
}

static void print_gap(unsigned long bytes)
{
	if (bytes >= 1UL << 30)
		printf("%16s %6lu GiB free\n", "", bytes >> 30);
	else if (bytes)
		printf("%16s %6lu KiB free\n", "", bytes >> 10);
}

int main(int argc, char **argv)
{
	static struct mapping m;
	static char line[PATH_MAX + 128];
	unsigned long total = 0, count = 0, last = 0;
	char path[64] = "/proc/self/maps";
	FILE *f;

	tool_begin(argv[0]);
	if (argc > 2)
		tool_usage("[PID]");
	if (argc == 2)
		snprintf(path, sizeof(path), "/proc/%ld/maps", tool_number(argv[1], 1, INT_MAX));
	f = fopen(path, "r");
	if (!f)
		tool_die("%s", path);
	printf("%16s %10s %-6s %-13s %s\n", "start", "KiB", "rights", "kind", "file");
	while (fgets(line, sizeof(line), f)) {
		if (parse(line, &m) < 0)
			continue;
		if (last)
			print_gap(m.start < 1UL << 47 ? m.start - last : 0);
		printf("%16lx %10lu %-6s %-13s %s", m.start, (m.end - m.start) >> 10, m.rights,
			kind(&m), m.path);
		if (m.path[0] == '/' && m.offset)
			printf(" +%lx", m.offset);
		putchar('\n');
		last = m.end;
		total += m.end - m.start;
		count++;
	}
	printf("%lu mappings, %lu KiB\n", count, total >> 10);
	return tool_end();
}
