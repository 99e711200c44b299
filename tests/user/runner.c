/*
 * Runs the test programs beside it and joins their TAP into one: each line "ok N - PROGRAM: TEST",
 * the plan at the end, then "# N passed, N failed". Arguments choose programs by name. A program
 * that ends badly although no test of it failed counts as one failure.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int number, failed, skipped;

static void verdict(const char *line, const char *program)
{
	int bad = !strncmp(line, "not ok", 6);
	const char *dash = strstr(line, " - ");
	const char *text = dash ? dash + 3 : "?\n";

	failed += bad;
	skipped += strstr(line, "# SKIP") != NULL;
	printf("%s %d - %s: %s", bad ? "not ok" : "ok", ++number, program, text);
}

static void run(const char *folder, const char *program)
{
	int before = number, failed_before = failed, planned = -1, status;
	char path[PATH_MAX], line[1024];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", folder, program);
	fflush(stdout);
	out = popen(path, "r");
	if (!out) {
		printf("not ok %d - %s: cannot be started: %s\n", ++number, program,
			strerror(errno));
		failed++;
		return;
	}
	while (fgets(line, sizeof(line), out)) {
		if (sscanf(line, "1..%d", &planned) == 1)
			continue;
		if (!strncmp(line, "ok ", 3) || !strncmp(line, "not ok ", 7))
			verdict(line, program);
		else
			fputs(line, stdout);
		fflush(stdout);
	}
	status = pclose(out);
	if (failed == failed_before && (status != 0 || number - before != planned)) {
		printf("not ok %d - %s: status %#x, %d of %d tests told\n", number + 1, program,
			status, number - before, planned);
		number++;
		failed++;
	}
}

static int is_program(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strcmp(entry->d_name, "runner");
}

int main(int argc, char **argv)
{
	char *slash = strrchr(argv[0], '/');
	char folder[PATH_MAX] = "/tests";
	struct dirent **entries;
	int count;

	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash - argv[0]), argv[0]);
	count = scandir(folder, &entries, is_program, alphasort);
	if (count < 0) {
		fprintf(stderr, "runner: %s: %s\n", folder, strerror(errno));
		return 2;
	}
	for (int i = 0; i < count; i++) {
		int wanted = argc == 1;

		for (int j = 1; j < argc; j++)
			wanted |= !strcmp(argv[j], entries[i]->d_name);
		if (wanted)
			run(folder, entries[i]->d_name);
	}
	printf("1..%d\n", number);
	printf("# %d passed, %d failed, %d skipped\n", number - failed - skipped, failed, skipped);
	return failed || number == 0;
}
