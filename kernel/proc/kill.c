/*
 * The calls that send signals: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo. Everybody is
 * root, so that permission is never refused. Targets are found and signalled under pid_lock, which
 * keeps them from going away; queue entries are allocated before.
 */
#include "lib/assert.h"
#include "lib/string.h"
#include "proc/signal.h"

static void info_user(struct abi_siginfo *info, int sig, int code)
{
	siginfo_clear(info);
	info->si_signo = sig;
	info->si_code = code;
	info->u.rt.pid = process_current()->node.nr;
}

/* Signal one process or thread with info; sq may be NULL. True when sq was used up. => pid_lock */
static bool kill_one_locked(struct process *p, struct task *task, int sig, struct sigqueue *sq)
{
	bool taken;

	spin_lock(&p->lock);
	taken = signal_post_locked(p, task, sig, sq);
	spin_unlock(&p->lock);
	return taken;
}

/*
 * All processes that `wanted` picks: of a group, or all but init and ourselves. Information is the
 * same for each, an entry for each would have to be allocated before the number is known: those
 * that follow the first get the signal without (si_code SI_KERNEL).
 */
static int kill_group(int nr, const struct abi_siginfo *info, int sig)
{
	struct process *self = process_current(), *p;
	struct sigqueue *sq = sig ? sigqueue_alloc(self) : NULL;
	int found = 0;
	irqflags_t flags;
	struct pgrp *pg;

	if (sq) {
		list_init(&sq->link);
		siginfo_copy(&sq->info, info);
	}
	flags = pids_lock();
	pg = nr ? pgrp_find_locked(nr) : self->pgrp;
	if (pg) {
		list_for_each_entry (p, &pg->members, pgrp_link) {
			found++;
			if (sig && kill_one_locked(p, NULL, sig, p == self ? sq : NULL) &&
				p == self)
				sq = NULL;
		}
	}
	pids_unlock(flags);
	sigqueue_free(self, sq);
	return found ? 0 : -ESRCH;
}

static int kill_all(int sig)
{
	struct process *self = process_current();
	int found = 0;

	for (int nr = 0;;) {
		irqflags_t flags = pids_lock();
		struct pid_node *n;
		struct process *p;

		nr = pid_next_locked(nr, PID_PROCESS);
		n = pid_find_locked(nr, PID_PROCESS);
		p = n ? container_of(n, struct process, node) : NULL;
		if (p && !p->is_init && p != self) {
			found++;
			if (sig)
				kill_one_locked(p, NULL, sig, NULL);
		}
		pids_unlock(flags);
		if (!p)
			return found ? 0 : -ESRCH;
	}
}

static int kill_process(int pid, const struct abi_siginfo *info, int sig)
{
	struct process *p = process_find(pid);
	int err = 0;

	if (!p)
		return -ESRCH;
	if (sig)
		err = signal_post_info(p, NULL, info);
	process_put(p);
	return err;
}

int signal_kill(int pid, int sig)
{
	struct abi_siginfo info;

	if (sig && !signal_valid(sig))
		return -EINVAL;
	info_user(&info, sig, SI_USER);
	if (pid > 0)
		return kill_process(pid, &info, sig);
	if (pid == -1)
		return kill_all(sig);
	if (pid == INT_MIN)
		return -ESRCH;
	return kill_group(-pid, &info, sig);
}

/* *sq (NULL: there is none) becomes NULL when it was used up. info->si_signo 0: only look. => pid_lock
 */
static int kill_task_locked(
	struct task *task, int tgid, const struct abi_siginfo *info, struct sigqueue **sq)
{
	struct process *p = task->process;
	int sig = info->si_signo;
	bool charged;

	if (tgid && p->node.nr != tgid)
		return -ESRCH;
	if (!sig)
		return 0;
	charged = *sq && sigqueue_charge(p);
	if (!charged && sig >= SIGRTMIN && info->si_code != SI_USER && info->si_code != SI_TKILL)
		return -EAGAIN;
	if (kill_one_locked(p, task, sig, charged ? *sq : NULL))
		*sq = NULL;
	else if (charged)
		sigqueue_uncharge(p);
	return 0;
}

/* To the thread tid, of process tgid unless that is 0. */
static int kill_thread(int tgid, int tid, const struct abi_siginfo *info)
{
	struct sigqueue *sq = info->si_signo ? sigqueue_make(info) : NULL;
	struct pid_node *n;
	irqflags_t flags = pids_lock();
	int err = -ESRCH;

	n = pid_find_locked(tid, PID_TASK);
	if (n)
		err = kill_task_locked(container_of(n, struct task, node), tgid, info, &sq);
	else if ((!tgid || tgid == tid) && pid_find_locked(tid, PID_PROCESS))
		err = 0; /* the main thread ended before the others: a zombie, as on Linux */
	pids_unlock(flags);
	if (sq)
		sigqueue_drop(sq);
	return err;
}

int signal_tgkill(int tgid, int tid, int sig)
{
	struct abi_siginfo info;

	if (tid <= 0 || tgid < 0 || (sig && !signal_valid(sig)))
		return -EINVAL;
	info_user(&info, sig, SI_TKILL);
	return kill_thread(tgid, tid, &info);
}

int signal_queue(int tgid, int tid, const struct abi_siginfo *info)
{
	int sig = info->si_signo;
	bool self = tgid == process_current()->node.nr;

	if (tgid <= 0 || (sig && !signal_valid(sig)))
		return -EINVAL;
	/* Nobody may pretend that the kernel or kill(2) sent it, but to himself. */
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && !self)
		return -EPERM;
	return tid ? kill_thread(tgid, tid, info) : kill_process(tgid, info, sig);
}
