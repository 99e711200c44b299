/*
 * Process groups and sessions: setpgid, setsid, orphaned groups, and what a terminal asks of them.
 * Groups and sessions have no references but their members: the last process to leave a group ends
 * it, the last group to end ends its session.
 */
#include "proc/jobctl.h"

#include "dev/tty.h"
#include "lib/assert.h"
#include "mm/slab.h"
#include "proc/process.h"
#include "proc/signal.h"

void pgrp_join_locked(struct pgrp *pg, struct process *p)
{
	dassert(spin_held(&pid_lock));
	p->pgrp = pg;
	list_add_tail(&pg->members, &p->pgrp_link);
}

struct pgrp_dead pgrp_leave_locked(struct process *p)
{
	struct pgrp_dead dead = {NULL, NULL};
	struct pgrp *pg = p->pgrp;

	dassert(spin_held(&pid_lock));
	p->pgrp = NULL;
	list_remove(&p->pgrp_link);
	if (!list_empty(&pg->members))
		return dead;
	pid_remove_locked(&pg->node);
	dead.pgrp = pg;
	if (--pg->session->groups == 0) {
		pid_remove_locked(&pg->session->node);
		dead.session = pg->session;
	}
	return dead;
}

void pgrp_dead_free(struct pgrp_dead dead)
{
	kfree(dead.pgrp);
	kfree(dead.session);
}

static void pgrp_publish_locked(struct pgrp *pg, struct session *s, int nr)
{
	pg->session = s;
	s->groups++;
	list_init(&pg->members);
	pid_insert_locked(&pg->node, nr, PID_GROUP);
}

/* The checks of setpgid(2) and the move. *fresh is a group to use, set to NULL when it was. */
static int setpgid_locked(int pid, int pgid, struct pgrp **fresh, struct pgrp_dead *dead)
{
	struct process *self = process_current();
	struct pid_node *n = pid_find_locked(pid, PID_PROCESS);
	struct process *p = n ? container_of(n, struct process, node) : NULL;
	struct pgrp *pg;

	if (!p || (p != self && p->parent != self))
		return -ESRCH;
	if (p != self && p->pgrp->session != self->pgrp->session)
		return -EPERM;
	if (p != self && p->has_execed)
		return -EACCES;
	if (p->pgrp->session->node.nr == pid)
		return -EPERM; /* a session leader */
	pg = pgrp_find_locked(pgid);
	if (!pg && pgid != pid)
		return -EPERM;
	if (pg && pg->session != self->pgrp->session)
		return -EPERM;
	if (pg == p->pgrp)
		return 0;
	if (!pg) {
		pg = *fresh;
		*fresh = NULL;
		pgrp_publish_locked(pg, p->pgrp->session, pgid);
	}
	*dead = pgrp_leave_locked(p);
	pgrp_join_locked(pg, p);
	return 0;
}

int process_setpgid(int pid, int pgid)
{
	struct pgrp_dead dead = {NULL, NULL};
	struct pgrp *fresh;
	irqflags_t flags;
	int err;

	if (pgid < 0)
		return -EINVAL;
	if (pid == 0)
		pid = process_current()->node.nr;
	if (pgid == 0)
		pgid = pid;
	fresh = kzalloc(sizeof(*fresh), 0);
	if (!fresh)
		return -ENOMEM;
	flags = pids_lock();
	err = setpgid_locked(pid, pgid, &fresh, &dead);
	pids_unlock(flags);
	kfree(fresh);
	pgrp_dead_free(dead);
	return err;
}

/* New session and group for p, which is in none or not a group leader. => pid_lock held */
static int setsid_locked(
	struct process *p, struct session *s, struct pgrp *pg, struct pgrp_dead *dead)
{
	int nr = p->node.nr;

	if (pgrp_find_locked(nr) || session_find_locked(nr))
		return -EPERM;
	s->groups = 0;
	s->tty = NULL;
	pid_insert_locked(&s->node, nr, PID_SESSION);
	pgrp_publish_locked(pg, s, nr);
	if (p->pgrp)
		*dead = pgrp_leave_locked(p);
	pgrp_join_locked(pg, p);
	return nr;
}

int process_new_session(struct process *p)
{
	struct pgrp_dead dead = {NULL, NULL};
	struct session *s = kzalloc(sizeof(*s), 0);
	struct pgrp *pg = kzalloc(sizeof(*pg), 0);
	irqflags_t flags;
	int err = -ENOMEM;

	if (!s || !pg)
		goto out_free;
	flags = pids_lock();
	err = setsid_locked(p, s, pg, &dead);
	pids_unlock(flags);
	pgrp_dead_free(dead);
	if (err > 0)
		return err;
out_free:
	kfree(pg);
	kfree(s);
	return err;
}

int process_setsid(void)
{
	return process_new_session(process_current());
}

static int process_group_or_session(int pid, bool session)
{
	irqflags_t flags = pids_lock();
	struct pid_node *n;
	struct process *p;
	int nr = -ESRCH;

	if (pid == 0) {
		p = process_current();
	} else {
		n = pid_find_locked(pid, PID_PROCESS);
		p = n ? container_of(n, struct process, node) : NULL;
	}
	if (p && p->pgrp)
		nr = session ? p->pgrp->session->node.nr : p->pgrp->node.nr;
	pids_unlock(flags);
	return nr;
}

int process_getpgid(int pid)
{
	return process_group_or_session(pid, false);
}

int process_getsid(int pid)
{
	return process_group_or_session(pid, true);
}

bool pgrp_ties_locked(const struct process *parent, const struct pgrp *pg)
{
	return parent && !parent->is_init && pg && parent->pgrp && parent->pgrp != pg &&
	       parent->pgrp->session == pg->session;
}

bool pgrp_orphaned_locked(struct pgrp *pg, const struct process *ignore)
{
	struct process *p;

	list_for_each_entry (p, &pg->members, pgrp_link) {
		if (p != ignore && READ_ONCE(p->state) == PROCESS_ALIVE &&
			pgrp_ties_locked(p->parent, pg))
			return false;
	}
	return true;
}

static bool pgrp_has_stopped_locked(struct pgrp *pg)
{
	struct process *p;

	list_for_each_entry (p, &pg->members, pgrp_link) {
		if (READ_ONCE(p->group_stop))
			return true;
	}
	return false;
}

static void pgrp_signal_locked(struct pgrp *pg, int sig)
{
	struct process *p;

	list_for_each_entry (p, &pg->members, pgrp_link)
		signal_post_kernel(p, sig);
}

/*
 * `leaver` ends or changes its parent: if that made its group (or, by `child_of`, a child's group)
 * an orphaned one with stopped members, these would never be continued: SIGHUP and SIGCONT.
 * => pid_lock held
 */
void pgrp_check_orphaned_locked(struct pgrp *pg, const struct process *leaver)
{
	if (!pg || !pgrp_orphaned_locked(pg, leaver) || !pgrp_has_stopped_locked(pg))
		return;
	pgrp_signal_locked(pg, SIGHUP);
	pgrp_signal_locked(pg, SIGCONT);
}

/* What terminals ask. Any context: pid_lock is an interrupt-safe spinning lock. */
static void tty_signal_pgrp(int nr, int sig)
{
	irqflags_t flags = pids_lock();
	struct pgrp *pg = pgrp_find_locked(nr);

	if (pg)
		pgrp_signal_locked(pg, sig);
	pids_unlock(flags);
}

static int tty_current_pgrp(void)
{
	return process_current() ? process_getpgid(0) : 0;
}

static int tty_current_sid(void)
{
	return process_current() ? process_getsid(0) : 0;
}

static bool tty_current_is_leader(void)
{
	return process_current() && process_getsid(0) == process_current()->node.nr;
}

static bool tty_signal_ignored(int sig)
{
	return process_current() && signal_is_ignored(task_current(), sig);
}

static bool tty_pgrp_orphaned(int nr)
{
	irqflags_t flags = pids_lock();
	struct pgrp *pg = pgrp_find_locked(nr);
	bool orphaned = !pg || pgrp_orphaned_locked(pg, NULL);

	pids_unlock(flags);
	return orphaned;
}

static bool tty_pgrp_in_session(int nr, int sid)
{
	irqflags_t flags = pids_lock();
	struct pgrp *pg = pgrp_find_locked(nr);
	bool in = pg && pg->session->node.nr == sid;

	pids_unlock(flags);
	return in;
}

struct tty *process_tty(struct process *p)
{
	irqflags_t flags = pids_lock();
	struct tty *tty = p->pgrp ? p->pgrp->session->tty : NULL;

	pids_unlock(flags);
	return tty;
}

static struct tty *tty_current(void)
{
	return process_current() ? process_tty(process_current()) : NULL;
}

void process_session_set_tty(int sid, struct tty *tty)
{
	irqflags_t flags = pids_lock();
	struct session *s = session_find_locked(sid);

	if (s)
		s->tty = tty;
	pids_unlock(flags);
}

static const struct tty_jobctl_ops jobctl_ops = {
	.signal_pgrp = tty_signal_pgrp,
	.current_pgrp = tty_current_pgrp,
	.current_sid = tty_current_sid,
	.current_is_leader = tty_current_is_leader,
	.signal_ignored = tty_signal_ignored,
	.pgrp_orphaned = tty_pgrp_orphaned,
	.pgrp_in_session = tty_pgrp_in_session,
	.current_tty = tty_current,
	.set_tty = process_session_set_tty,
};

void jobctl_init(void)
{
	tty_set_jobctl(&jobctl_ops);
}
