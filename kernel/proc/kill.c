/*
 * The calls that send signals: kill, tkill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo. Everybody
 * is root, so that permission is never refused. Targets are found and signalled under pid_lock,
 * which keeps them from going away; queue entries are allocated before.
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

/* Queue entries for the members of a group, all with the same info. */
struct kill_entries {
	struct process *owner; /* in whose account they are */
	struct list ready;
	unsigned count;
};

/* Have `want` entries, or as many as can be had: who finds none gets the signal without info. */
static void entries_fill(struct kill_entries *e, unsigned want, const struct abi_siginfo *info)
{
	for (; e->count < want; e->count++) {
		struct sigqueue *sq = sigqueue_alloc(e->owner);

		if (!sq)
			return;
		siginfo_copy(&sq->info, info);
		list_add_tail(&e->ready, &sq->link);
	}
}

static void entries_drop(struct kill_entries *e)
{
	struct list *l;

	while ((l = list_pop(&e->ready)))
		sigqueue_free(e->owner, list_entry(l, struct sigqueue, link));
}

/* => pid_lock */
static void kill_member_locked(struct process *p, int sig, struct kill_entries *e)
{
	struct list *l = list_pop(&e->ready);
	struct sigqueue *sq = l ? list_entry(l, struct sigqueue, link) : NULL;

	if (sq)
		list_init(&sq->link);
	if (kill_one_locked(p, NULL, sig, sq))
		sigqueue_change_owner(e->owner, p);
	else if (sq)
		list_add_tail(&e->ready, &sq->link);
}

static unsigned pgrp_size_locked(struct pgrp *pg)
{
	unsigned n = 0;
	struct process *p;

	list_for_each_entry (p, &pg->members, pgrp_link)
		n++;
	return n;
}

/*
 * All processes of a group (0: our own) under one hold of pid_lock, so that a child that is being
 * made joins the group either before, and gets the signal, or after its parent has got it.
 */
static int kill_group(int nr, const struct abi_siginfo *info, int sig)
{
	struct kill_entries e = {.owner = process_current()};
	unsigned found = 0, asked = 0;
	irqflags_t flags;
	struct process *p;
	struct pgrp *pg;

	list_init(&e.ready);
	for (;;) {
		flags = pids_lock();
		pg = nr ? pgrp_find_locked(nr) : e.owner->pgrp;
		found = pg ? pgrp_size_locked(pg) : 0;
		if (!sig || found <= asked)
			break;
		pids_unlock(flags);
		asked = found;
		entries_fill(&e, asked, info);
	}
	if (sig && pg) {
		list_for_each_entry (p, &pg->members, pgrp_link)
			kill_member_locked(p, sig, &e);
	}
	pids_unlock(flags);
	entries_drop(&e);
	return found ? 0 : -ESRCH;
}

/* Everybody but init and ourselves, in the order of their numbers. */
static int kill_all(const struct abi_siginfo *info, int sig)
{
	struct process *self = process_current(), *p;
	int found = 0;

	for (int nr = 0;;) {
		irqflags_t flags = pids_lock();
		struct pid_node *n;

		nr = pid_next_locked(nr, PID_PROCESS);
		n = pid_find_locked(nr, PID_PROCESS);
		p = n ? container_of(n, struct process, node) : NULL;
		if (p)
			process_get(p);
		pids_unlock(flags);
		if (!p)
			return found ? 0 : -ESRCH;
		if (!p->is_init && p != self) {
			found++;
			if (sig)
				(void)signal_post_info(p, NULL, info);
		}
		process_put(p);
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
		return kill_all(&info, sig);
	if (pid == INT_MIN)
		return -ESRCH;
	return kill_group(-pid, &info, sig);
}

/*
 * *sq (NULL: there is none) becomes NULL when it was used up. info->si_signo 0: only look. =>
 * pid_lock
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
