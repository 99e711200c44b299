/* fork(2), vfork(2), clone(2), clone3(2). */
#ifndef PROC_FORK_H
#define PROC_FORK_H

#include "mm/types.h"

struct clone_request {
	uint64_t flags; /* CLONE_*, without CSIGNAL */
	int exit_signal;
	uaddr_t stack; /* new stack pointer, 0: keep */
	uaddr_t parent_tid, child_tid;
	uint64_t tls;
};

/*
 * Make a process or thread that returns 0 from the current system call. Its number, or -EINVAL,
 * -EAGAIN (no number left), -ENOMEM, -ERESTARTNOINTR (a signal came first). May sleep.
 */
long process_do_fork(const struct clone_request *rq);

#endif
