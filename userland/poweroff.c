/*
 * poweroff [-f]: asks init to end everything and power the machine off; -f does not ask, only
 * writes the caches out. Installed as reboot and halt too: the name decides.
 */
#include "tool.h"
#include <signal.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static const struct {
	const char *name;
	int signal; /* what init takes it for */
	unsigned int command;
} ways[] = {
	{"poweroff", SIGUSR2, RB_POWER_OFF},
	{"reboot", SIGTERM, RB_AUTOBOOT},
	{"halt", SIGUSR1, RB_HALT_SYSTEM},
};

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	size_t way = 0;
	int force, opt;

	tool_begin(argv[0]);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(slash ? slash + 1 : argv[0], ways[i].name))
			way = i;
	/* A shell that is process 1 itself has no init to ask. */
	force = getppid() == 1 && getpgrp() == 1;
	while ((opt = getopt(argc, argv, "f")) != -1) {
		if (opt != 'f')
			tool_usage("[-f]");
		force = 1;
	}
	if (!force) {
		if (kill(1, ways[way].signal) < 0)
			tool_die("init");
		for (;;)
			pause();
	}
	sync();
	reboot(ways[way].command);
	tool_die("reboot");
}
