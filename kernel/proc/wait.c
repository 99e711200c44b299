/*
 * Waiting for children. A scan under process_tree finds a child whose state is to be reported; when
 * there is none the caller sleeps until child_events of its process moves on from what it was
 * before the scan, so that an event between scan and sleep is not lost.
 */
#include "proc/wait.h"

#include "abi/wait.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "proc/exit.h"

static bool wait_matches(const struct wait_request *rq, const struct process *child, int pgid)
{
	bool clone_child = child->exit_signal != SIGCHLD;

	if (rq->which == P_PID && child->node.nr != rq->nr)
		return false;
	if (rq->which == P_PGID && (!child->pgrp || child->pgrp->node.nr != pgid))
		return false;
	if (rq->options & WLINUX_ALL)
		return true;
	return clone_child == !!(rq->options & WLINUX_CLONE);
}

static void wait_fill(struct process *child, int why, int code, int status, struct wait_result *out)
{
	process_child_info(child, why, code, &out->info);
	out->status = status;
	process_usage(child, &out->usage);
	process_usage_add(&out->usage, &child->dead_children);
}

/* Is there something to report about the child? Fills *out and consumes it. => process_tree held */
static bool wait_report(const struct wait_request *rq, struct process *child,
	struct wait_result *out, struct process **reaped)
{
	bool keep = rq->options & WNOWAIT;

	if (child->state == PROCESS_ZOMBIE) {
		int st = child->exit_status;

		if (!(rq->options & WEXITED))
			return false;
		if (WSTATUS_IS_EXITED(st))
			wait_fill(child, CLD_EXITED, (st >> 8) & 0xff, st, out);
		else
			wait_fill(child, CLD_KILLED, st & 0x7f, st, out);
		if (!keep) {
			process_reap_locked(child);
			*reaped = child;
		}
		return true;
	}
	if ((rq->options & WSTOPPED) && child->stop_report && READ_ONCE(child->group_stop)) {
		wait_fill(child, CLD_STOPPED, child->stop_signal,
			WSTATUS_STOPPED(child->stop_signal), out);
		child->stop_report = keep;
		return true;
	}
	if ((rq->options & WCONTINUED) && child->cont_report) {
		wait_fill(child, CLD_CONTINUED, SIGCONT, WSTATUS_CONTINUED, out);
		child->cont_report = keep;
		return true;
	}
	return false;
}

/* The number of a child that was reported, 0 if there are only others, -ECHILD if none matches. */
static int wait_scan(const struct wait_request *rq, struct wait_result *out)
{
	struct process *self = process_current(), *child, *tmp, *reaped = NULL;
	int pgid = rq->nr ? rq->nr : process_getpgid(0);
	int nr = -ECHILD;

	mutex_lock(&process_tree);
	list_for_each_entry_safe (child, tmp, &self->children, sibling) {
		int child_nr = child->node.nr;

		if (!wait_matches(rq, child, pgid))
			continue;
		nr = 0;
		if (wait_report(rq, child, out, &reaped)) {
			nr = child_nr;
			break;
		}
	}
	mutex_unlock(&process_tree);
	if (reaped)
		process_put(reaped);
	return nr;
}

int process_wait(const struct wait_request *rq, struct wait_result *out)
{
	struct process *self = process_current();

	for (;;) {
		uint32_t seen = LOAD_ACQUIRE(self->child_events);
		int nr = wait_scan(rq, out);
		int err;

		if (nr || (rq->options & WNOHANG))
			return nr;
		err = wait_event_interruptible(
			&self->child_wait, LOAD_ACQUIRE(self->child_events) != seen);
		if (err)
			return err;
	}
}
