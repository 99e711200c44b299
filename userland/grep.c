/* grep [-Ecilnqv] PATTERN [FILE]...: lines that match. Status 0 some, 1 none, 2 trouble. */
#include "tool.h"
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	int count, names, numbers, quiet, invert, many;
} opts;

static regex_t pattern;
static int matched;

static void grep(FILE *in, const char *name)
{
	long number = 0, count = 0;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, in)) > 0) {
		number++;
		if (line[len - 1] == '\n')
			line[len - 1] = 0;
		if ((regexec(&pattern, line, 0, NULL, 0) == 0) == opts.invert)
			continue;
		matched = 1;
		count++;
		if (opts.quiet || opts.names)
			break;
		if (opts.count)
			continue;
		if (opts.many)
			printf("%s:", name);
		if (opts.numbers)
			printf("%ld:", number);
		puts(line);
	}
	if (ferror(in))
		tool_error("%s", name);
	free(line);
	if (opts.names && count)
		puts(name);
	else if (opts.count && opts.many)
		printf("%s:%ld\n", name, count);
	else if (opts.count)
		printf("%ld\n", count);
}

int main(int argc, char **argv)
{
	int flags = REG_NOSUB, opt, err;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "Ecilnqv")) != -1) {
		if (opt == '?')
			tool_usage("[-Ecilnqv] PATTERN [FILE]...");
		flags |= opt == 'E' ? REG_EXTENDED : opt == 'i' ? REG_ICASE : 0;
		opts.count |= opt == 'c';
		opts.names |= opt == 'l';
		opts.numbers |= opt == 'n';
		opts.quiet |= opt == 'q';
		opts.invert |= opt == 'v';
	}
	if (optind == argc)
		tool_usage("[-Ecilnqv] PATTERN [FILE]...");
	err = regcomp(&pattern, argv[optind], flags);
	if (err) {
		char text[80];

		regerror(err, &pattern, text, sizeof(text));
		tool_complain("%s: %s", argv[optind], text);
		return 2;
	}
	opts.many = argc - optind > 2;
	if (optind + 1 == argc)
		grep(stdin, "(standard input)");
	for (int i = optind + 1; i < argc; i++) {
		FILE *in = fopen(argv[i], "r");

		if (!in) {
			tool_error("%s", argv[i]);
			continue;
		}
		grep(in, argv[i]);
		fclose(in);
	}
	if (tool_end())
		return matched && opts.quiet ? 0 : 2;
	return !matched;
}
