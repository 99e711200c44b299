/* kill [-SIGNAL | -s SIGNAL] PID..., kill -l: sends a signal (TERM), by name or number. */
#include "tool.h"
#include <ctype.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const names[] = {
	[SIGHUP] = "HUP",
	[SIGINT] = "INT",
	[SIGQUIT] = "QUIT",
	[SIGILL] = "ILL",
	[SIGTRAP] = "TRAP",
	[SIGABRT] = "ABRT",
	[SIGBUS] = "BUS",
	[SIGFPE] = "FPE",
	[SIGKILL] = "KILL",
	[SIGUSR1] = "USR1",
	[SIGSEGV] = "SEGV",
	[SIGUSR2] = "USR2",
	[SIGPIPE] = "PIPE",
	[SIGALRM] = "ALRM",
	[SIGTERM] = "TERM",
	[SIGSTKFLT] = "STKFLT",
	[SIGCHLD] = "CHLD",
	[SIGCONT] = "CONT",
	[SIGSTOP] = "STOP",
	[SIGTSTP] = "TSTP",
	[SIGTTIN] = "TTIN",
	[SIGTTOU] = "TTOU",
	[SIGURG] = "URG",
	[SIGXCPU] = "XCPU",
	[SIGXFSZ] = "XFSZ",
	[SIGVTALRM] = "VTALRM",
	[SIGPROF] = "PROF",
	[SIGWINCH] = "WINCH",
	[SIGIO] = "IO",
	[SIGPWR] = "PWR",
	[SIGSYS] = "SYS",
};

#define NAME_COUNT ((int)(sizeof(names) / sizeof(names[0])))

static int signal_number(const char *text)
{
	if (isdigit((unsigned char)text[0]))
		return (int)tool_number(text, 0, SIGRTMAX);
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (int i = 1; i < NAME_COUNT; i++)
		if (!strcasecmp(text, names[i]))
			return i;
	tool_complain("%s: no such signal", text);
	exit(1);
}

static void list_names(void)
{
	for (int i = 1; i < NAME_COUNT; i++)
		printf("%2d %-7s%s", i, names[i], i % 8 ? " " : "\n");
	putchar('\n');
}

int main(int argc, char **argv)
{
	int sig = SIGTERM, i = 1;

	tool_begin(argv[0]);
	if (i < argc && !strcmp(argv[i], "-l")) {
		list_names();
		return tool_end();
	}
	if (i + 1 < argc && !strcmp(argv[i], "-s")) {
		sig = signal_number(argv[i + 1]);
		i += 2;
	} else if (i < argc && argv[i][0] == '-' && argv[i][1] && strcmp(argv[i], "--")) {
		sig = signal_number(argv[i++] + 1);
	}
	if (i < argc && !strcmp(argv[i], "--"))
		i++;
	if (i == argc)
		tool_usage("[-SIGNAL] PID...");
	for (; i < argc; i++)
		if (kill((pid_t)tool_number(argv[i], INT_MIN, INT_MAX), sig) < 0)
			tool_error("%s", argv[i]);
	return tool_end();
}
