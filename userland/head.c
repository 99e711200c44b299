/* head [-n COUNT | -c BYTES] [FILE]...: the first lines (10), or bytes. */
#include "tool.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void head(FILE *in, long lines, long bytes)
{
	int c;

	while (lines > 0 && bytes > 0 && (c = getc(in)) != EOF) {
		putchar(c);
		bytes--;
		lines -= c == '\n';
	}
}

int main(int argc, char **argv)
{
	long lines = 10, bytes = LONG_MAX;
	int opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "n:c:")) != -1) {
		if (opt == 'n')
			lines = tool_number(optarg, 0, LONG_MAX);
		else if (opt == 'c')
			bytes = tool_number(optarg, 0, LONG_MAX), lines = LONG_MAX;
		else
			tool_usage("[-n LINES | -c BYTES] [FILE]...");
	}
	if (optind == argc)
		head(stdin, lines, bytes);
	for (int i = optind; i < argc; i++) {
		FILE *in = fopen(argv[i], "r");

		if (!in) {
			tool_error("%s", argv[i]);
			continue;
		}
		if (argc - optind > 1)
			printf("%s==> %s <==\n", i > optind ? "\n" : "", argv[i]);
		head(in, lines, bytes);
		fclose(in);
	}
	return tool_end();
}
