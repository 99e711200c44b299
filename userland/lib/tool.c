/* Messages, numbers, copying and names for the tools: see tool.h. */
#include "tool.h"
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *name = "?";
static int failed;

void tool_begin(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');

	name = slash ? slash + 1 : argv0;
}

static void message(const char *format, va_list ap, int err)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", name);
	vfprintf(stderr, format, ap);
	if (err)
		fprintf(stderr, ": %s", strerror(err));
	fputc('\n', stderr);
	failed = 1;
}

void tool_error(const char *format, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, format);
	message(format, ap, err);
	va_end(ap);
}

void tool_complain(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	message(format, ap, 0);
	va_end(ap);
}

void tool_die(const char *format, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, format);
	message(format, ap, err);
	va_end(ap);
	exit(1);
}

void tool_usage(const char *text)
{
	fprintf(stderr, "usage: %s %s\n", name, text);
	exit(2);
}

int tool_end(void)
{
	if (fflush(stdout) == EOF || ferror(stdout))
		tool_error("standard output");
	return failed;
}

long tool_number(const char *text, long min, long max)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (end == text || *end || errno || value < min || value > max) {
		fprintf(stderr, "%s: %s: not a number from %ld to %ld\n", name, text, min, max);
		exit(2);
	}
	return value;
}

int write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int copy_fd(int from, int to)
{
	static char buf[32768];

	for (;;) {
		ssize_t n = read(from, buf, sizeof(buf));

		if (n == 0)
			return 0;
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (write_all(to, buf, (size_t)n) < 0)
			return -2;
	}
}

char *path_join(char *buf, const char *dir, const char *last)
{
	size_t len = strlen(dir);
	const char *slash = len > 0 && dir[len - 1] == '/' ? "" : "/";

	if (snprintf(buf, PATH_MAX, "%s%s%s", dir, slash, last) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		tool_die("%s/%s", dir, last);
	}
	return buf;
}

char *path_last(char *buf, const char *path)
{
	size_t end = strlen(path), start;

	while (end > 1 && path[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	if (start == end && start > 0)
		start--;
	snprintf(buf, PATH_MAX, "%.*s", (int)(end - start), path + start);
	return buf;
}
