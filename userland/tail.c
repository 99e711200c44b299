/* tail [-n COUNT] [FILE]: the last lines (10). A ring of the last COUNT lines, whatever the input
 * is. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void tail(FILE *in, size_t count)
{
	char **ring = calloc(count, sizeof(*ring));
	size_t *sizes = calloc(count, sizeof(*sizes));
	size_t seen = 0, first;
	ssize_t *lens = calloc(count, sizeof(*lens));

	if (!ring || !sizes || !lens)
		tool_die("%zu lines", count);
	while ((lens[seen % count] = getline(&ring[seen % count], &sizes[seen % count], in)) > 0)
		seen++;
	/* The slot of the line that did not come is the oldest: it has been overwritten if the ring
	 * is full. */
	first = seen >= count ? seen - count + 1 : 0;
	for (size_t i = first; i < seen; i++)
		fwrite(ring[i % count], 1, (size_t)lens[i % count], stdout);
	for (size_t i = 0; i < count; i++)
		free(ring[i]);
	free(ring);
	free(sizes);
	free(lens);
}

int main(int argc, char **argv)
{
	long count = 10;
	FILE *in = stdin;
	int opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "n:")) != -1) {
		if (opt != 'n')
			tool_usage("[-n LINES] [FILE]");
		count = tool_number(optarg, 0, 1 << 20);
	}
	if (argc - optind > 1)
		tool_usage("[-n LINES] [FILE]");
	if (optind < argc && !(in = fopen(argv[optind], "r")))
		tool_die("%s", argv[optind]);
	/* One slot more than asked for: the line that ends the loop needs one. */
	tail(in, (size_t)count + 1);
	return tool_end();
}
