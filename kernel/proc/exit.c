/*
 * The end of threads and processes. A thread gives back what is its own; the last one also gives
 * back the address space, orphans the children and leaves a zombie, and only then tells the parent:
 * a parent that has waited finds the memory free.
 */
#include "proc/exit.h"

#include "abi/wait.h"
#include "dev/tty.h"
#include "fs/fdtable.h"
#include "fs/path.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/context.h"
#include "panic.h"
#include "proc/futex.h"
#include "proc/itimer.h"
#include "proc/ptimer.h"
#include "proc/jobctl.h"
#include "proc/signal.h"
#include "sched/clock.h"
#include "usercopy.h"

#define NSEC_PER_TICK (NSEC_PER_SEC / CLK_TCK)

void process_child_info(struct process *p, int why, int status, struct abi_siginfo *info)
{
	struct process_usage u;

	process_usage(p, &u);
	siginfo_clear(info);
	info->si_signo = SIGCHLD;
	info->si_code = why;
	info->u.chld.pid = p->node.nr;
	info->u.chld.status = status;
	info->u.chld.utime = (int64_t)(u.user_ns / NSEC_PER_TICK);
	info->u.chld.stime = (int64_t)(u.system_ns / NSEC_PER_TICK);
}

static struct abi_sigaction parent_action(struct process *parent, int sig)
{
	struct abi_sigaction act;
	irqflags_t flags = process_lock(parent);

	spin_lock(&parent->actions->lock);
	act = parent->actions->act[sig - 1];
	spin_unlock(&parent->actions->lock);
	process_unlock(parent, flags);
	return act;
}

/* Something that wait4 of the parent reports. The count makes the wait's condition: it cannot look
 * at the children itself, which needs a sleeping lock. */
static void process_child_event(struct process *parent)
{
	__atomic_fetch_add(&parent->child_events, 1, __ATOMIC_RELEASE);
	wake_all(&parent->child_wait);
}

void process_tell_stopped(struct process *p, int why)
{
	struct process *parent;
	struct abi_siginfo info;
	struct abi_sigaction act;
	int status = why == CLD_STOPPED ? p->stop_signal : SIGCONT;

	mutex_lock(&process_tree);
	p->stop_report = why == CLD_STOPPED;
	p->cont_report = why == CLD_CONTINUED;
	parent = p->parent;
	if (parent) {
		act = parent_action(parent, SIGCHLD);
		if (act.handler != SIG_IGN && !(act.flags & SA_NOCLDSTOP)) {
			process_child_info(p, why, status, &info);
			(void)signal_post_info(parent, NULL, &info);
		}
		process_child_event(parent);
	}
	mutex_unlock(&process_tree);
}

void process_vfork_done(struct process *p)
{
	if (likely(!LOAD_ACQUIRE(p->vfork_pending)))
		return;
	STORE_RELEASE(p->vfork_pending, false);
	wake_all(&p->vfork_wait);
}

void task_release_memory_words(struct task *task)
{
	uaddr_t addr = task->clear_child_tid;

	if (task->robust_list) {
		futex_release_robust(task);
		task->robust_list = 0;
	}
	if (!addr)
		return;
	task->clear_child_tid = 0;
	/* Only somebody who shares the memory can wait for it. */
	if (__atomic_load_n(&task->process->ctx->refs, __ATOMIC_RELAXED) > 1 ||
		task->process->nthreads > 1) {
		if (!user_store_u32(addr, 0))
			(void)futex_wake(addr, true, 1, UINT32_MAX);
	}
}

/* The exit state that wait4 and SIGCHLD tell. */
static int exit_why(int status)
{
	return WSTATUS_IS_EXITED(status) ? CLD_EXITED : CLD_KILLED;
}

static int exit_code(int status)
{
	return WSTATUS_IS_EXITED(status) ? (status >> 8) & 0xff : status & 0x7f;
}

/*
 * The parent of a zombie: SIGCHLD, or nothing when it said that it does not care (SIG_IGN or
 * SA_NOCLDWAIT), in which case the child vanishes. True: it vanishes. => process_tree held
 */
static bool exit_tell_parent(struct process *p)
{
	struct process *parent = p->parent;
	struct abi_sigaction act;
	struct abi_siginfo info;
	bool vanish = false;
	int sig = p->exit_signal;

	if (sig == SIGCHLD) {
		act = parent_action(parent, SIGCHLD);
		if (act.handler == SIG_IGN || (act.flags & SA_NOCLDWAIT))
			vanish = true;
		if (act.handler == SIG_IGN)
			sig = 0;
	}
	if (sig) {
		process_child_info(p, exit_why(p->exit_status), exit_code(p->exit_status), &info);
		info.si_signo = sig;
		(void)signal_post_info(parent, NULL, &info);
	}
	return vanish;
}

void process_reap_locked(struct process *p)
{
	struct process *parent = p->parent;
	struct pgrp_dead dead;
	struct process_usage u;
	irqflags_t flags;

	assert(mutex_held(&process_tree));
	process_usage(p, &u);
	process_usage_add(&parent->dead_children, &u);
	process_usage_add(&parent->dead_children, &p->dead_children);
	list_remove(&p->sibling);
	p->state = PROCESS_DEAD;
	flags = pids_lock();
	dead = pgrp_leave_locked(p);
	pid_remove_locked(&p->node);
	p->parent = NULL;
	WRITE_ONCE(p->ppid, 0);
	pids_unlock(flags);
	pgrp_dead_free(dead);
}

/* Who adopts: the nearest living ancestor that asked for it (PR_SET_CHILD_SUBREAPER), else init. */
static struct process *exit_find_reaper(struct process *p)
{
	struct process *a = p->parent;

	while (a && !a->is_init && !(a->subreaper && a->state == PROCESS_ALIVE))
		a = a->parent;
	return a;
}

static void exit_reparent(struct process *p, struct list *vanished)
{
	struct process *reaper = exit_find_reaper(p);
	struct process *child, *tmp;
	bool wake = false;

	list_for_each_entry_safe (child, tmp, &p->children, sibling) {
		irqflags_t flags = pids_lock();

		child->parent = reaper;
		WRITE_ONCE(child->ppid, reaper->node.nr);
		if (pgrp_ties_locked(p, child->pgrp))
			pgrp_check_orphaned_locked(child->pgrp, NULL);
		pids_unlock(flags);
		list_remove(&child->sibling);
		list_add_tail(&reaper->children, &child->sibling);
		if (child->pdeath_signal)
			signal_post_kernel(child, child->pdeath_signal);
		child->exit_signal = SIGCHLD;
		if (child->state != PROCESS_ZOMBIE)
			continue;
		wake = true;
		if (exit_tell_parent(child)) {
			process_reap_locked(child);
			list_add_tail(vanished, &child->sibling);
		}
	}
	if (wake)
		process_child_event(reaper);
}

static void exit_leave_session(struct process *p)
{
	struct tty *tty = process_tty(p);
	int sid = process_getsid(p->node.nr);

	if (tty && sid == p->node.nr) {
		tty_session_end(tty, sid);
		process_session_set_tty(sid, NULL);
	}
}

/* The last thread is here: family, state, parent. Everything else was given back. */
static void process_finish(struct process *p)
{
	struct list vanished;
	struct process *parent;
	struct list *l;
	irqflags_t flags;

	list_init(&vanished);
	mutex_lock(&process_tree);
	if (!list_empty(&p->children))
		exit_reparent(p, &vanished);
	parent = p->parent;
	flags = pids_lock();
	/* Only if it was p that kept the group from being orphaned: one that is so already may have
	 * stopped members, and stays as it is. */
	if (pgrp_ties_locked(parent, p->pgrp))
		pgrp_check_orphaned_locked(p->pgrp, p);
	pids_unlock(flags);
	p->state = PROCESS_ZOMBIE;
	if (exit_tell_parent(p)) {
		process_reap_locked(p);
		list_add_tail(&vanished, &p->sibling);
	}
	/* Also when it vanished: a wait4 that is left without children must end with ECHILD. */
	process_child_event(parent);
	while ((l = list_pop(&vanished)))
		process_put(list_entry(l, struct process, sibling));
	mutex_unlock(&process_tree);
}

/* Take the task out of its process; true: it was the last. Its CPU time goes to the process. */
static bool task_leave(struct task *task, int status)
{
	struct process *p = task->process;
	struct thread *t = task->thread;
	bool last, tell_stop = false;
	uint64_t system_ns;
	irqflags_t flags;

	flags = pids_lock();
	pid_remove_locked(&task->node);
	spin_lock(&p->lock);
	list_remove(&task->group_link);
	last = --p->nthreads == 0;
	if (p->main_task == task)
		p->main_task = NULL;
	p->dead_threads.user_ns += thread_cpu_ns(t, &system_ns) - system_ns;
	p->dead_threads.system_ns += system_ns;
	p->dead_threads.nvcsw += READ_ONCE(t->nvcsw);
	p->dead_threads.nivcsw += READ_ONCE(t->nivcsw);
	p->dead_threads.minor += READ_ONCE(t->minor_faults);
	p->dead_threads.major += READ_ONCE(t->major_faults);
	if (last && !p->group_exit) {
		p->group_exit = true;
		p->exit_status = status;
	}
	if (!last) {
		signal_retarget_locked(task, ~0ull);
		if (p->group_stop && !task->stopped && --p->stopping == 0)
			tell_stop = p->stop_told = true;
	}
	spin_unlock(&p->lock);
	pids_unlock(flags);
	if (tell_stop)
		process_tell_stopped(p, CLD_STOPPED);
	return last;
}

/* The address space and program: all threads are gone but this one. */
static void process_release_memory(struct process *p)
{
	struct mm_context *ctx = p->ctx;
	struct file *exe;
	irqflags_t flags;

	flags = process_lock(p);
	p->ctx = NULL;
	exe = p->exe;
	p->exe = NULL;
	process_unlock(p, flags);
	mm_put_context(ctx);
	if (exe)
		exe_put(exe);
}

/* Give back descriptors and directories: not under the lock, they may sleep. */
static void task_release_files(struct task *task)
{
	struct process *p = task->process;
	struct fdtable *files = task->files;
	struct fs_state *fs = task->fs;
	irqflags_t flags = process_lock(p);

	task->files = NULL;
	task->fs = NULL;
	process_unlock(p, flags);
	fdtable_put(files);
	fs_state_put(fs);
}

__noreturn void task_exit(int status)
{
	struct task *task = task_current();
	struct process *p = task->process;
	struct thread *t = task->thread;
	bool last;

	thread_begin_end();
	task_release_memory_words(task);
	task_release_files(task);
	/* Off the user page table first: after task_leave another thread may be the last one and
	 * free it. */
	task_switch_context(NULL);
	last = task_leave(task, status);
	if (last && p->is_init)
		die("init (pid 1) ended with wait status 0x%x, and nothing can run without it: "
		    "look at "
		    "its messages above, or start another program with init=PATH",
			p->exit_status);
	signal_discard(p, &task->pending);
	if (last) {
		itimers_cancel(p);
		ptimers_delete_all(p);
		process_release_memory(p);
		signal_discard(p, &p->pending);
		process_vfork_done(p);
		exit_leave_session(p);
		process_finish(p);
	} else {
		wake_all(&p->thread_wait);
	}
	t->process = NULL;
	t->proc_data = NULL;
	task_free(task);
	thread_exit();
}

__noreturn void process_exit(int status)
{
	struct process *p = process_current();
	irqflags_t flags = process_lock(p);

	signal_group_exit_locked(p, status);
	status = p->exit_status;
	process_unlock(p, flags);
	task_exit(status);
}
