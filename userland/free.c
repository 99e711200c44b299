/* free: memory in KiB, from /proc/meminfo. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

/* => the value of one line of meminfo, 0 if it is not there. */
static long find(const char *text, const char *name)
{
	const char *p = text;
	size_t len = strlen(name);
	long value = 0;

	for (; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, name, len) && p[len] == ':')
			sscanf(p + len + 1, "%ld", &value);
	return value;
}

int main(int argc, char **argv)
{
	static char text[8192];
	FILE *f = fopen("/proc/meminfo", "r");
	long total, available, idle, cached;

	(void)argc;
	tool_begin(argv[0]);
	if (!f)
		tool_die("/proc/meminfo");
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	total = find(text, "MemTotal");
	idle = find(text, "MemFree");
	cached = find(text, "Cached") + find(text, "Buffers");
	available = find(text, "MemAvailable");
	printf("%12s %12s %12s %12s %12s\n", "total", "used", "free", "cached", "available");
	printf("%12ld %12ld %12ld %12ld %12ld\n", total, total - idle - cached, idle, cached,
		available);
	return tool_end();
}
