/* Process groups, sessions and terminals: the part that is not in pid.h. */
#ifndef PROC_JOBCTL_H
#define PROC_JOBCTL_H

#include "lib/base.h"

struct process;
struct pgrp;
struct tty;

/* Register with the terminals. */
void jobctl_init(void);
/* p becomes leader of a session and group of its number: the number, -EPERM, -ENOMEM. */
int __must_check process_new_session(struct process *p);
/* The controlling terminal, or NULL. */
struct tty *process_tty(struct process *p);
/*
 * What the controlling terminal of a session is from now on (NULL: none); of no session: nothing.
 */
void process_session_set_tty(int sid, struct tty *tty);
/* `leaver` is about to leave pg, or to change its parent. => pid_lock held */
void pgrp_check_orphaned_locked(struct pgrp *pg, const struct process *leaver);

#endif
