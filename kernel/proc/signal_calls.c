/*
 * The calls that ask and set: actions, masks, waiting for signals, alternate stacks. Arguments are
 * kernel memory here; kernel/sys copies.
 */
#include "lib/assert.h"
#include "lib/string.h"
#include "proc/signal.h"

int signal_action(int sig, const struct abi_sigaction *act, struct abi_sigaction *old)
{
	struct process *p = process_current();
	struct abi_sigaction *slot;
	irqflags_t flags;

	if (!signal_valid(sig) || (act && (SIGBIT(sig) & SIG_UNBLOCKABLE)))
		return -EINVAL;
	slot = &p->actions->act[sig - 1];
	flags = process_lock(p);
	spin_lock(&p->actions->lock);
	if (old)
		*old = *slot;
	if (act) {
		*slot = *act;
		slot->mask &= ~SIG_UNBLOCKABLE;
		/* Unknown bits read back as zero: that is how programs probe for them. */
		slot->flags &= SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_RESTORER | SA_ONSTACK |
			       SA_RESTART | SA_NODEFER | SA_RESETHAND;
	}
	spin_unlock(&p->actions->lock);
	/* POSIX: what is ignored from now on is no longer pending. */
	if (act && (act->handler == SIG_IGN ||
			   (act->handler == SIG_DFL && (SIGBIT(sig) & SIG_KERNEL_IGNORE))))
		signal_flush_locked(p, SIGBIT(sig));
	process_unlock(p, flags);
	signal_free_stale(p);
	return 0;
}

int signal_procmask(int how, const sigset_k *set, sigset_k *old)
{
	struct task *task = task_current();

	if (old)
		*old = task->blocked;
	if (!set)
		return 0;
	switch (how) {
	case SIG_BLOCK:
		signal_set_blocked(task, task->blocked | *set);
		return 0;
	case SIG_UNBLOCK:
		signal_set_blocked(task, task->blocked & ~*set);
		return 0;
	case SIG_SETMASK:
		signal_set_blocked(task, *set);
		return 0;
	}
	return -EINVAL;
}

sigset_k signal_pending_set(void)
{
	struct task *task = task_current();
	irqflags_t flags = process_lock(task->process);
	sigset_k set = (task->pending.set | task->process->pending.set) & task->blocked;

	process_unlock(task->process, flags);
	return set;
}

/* Sleep until a signal wants delivery. */
static int wait_for_signal(uint64_t deadline_ns)
{
	struct waitqueue nobody;

	waitqueue_init(&nobody);
	return wait_event_mode(&nobody, false, WAIT_INTERRUPTIBLE, deadline_ns);
}

long signal_pause(void)
{
	(void)wait_for_signal(WAIT_FOREVER);
	return -ERESTARTNOHAND;
}

long signal_suspend(sigset_k mask)
{
	signal_mask_for_call(mask);
	(void)wait_for_signal(WAIT_FOREVER);
	signal_mask_after_call(true);
	return -ERESTARTNOHAND;
}

void signal_mask_for_call(sigset_k mask)
{
	struct task *task = task_current();

	task->saved_mask = task->blocked;
	signal_set_blocked(task, mask);
}

void signal_mask_after_call(bool interrupted)
{
	struct task *task = task_current();

	if (interrupted) {
		/* The way to user space delivers, or puts the mask back when it was in vain. */
		task->restore_mask = true;
		thread_set_flags(task->thread, THREAD_SIGPENDING);
	} else {
		signal_set_blocked(task, task->saved_mask);
	}
}

/* Take a signal of the set; when there is none, tell senders that we wait (or wait no longer). */
static int timedwait_try(struct task *task, sigset_k set, bool wait, struct abi_siginfo *info)
{
	struct process *p = task->process;
	struct sigqueue *dead = NULL;
	irqflags_t flags = process_lock(p);
	int sig = signal_dequeue_locked(task, set, info, &dead);

	task->waiting_for = wait && !sig ? set : 0;
	signal_recalc_locked(task);
	process_unlock(p, flags);
	sigqueue_free(p, dead);
	return sig;
}

long signal_timedwait(sigset_k set, struct abi_siginfo *info, uint64_t deadline_ns)
{
	struct task *task = task_current();
	int sig, err;

	set &= ~SIG_UNBLOCKABLE;
	sig = timedwait_try(task, set, true, info);
	if (sig)
		return sig;
	err = wait_for_signal(deadline_ns);
	sig = timedwait_try(task, set, false, info);
	if (sig)
		return sig;
	return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
}

int signal_altstack(const struct abi_stack *ss, struct abi_stack *old, uaddr_t sp)
{
	struct task *task = task_current();
	bool on = !(task->altstack_flags & SS_AUTODISARM) && task->altstack_size &&
		  sp > task->altstack_sp && sp - task->altstack_sp <= task->altstack_size;
	unsigned flags, mode;

	if (old) {
		memset(old, 0, sizeof(*old));
		old->ss_sp = task->altstack_sp;
		old->ss_size = task->altstack_size;
		old->ss_flags =
			(int32_t)((task->altstack_size ? (on ? SS_ONSTACK : 0) : SS_DISABLE) |
				  task->altstack_flags);
	}
	if (!ss)
		return 0;
	if (on)
		return -EPERM;
	flags = (unsigned)ss->ss_flags;
	mode = flags & ~SS_AUTODISARM;
	if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		task->altstack_sp = 0;
		task->altstack_size = 0;
		task->altstack_flags = 0;
		return 0;
	}
	if (ss->ss_size < MINSIGSTKSZ)
		return -ENOMEM;
	task->altstack_sp = ss->ss_sp;
	task->altstack_size = ss->ss_size;
	task->altstack_flags = flags & SS_AUTODISARM;
	return 0;
}

void signal_exec_reset(struct process *p, struct task *task)
{
	irqflags_t flags = process_lock(p);

	spin_lock(&p->actions->lock);
	for (int i = 0; i < NSIG; i++) {
		struct abi_sigaction *act = &p->actions->act[i];

		if (act->handler != SIG_IGN)
			WRITE_ONCE(act->handler, SIG_DFL);
		act->flags = 0;
		act->restorer = 0;
		act->mask = 0;
	}
	spin_unlock(&p->actions->lock);
	process_unlock(p, flags);
	task->altstack_sp = 0;
	task->altstack_size = 0;
	task->altstack_flags = 0;
	task->restart.fn = NULL;
}
