/*
 * The one name space of numbers: threads, processes, process groups and sessions. A number is in
 * use as long as any of the four exists under it. Look-up is a walk of one hash chain.
 *
 * Everything here is guarded by pid_lock (rank 92, interrupts off): the table, the members of a
 * group, the groups of a session. What a look-up returns is stable while the lock is held.
 */
#ifndef PROC_PID_H
#define PROC_PID_H

#include "lib/list.h"
#include "sync/spinlock.h"

#define PID_MAX_DEFAULT 32768
#define PID_MAX_LIMIT	4194304

enum pid_kind { PID_TASK, PID_PROCESS, PID_GROUP, PID_SESSION };

/* Embedded in what has a number. */
struct pid_node {
	struct pid_node *next; /* hash chain */
	int nr;		       /* 0: not in the table */
	enum pid_kind kind;
};

struct tty;

struct session {
	struct pid_node node;
	uint32_t groups; /* the session lives as long as it has one */
	struct tty *tty; /* controlling terminal, or NULL */
};

struct pgrp {
	struct pid_node node;
	struct session *session;
	struct list members; /* struct process.pgrp_link, zombies too */
	uint64_t oom_score;  /* sum of its members in the oom thread's round ... */
	uint64_t oom_round;  /* ... of this number */
};

extern struct spinlock pid_lock;

static inline irqflags_t pids_lock(void)
{
	return spin_lock_irqsave(&pid_lock);
}

static inline void pids_unlock(irqflags_t flags)
{
	spin_unlock_irqrestore(&pid_lock, flags);
}

/* => all: pid_lock held */
/* A number that nobody uses, in turn; 0: all are taken. */
int pid_pick_locked(void);
void pid_insert_locked(struct pid_node *n, int nr, enum pid_kind kind);
void pid_remove_locked(struct pid_node *n);
struct pid_node *pid_find_locked(int nr, enum pid_kind kind);
/* The lowest number > after of that kind, or 0: for listing /proc. Walks the whole table. */
int pid_next_locked(int after, enum pid_kind kind);

/* The number that was given out last, for /proc/loadavg. */
int pid_last(void);
int pid_max(void);
/* 0 or -EINVAL. */
int __must_check pid_set_max(int max);

struct process;

static inline struct pgrp *pgrp_find_locked(int nr)
{
	struct pid_node *n = pid_find_locked(nr, PID_GROUP);

	return n ? container_of(n, struct pgrp, node) : NULL;
}

static inline struct session *session_find_locked(int nr)
{
	struct pid_node *n = pid_find_locked(nr, PID_SESSION);

	return n ? container_of(n, struct session, node) : NULL;
}

/*
 * Put p into the group / take it out. The last member's leaving ends the group, the last group's
 * the session: they are returned for kfree after unlock (either may be NULL).
 */
struct pgrp_dead {
	struct pgrp *pgrp;
	struct session *session;
};
void pgrp_join_locked(struct pgrp *pg, struct process *p);
struct pgrp_dead pgrp_leave_locked(struct process *p);
void pgrp_dead_free(struct pgrp_dead dead);

/* setpgid(2), setsid(2), getpgid(2), getsid(2). */
int __must_check process_setpgid(int pid, int pgid);
int __must_check process_setsid(void);
int process_getpgid(int pid);
int process_getsid(int pid);
/* Does a parent keep the group from being orphaned: is it in another group of the same session? */
bool pgrp_ties_locked(const struct process *parent, const struct pgrp *pg);
/* No member has a parent in another group of the same session (POSIX: orphaned). => pid_lock held.
 * ignore: a process that does not count, or NULL. */
bool pgrp_orphaned_locked(struct pgrp *pg, const struct process *ignore);

#endif
