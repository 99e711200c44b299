/*
 * prof [-f HZ] COMMAND [ARGUMENT...]: run a command, then print where the machine spent its time
 * meanwhile (/proc/profile, all processes) and which counters of /proc/vmstat moved. The exit
 * status is the command's.
 */
#include "tool.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROFILE	     "/proc/profile"
#define COUNTERS_MAX 64

struct counter {
	char name[40];
	unsigned long long value;
};

static void control(const char *word)
{
	int fd = open(PROFILE, O_WRONLY);

	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		tool_die("%s: %s", PROFILE, word);
	close(fd);
}

static int read_counters(struct counter *c)
{
	FILE *f = fopen("/proc/vmstat", "r");
	int n = 0;

	if (!f)
		tool_die("/proc/vmstat");
	while (n < COUNTERS_MAX && fscanf(f, "%39s %llu", c[n].name, &c[n].value) == 2)
		n++;
	fclose(f);
	return n;
}

static int run(char **argv)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		tool_die("fork");
	if (pid == 0) {
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		execvp(argv[0], argv);
		tool_error("%s", argv[0]);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0)
		tool_die("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* What the "nr_" lines say is how much there is, not what happened. */
static void print_counters(const struct counter *before, const struct counter *after, int n)
{
	printf("\ncounters of /proc/vmstat\n");
	for (int i = 0; i < n; i++) {
		if (strncmp(after[i].name, "nr_", 3) != 0 && after[i].value != before[i].value)
			printf("%12llu %s\n", after[i].value - before[i].value, after[i].name);
	}
}

static void print_profile(void)
{
	int fd = open(PROFILE, O_RDONLY);

	fflush(stdout);
	if (fd < 0 || copy_fd(fd, STDOUT_FILENO))
		tool_die("%s", PROFILE);
	close(fd);
}

int main(int argc, char **argv)
{
	static struct counter before[COUNTERS_MAX], after[COUNTERS_MAX];
	char start[32] = "start";
	int opt, status, n;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "+f:")) != -1) {
		if (opt != 'f')
			tool_usage("[-f HZ] COMMAND [ARGUMENT...]");
		snprintf(start, sizeof(start), "start %ld", tool_number(optarg, 1, 20000));
	}
	if (optind == argc)
		tool_usage("[-f HZ] COMMAND [ARGUMENT...]");
	n = read_counters(before);
	/* The keys end the command, and then its profile is shown. */
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	control(start);
	status = run(argv + optind);
	control("stop");
	if (read_counters(after) != n)
		tool_die("/proc/vmstat changed");
	printf("\n");
	print_profile();
	control("clear");
	print_counters(before, after, n);
	return tool_end() ? 1 : status;
}
