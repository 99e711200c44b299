/*
 * Signals: sending (signal.c), taking and delivering (signal_deliver.c), the calls that ask and set
 * (signal_calls.c).
 */
#ifndef PROC_SIGNAL_H
#define PROC_SIGNAL_H

#include "proc/process.h"

#define SIG_KERNEL_STOP	  (SIGBIT(SIGSTOP) | SIGBIT(SIGTSTP) | SIGBIT(SIGTTIN) | SIGBIT(SIGTTOU))
#define SIG_KERNEL_IGNORE (SIGBIT(SIGCHLD) | SIGBIT(SIGCONT) | SIGBIT(SIGURG) | SIGBIT(SIGWINCH))
#define SIG_UNBLOCKABLE	  (SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))
/* Faults are taken before others, so that a handler's frame shows the instruction that faulted. */
#define SIG_SYNCHRONOUS                                                                         \
	(SIGBIT(SIGSEGV) | SIGBIT(SIGBUS) | SIGBIT(SIGILL) | SIGBIT(SIGTRAP) | SIGBIT(SIGFPE) | \
		SIGBIT(SIGSYS))

static inline bool signal_valid(int sig)
{
	return sig >= 1 && sig <= NSIG;
}

/* The bytes of a siginfo that mean something: the rest is zero in the frame. */
#define SIGINFO_USED 48

static inline void siginfo_clear(struct abi_siginfo *info)
{
	__builtin_memset(info, 0, SIGINFO_USED);
}

static inline void siginfo_copy(struct abi_siginfo *to, const struct abi_siginfo *from)
{
	__builtin_memcpy(to, from, SIGINFO_USED);
}

/* Before it leaves the kernel: nothing of the stack goes with it. */
static inline void siginfo_finish(struct abi_siginfo *info)
{
	__builtin_memset((uint8_t *)info + SIGINFO_USED, 0, sizeof(*info) - SIGINFO_USED);
}

void signal_init(void);
/*
 * An entry that counts for process `to` until it is freed. NULL: no memory, or RLIMIT_SIGPENDING.
 */
struct sigqueue *sigqueue_alloc(struct process *to);
void sigqueue_free(struct process *of, struct sigqueue *sq);
/* One entry passes from the account of one process to another's. */
void sigqueue_change_owner(struct process *from, struct process *to);
/*
 * The same in two steps, for a target that is found under a lock: an entry with info in it (NULL:
 * no memory), and the counting. charge is false at the limit.
 */
struct sigqueue *sigqueue_make(const struct abi_siginfo *info);
void sigqueue_drop(struct sigqueue *sq);
bool sigqueue_charge(struct process *to);
void sigqueue_uncharge(struct process *of);

/*
 * Make a signal pending for task (NULL: for whichever thread of p takes it). sq carries the
 * siginfo; without one it is SI_KERNEL. True: sq was taken over; false: not needed (ignored,
 * pending already). Never fails. => p->lock held; any context
 */
bool signal_post_locked(struct process *p, struct task *task, int sig, struct sigqueue *sq);
/* With locking, and without siginfo. Any context; pid_lock may be held. */
void signal_post_kernel(struct process *p, int sig);
/* With siginfo. 0, or -EAGAIN when a real-time signal of sigqueue(3) finds no room. => no spinning
 * lock held. */
int signal_post_info(struct process *p, struct task *task, const struct abi_siginfo *info);
/* A fault of the current thread: if blocked or ignored, the default action comes back first. */
void signal_force(struct task *task, const struct abi_siginfo *info);
/* Would the signal, forced, end the task: has it no handler that may run? A hint. */
bool signal_is_unhandled(const struct task *task, int sig);
void signal_force_kernel(struct task *task, int sig);
/* The same with the default action, whatever the action is: no frame could be built for it. */
void signal_force_default(struct task *task, int sig);
/* SIGPIPE and SIGXFSZ: to the current thread. */
void signal_self(int sig);
/* Every thread of p ends with that status. => p->lock held */
void signal_group_exit_locked(struct process *p, int status);
/* Blocked or SIG_IGN for the task. */
bool signal_is_ignored(struct task *task, int sig);

/* kill(2), tgkill(2) and tkill(2) (tgid 0), rt_sigqueueinfo, rt_tgsigqueueinfo. */
int signal_kill(int pid, int sig);
int signal_tgkill(int tgid, int tid, int sig);
int signal_queue(int tgid, int tid, const struct abi_siginfo *info);

/* Set or clear THREAD_SIGPENDING as the pending sets say. => p->lock held */
void signal_recalc_locked(struct task *task);
/*
 * Shared pending signals of `sigs` that this task will not take any more: wake one that will.
 * => p->lock
 */
void signal_retarget_locked(struct task *task, sigset_k sigs);
/* Take one signal of the set: number and *info, or 0. Entries go to *dead. => p->lock held */
int signal_dequeue_locked(
	struct task *task, sigset_k set, struct abi_siginfo *info, struct sigqueue **dead);
/* Forget pending signals of the set. Entries go to the stale list. => p->lock held */
void signal_flush_locked(struct process *p, sigset_k set);
/* Free the queue entries of a task or process that ends, and stale ones. => no lock held */
void signal_discard(struct process *p, struct sigpending *pending);
void signal_free_stale(struct process *p);

/* signal_deliver.c */
void signal_set_blocked(struct task *task, sigset_k set);
/* The task dies of it or goes on in its handler; called on the way to user space. */
void signal_deliver(struct task *task, struct user_regs *regs);
long signal_return(struct user_regs *regs);

/* signal_calls.c; kernel memory only. */
int signal_action(int sig, const struct abi_sigaction *act, struct abi_sigaction *old);
int signal_procmask(int how, const sigset_k *set, sigset_k *old);
sigset_k signal_pending_set(void);
long signal_suspend(sigset_k mask);
long signal_pause(void);
long signal_timedwait(sigset_k set, struct abi_siginfo *info, uint64_t deadline_ns);
int signal_altstack(const struct abi_stack *ss, struct abi_stack *old, uaddr_t sp);
/* exec: handlers go back to the default, ignored ones stay; no alternate stack. */
void signal_exec_reset(struct process *p, struct task *task);
/* For ppoll, pselect: wait with another mask; the old one comes back after the call or after the
 * handler's frame was built. */
void signal_mask_for_call(sigset_k mask);
/* The call is over: interrupted keeps the old mask for the signal frame. */
void signal_mask_after_call(bool interrupted);

#endif
