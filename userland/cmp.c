/* cmp [-s] A B: the first byte that differs. Status 0 same, 1 different, 2 trouble. */
#include "tool.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static FILE *open_or_exit(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "r") : stdin;

	if (!f) {
		tool_error("%s", path);
		_exit(2);
	}
	return f;
}

int main(int argc, char **argv)
{
	int silent = 0, opt, a, b;
	long byte = 1, line = 1;
	FILE *fa, *fb;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "s")) != -1) {
		if (opt != 's')
			tool_usage("[-s] A B");
		silent = 1;
	}
	if (argc - optind != 2)
		tool_usage("[-s] A B");
	fa = open_or_exit(argv[optind]);
	fb = open_or_exit(argv[optind + 1]);
	for (;; byte++) {
		a = getc(fa);
		b = getc(fb);
		if (a != b || a == EOF)
			break;
		line += a == '\n';
	}
	if (ferror(fa) || ferror(fb)) {
		tool_error("%s", ferror(fa) ? argv[optind] : argv[optind + 1]);
		return 2;
	}
	if (a == b)
		return 0;
	if (!silent && (a == EOF || b == EOF))
		fprintf(stderr, "cmp: EOF on %s\n", argv[a == EOF ? optind : optind + 1]);
	else if (!silent)
		printf("%s %s differ: char %ld, line %ld\n", argv[optind], argv[optind + 1], byte,
			line);
	return tool_end() ? 2 : 1;
}
