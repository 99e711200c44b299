/* Waiting for children: wait4(2), waitid(2). */
#ifndef PROC_WAIT_H
#define PROC_WAIT_H

#include "proc/process.h"

struct wait_request {
	int which;	  /* P_ALL, P_PID, P_PGID */
	int nr;		  /* P_PGID: 0 is the caller's group */
	unsigned options; /* WNOHANG, WEXITED, WSTOPPED, WCONTINUED, WNOWAIT, WLINUX_* */
};

struct wait_result {
	int status; /* wait4's word */
	struct abi_siginfo info;
	struct process_usage usage;
};

/* The number of the child, 0 (WNOHANG: none yet), -ECHILD, -ERESTARTSYS. May sleep. */
int process_wait(const struct wait_request *rq, struct wait_result *out);

#endif
