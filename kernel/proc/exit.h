/* Ending threads and processes, and telling the parent. */
#ifndef PROC_EXIT_H
#define PROC_EXIT_H

#include "proc/process.h"

/* End the current thread; the last one ends the process with `status` (wait4's form), unless a
 * group exit set another. => no lock held */
__noreturn void task_exit(int status);
/* exit_group(2): all threads. */
__noreturn void process_exit(int status);
/* Tell the parent that p stopped or goes on: CLD_STOPPED, CLD_CONTINUED. May sleep. */
void process_tell_stopped(struct process *p, int why);
/* Words in user memory that the kernel owes: robust futexes, clear_child_tid. => the task's context
 * is loaded; also called by exec for the old image */
void task_release_memory_words(struct task *task);
/* The child has memory of its own, or is gone: let the parent of vfork go on. */
void process_vfork_done(struct process *p);
/* siginfo of a child's change of state: for SIGCHLD and waitid(2). */
void process_child_info(struct process *p, int why, int status, struct abi_siginfo *info);
/* Take a zombie out of the family and the tables. => process_tree held. The caller puts the
 * reference that the table held after unlock. */
void process_reap_locked(struct process *p);

#endif
