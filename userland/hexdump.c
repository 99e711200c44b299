/* hexdump [-n BYTES] [FILE]: sixteen bytes a line, in hexadecimal and as text. */
#include "tool.h"
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static void print_byte(const unsigned char *row, size_t i, size_t n)
{
	if (i == 8)
		putchar(' ');
	if (i < n)
		printf("%02x ", row[i]);
	else
		printf("   ");
}

int main(int argc, char **argv)
{
	long left = LONG_MAX, offset = 0;
	unsigned char row[16];
	FILE *in = stdin;
	size_t n;
	int opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "Cn:")) != -1) {
		if (opt == 'n')
			left = tool_number(optarg, 0, LONG_MAX);
		else if (opt != 'C')
			tool_usage("[-n BYTES] [FILE]");
	}
	if (optind < argc && !(in = fopen(argv[optind], "r")))
		tool_die("%s", argv[optind]);
	while (left > 0 && (n = fread(row, 1, left < 16 ? (size_t)left : 16, in)) > 0) {
		printf("%08lx ", offset);
		for (size_t i = 0; i < 16; i++)
			print_byte(row, i, n);
		printf(" |");
		for (size_t i = 0; i < n; i++)
			putchar(isprint(row[i]) ? row[i] : '.');
		printf("|\n");
		offset += (long)n;
		left -= (long)n;
	}
	if (ferror(in))
		tool_error("%s", optind < argc ? argv[optind] : "standard input");
	printf("%08lx\n", offset);
	return tool_end();
}
