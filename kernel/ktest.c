/*
 * The runner of the in-kernel tests: KTAP version 1 on the consoles. Tests are collected by the
 * linker (section .ktests) and run one after the other by one thread, so the state of the running
 * test needs no lock.
 */
#include "ktest.h"
#include "klog.h"
#include "lib/fmt.h"
#include "lib/string.h"

extern const struct ktest ktests_start[], ktests_end[];

static bool failed;

static __printf(1, 2) void print(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = fmt_vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	klog_print_raw(line, MIN((size_t)n, sizeof(line) - 1));
}

void ktest_fail(const char *expr, const char *file, int line)
{
	failed = true;
	print("# %s:%d: expected %s\n", file, line, expr);
}

static bool contains(const char *s, const char *part)
{
	size_t n = strlen(part);

	for (; *s; s++) {
		if (!strncmp(s, part, n))
			return true;
	}
	return n == 0;
}

int ktest_run(const char *pattern)
{
	const struct ktest *t;
	unsigned count = 0;
	int nfailed = 0;

	print("KTAP version 1\n");
	for (t = ktests_start; t < ktests_end; t++) {
		if (!contains(t->name, pattern))
			continue;
		failed = false;
		t->fn();
		nfailed += failed;
		print("%sok %u %s\n", failed ? "not " : "", ++count, t->name);
	}
	print("1..%u\n# %u passed, %d failed\n", count, count - (unsigned)nfailed, nfailed);
	return nfailed;
}
