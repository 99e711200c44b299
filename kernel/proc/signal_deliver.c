/*
 * Taking signals on the way to user space: default actions, stopping and continuing, handlers'
 * frames, restart of interrupted system calls.
 *
 * return_to_user_work() is called with THREAD_SIGPENDING or THREAD_KILLED set, perhaps in vain. The
 * flag is cleared under process.lock before the sets are looked at, and every sender sets it under
 * that lock after it changed a set: none is missed.
 */
#include "abi/syscall.h"
#include "abi/wait.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "proc/exit.h"
#include "proc/jobctl.h"
#include "proc/ptimer.h"
#include "proc/signal.h"
#include "proc/trap.h"
#include "sched/sched.h"
#include "usercopy.h"

static inline void recalc_locked(struct task *task)
{
	const struct process *p = task->process;
	sigset_k set = (task->pending.set | p->pending.set) & ~task->blocked;
	bool want = set || p->group_exit || p->group_stop || p->cont_pending || task->must_die;

	dassert(spin_held(&p->lock));
	if (want == !!(thread_flags(task->thread) & THREAD_SIGPENDING))
		return;
	if (want)
		thread_set_flags(task->thread, THREAD_SIGPENDING);
	else
		thread_clear_flags(task->thread, THREAD_SIGPENDING);
}

void signal_recalc_locked(struct task *task)
{
	recalc_locked(task);
}

void signal_retarget_locked(struct task *task, sigset_k sigs)
{
	struct process *p = task->process;
	struct task *other;

	sigs &= p->pending.set;
	if (!sigs)
		return;
	list_for_each_entry (other, &p->tasks, group_link) {
		if (other == task || !(sigs & ~other->blocked))
			continue;
		thread_set_flags(other->thread, THREAD_SIGPENDING);
		sigs &= other->blocked;
	}
}

/* The entry of sig in the queue, or NULL; *more: there is another one. */
static struct sigqueue *pending_find(struct sigpending *pend, int sig, bool *more)
{
	struct sigqueue *sq, *first = NULL;

	*more = false;
	list_for_each_entry (sq, &pend->queue, link) {
		if (sq->info.si_signo != sig)
			continue;
		if (first) {
			*more = true;
			break;
		}
		first = sq;
	}
	return first;
}

static inline int pending_take(struct process *p, struct sigpending *pend, sigset_k set,
	struct abi_siginfo *info, struct sigqueue **dead)
{
	sigset_k ready = pend->set & set;
	struct sigqueue *sq;
	bool more;
	int sig;

	if (!ready)
		return 0;
	if (ready & SIG_SYNCHRONOUS)
		ready &= SIG_SYNCHRONOUS;
	sig = __builtin_ctzll(ready) + 1;
	sq = pending_find(pend, sig, &more);
	if (!more)
		pend->set &= ~SIGBIT(sig);
	if (sq) {
		list_remove(&sq->link);
		siginfo_copy(info, &sq->info);
		if (unlikely(sq->timer)) {
			list_init(&sq->link);
			ptimer_signal_gone_locked(p, sq, info);
		} else {
			*dead = sq;
		}
	} else {
		siginfo_clear(info);
		info->si_signo = sig;
		info->si_code = SI_KERNEL;
	}
	return sig;
}

int signal_dequeue_locked(
	struct task *task, sigset_k set, struct abi_siginfo *info, struct sigqueue **dead)
{
	struct process *p = task->process;
	int sig = pending_take(p, &task->pending, set, info, dead);

	return sig ? sig : pending_take(p, &p->pending, set, info, dead);
}

void signal_set_blocked(struct task *task, sigset_k set)
{
	struct process *p = task->process;
	irqflags_t flags;

	set &= ~SIG_UNBLOCKABLE;
	if (set == task->blocked)
		return;
	flags = process_lock(p);
	if (unlikely(p->pending.set & set & ~task->blocked))
		signal_retarget_locked(task, set & ~task->blocked);
	task->blocked = set;
	recalc_locked(task);
	process_unlock(p, flags);
}

/*
 * Stand still until SIGCONT or death. The last thread of the group to stop tells the parent. A
 * thread that wakes up late may find a second stop in place of its own, in which it has not been
 * counted. => lock held on entry and exit, dropped in between
 */
static void signal_stop_here(struct task *task, irqflags_t *flags)
{
	struct process *p = task->process;

	while (p->group_stop && !p->group_exit && !task->must_die) {
		bool last = !task->stopped && --p->stopping == 0;

		task->stopped = true;
		thread_clear_flags(task->thread, THREAD_SIGPENDING);
		if (last)
			p->stop_told = true;
		process_unlock(p, *flags);
		if (last)
			process_tell_stopped(p, CLD_STOPPED);
		else
			(void)wait_event_interruptible(&p->stop_wait, !READ_ONCE(p->group_stop));
		*flags = process_lock(p);
	}
	if (!p->group_stop)
		task->stopped = false;
}

static void signal_start_stop_locked(struct process *p, int sig)
{
	struct task *task;

	p->group_stop = true;
	p->stop_signal = sig;
	p->stop_told = false;
	p->stopping = p->nthreads;
	list_for_each_entry (task, &p->tasks, group_link) {
		task->stopped = false;
		thread_set_flags(task->thread, THREAD_SIGPENDING);
	}
}

static bool signal_orphaned(struct process *p)
{
	irqflags_t flags = pids_lock();
	bool orphaned = pgrp_orphaned_locked(p->pgrp, NULL);

	pids_unlock(flags);
	return orphaned;
}

/* SIGTSTP and its like do nothing to an orphaned group. A SIGCONT that comes while we look wins: it
 * set group_stop's counterpart before, so look at it again. => lock held, may be dropped between */
static void signal_default_stop(struct task *task, int sig, irqflags_t *flags)
{
	struct process *p = task->process;

	if (sig != SIGSTOP) {
		bool orphaned;

		process_unlock(p, *flags);
		orphaned = signal_orphaned(p);
		*flags = process_lock(p);
		if (orphaned || (p->pending.set & SIGBIT(SIGCONT)) || p->cont_pending)
			return;
	}
	if (!p->group_stop && !p->group_exit)
		signal_start_stop_locked(p, sig);
}

struct signal_taken {
	int sig;
	sigset_k oldmask; /* what sigreturn brings back */
	struct abi_siginfo info;
	struct abi_sigaction act;
};

/* The action of sig, which becomes the default again with SA_RESETHAND. */
static void signal_take_action(struct process *p, int sig, struct abi_sigaction *out)
{
	struct abi_sigaction *act = &p->actions->act[sig - 1];

	spin_lock(&p->actions->lock);
	*out = *act;
	if ((act->flags & SA_RESETHAND) && act->handler > SIG_IGN)
		WRITE_ONCE(act->handler, SIG_DFL);
	spin_unlock(&p->actions->lock);
}

/* The mask while the handler of s runs. => p->lock held */
static void signal_block_for_handler(struct task *task, struct signal_taken *s)
{
	sigset_k mask = task->blocked | s->act.mask;

	s->oldmask = task->restore_mask ? task->saved_mask : task->blocked;
	task->restore_mask = false;
	if (!(s->act.flags & SA_NODEFER))
		mask |= SIGBIT(s->sig);
	if (unlikely(task->process->pending.set & mask & ~task->blocked))
		signal_retarget_locked(task, mask & ~task->blocked);
	task->blocked = mask;
}

/*
 * Find the next signal that has a handler, doing the default actions of those before it. False:
 * none is left; true: the handler's mask is in force. Does not return when the task is to end.
 */
static bool signal_take(struct task *task, struct signal_taken *out)
{
	struct process *p = task->process;
	struct sigqueue *dead = NULL;
	irqflags_t flags = process_lock(p);

	for (;;) {
		thread_clear_flags(task->thread, THREAD_SIGPENDING);
		if (unlikely(p->group_exit || task->must_die)) {
			process_unlock(p, flags);
			task_exit(p->group_exit ? p->exit_status : 0);
		}
		if (unlikely(p->cont_pending)) {
			p->cont_pending = false;
			process_unlock(p, flags);
			process_tell_stopped(p, CLD_CONTINUED);
			flags = process_lock(p);
			continue;
		}
		if (unlikely(p->group_stop)) {
			signal_stop_here(task, &flags);
			continue;
		}
		out->sig = signal_dequeue_locked(task, ~task->blocked, &out->info, &dead);
		if (!out->sig)
			break;
		signal_take_action(p, out->sig, &out->act);
		if (likely(out->act.handler > SIG_IGN)) {
			signal_block_for_handler(task, out);
			break;
		}
		if (dead) {
			process_unlock(p, flags);
			sigqueue_free(p, dead);
			dead = NULL;
			flags = process_lock(p);
		}
		if (out->act.handler == SIG_IGN || (SIGBIT(out->sig) & SIG_KERNEL_IGNORE))
			continue;
		if (SIGBIT(out->sig) & SIG_KERNEL_STOP)
			signal_default_stop(task, out->sig, &flags);
		else if (!p->is_init)
			signal_group_exit_locked(p, WSTATUS_KILLED(out->sig));
	}
	recalc_locked(task);
	process_unlock(p, flags);
	sigqueue_free(p, dead);
	return out->sig != 0;
}

/* A call that a signal cut short: with a handler, go on or fail by the action's flags. */
static void restart_before_handler(struct user_regs *regs, uint64_t sa_flags)
{
	uint64_t nr = regs_syscall_nr(regs);

	if (nr == UINT64_MAX)
		return;
	switch (regs_result(regs)) {
	case -ERESTARTSYS:
		if (sa_flags & SA_RESTART)
			regs_restart_syscall(regs, nr);
		else
			regs_set_result(regs, -EINTR);
		break;
	case -ERESTARTNOINTR:
		regs_restart_syscall(regs, nr);
		break;
	case -ERESTARTNOHAND:
	case -ERESTART_RESTARTBLOCK:
		regs_set_result(regs, -EINTR);
		break;
	}
}

static void restart_without_handler(struct user_regs *regs)
{
	uint64_t nr = regs_syscall_nr(regs);

	if (nr == UINT64_MAX)
		return;
	switch (regs_result(regs)) {
	case -ERESTARTSYS:
	case -ERESTARTNOINTR:
	case -ERESTARTNOHAND:
		regs_restart_syscall(regs, nr);
		break;
	case -ERESTART_RESTARTBLOCK:
		regs_restart_syscall(regs, SYS_restart_syscall);
		break;
	}
}

static bool on_altstack(const struct task *task, uaddr_t sp)
{
	return !(task->altstack_flags & SS_AUTODISARM) && task->altstack_size &&
	       sp > task->altstack_sp && sp - task->altstack_sp <= task->altstack_size;
}

static int altstack_flags(const struct task *task, uaddr_t sp)
{
	if (!task->altstack_size)
		return SS_DISABLE;
	return (on_altstack(task, sp) ? SS_ONSTACK : 0) | (int)task->altstack_flags;
}

static void signal_enter_handler(struct task *task, struct user_regs *regs, struct signal_taken *s)
{
	uaddr_t sp = regs_sp(regs);
	bool fault = SIGBIT(s->sig) & SIG_SYNCHRONOUS;
	struct signal_delivery d; /* field by field: cheaper than to clear it first */

	d.signo = s->sig;
	d.handler = s->act.handler;
	d.restorer = s->act.restorer;
	d.siginfo = s->act.flags & SA_SIGINFO;
	d.oldmask = s->oldmask;
	d.info = &s->info;
	d.on_altstack =
		(s->act.flags & SA_ONSTACK) && task->altstack_size && !on_altstack(task, sp);
	d.ss_sp = task->altstack_sp;
	d.ss_size = task->altstack_size;
	d.ss_flags = altstack_flags(task, sp);
	d.trapno = fault ? task->trapno : 0;
	d.cr2 = fault ? task->fault_addr : 0;
	if (d.siginfo)
		siginfo_finish(&s->info);
	/* Without SA_RESTORER there is nowhere to return to: no frame, as on Linux. */
	if (!(s->act.flags & SA_RESTORER) || signal_frame_push(regs, &d)) {
		signal_set_blocked(task, s->oldmask);
		if (s->sig == SIGSEGV)
			signal_force_default(task, SIGSEGV);
		else
			signal_force_kernel(task, SIGSEGV);
		return;
	}
	if (task->altstack_flags & SS_AUTODISARM) {
		task->altstack_size = 0;
		task->altstack_sp = 0;
		task->altstack_flags = 0;
	}
}

void signal_deliver(struct task *task, struct user_regs *regs)
{
	struct signal_taken s;

	if (signal_take(task, &s)) {
		restart_before_handler(regs, s.act.flags);
		signal_enter_handler(task, regs, &s);
	} else {
		restart_without_handler(regs);
		if (task->restore_mask) {
			task->restore_mask = false;
			signal_set_blocked(task, task->saved_mask);
		}
	}
	if (unlikely(!list_empty(&task->process->stale)))
		signal_free_stale(task->process);
}

void return_to_user_work(struct user_regs *regs)
{
	struct task *task = task_current();

	cond_resched();
	if (unlikely(!task))
		return;
	if (unlikely(task->set_child_tid)) {
		/* First return of a new thread: an unwritable word is its own loss, as on Linux. */
		uaddr_t addr = task->set_child_tid;

		task->set_child_tid = 0;
		if (user_store_u32(addr, (uint32_t)task->node.nr))
			addr = 0;
	}
	if (thread_flags(task->thread) & (THREAD_SIGPENDING | THREAD_KILLED))
		signal_deliver(task, regs);
}

/* rt_sigreturn(2): back to where the frame says. The result is the register that it restored. */
long signal_return(struct user_regs *regs)
{
	struct task *task = task_current();
	struct signal_restore r;

	if (signal_frame_pop(regs, &r)) {
		signal_force_kernel(task, SIGSEGV);
		return 0;
	}
	signal_set_blocked(task, r.mask);
	if (r.ss_flags & SS_DISABLE) {
		task->altstack_size = 0;
	} else if (r.ss_size >= MINSIGSTKSZ && !on_altstack(task, regs_sp(regs))) {
		task->altstack_sp = r.ss_sp;
		task->altstack_size = r.ss_size;
		task->altstack_flags = (uint32_t)r.ss_flags & SS_AUTODISARM;
	}
	return regs_result(regs);
}
