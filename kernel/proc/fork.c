/*
 * Making processes and threads. Everything that can fail is done on objects that nobody knows yet;
 * publishing (numbers, family, group, thread list) is one step under the locks that cannot fail but
 * for a signal that came first, and the new thread starts after it.
 */
#include "proc/fork.h"

#include "abi/sched.h"
#include "fs/fdtable.h"
#include "fs/file.h"
#include "fs/path.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/context.h"
#include "proc/exit.h"
#include "proc/process.h"
#include "proc/rlimit.h"
#include "proc/signal.h"
#include "sched/sched.h"
#include "usercopy.h"

#define CLONE_KNOWN                                                                                \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PTRACE | CLONE_VFORK |          \
		CLONE_PARENT | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | \
		CLONE_CHILD_CLEARTID | CLONE_DETACHED | CLONE_UNTRACED | CLONE_CHILD_SETTID |      \
		CLONE_IO | CLONE_CLEAR_SIGHAND)

struct fork_state {
	const struct clone_request *rq;
	struct task *self;
	struct thread *thread;
	struct process *process; /* the new one, or the caller's for a thread */
	struct task *task;
};

/* What Linux without name spaces, pidfds and cgroups refuses is refused here. */
static int fork_check(const struct clone_request *rq)
{
	uint64_t flags = rq->flags;

	if (flags & ~CLONE_KNOWN)
		return -EINVAL;
	if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND))
		return -EINVAL;
	if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM))
		return -EINVAL;
	if ((flags & CLONE_SIGHAND) && (flags & CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((flags & CLONE_PARENT) && process_current()->is_init)
		return -EINVAL;
	if (rq->exit_signal < 0 || rq->exit_signal > NSIG)
		return -EINVAL;
	/* The CPU would refuse to load it. */
	if ((flags & CLONE_SETTLS) && rq->tls >= USER_MAX)
		return -EPERM;
	return 0;
}

static int fork_actions(struct fork_state *fk)
{
	struct process *p = fk->process, *self = fk->self->process;
	irqflags_t flags;

	if (fk->rq->flags & CLONE_SIGHAND) {
		__atomic_fetch_add(&self->actions->refs, 1, __ATOMIC_RELAXED);
		p->actions = self->actions;
		return 0;
	}
	p->actions = sigactions_alloc();
	if (!p->actions)
		return -ENOMEM;
	flags = process_lock(self);
	spin_lock(&self->actions->lock);
	memcpy(p->actions->act, self->actions->act, sizeof(p->actions->act));
	spin_unlock(&self->actions->lock);
	process_unlock(self, flags);
	if (fk->rq->flags & CLONE_CLEAR_SIGHAND) {
		for (int i = 0; i < NSIG; i++) {
			if (p->actions->act[i].handler != SIG_IGN)
				p->actions->act[i].handler = SIG_DFL;
		}
	}
	return 0;
}

static int fork_files(struct fork_state *fk)
{
	struct task *task = fk->task, *self = fk->self;

	if (fk->rq->flags & CLONE_FILES) {
		task->files = fdtable_get(self->files);
	} else {
		struct fdtable *files = fdtable_clone(self->files);

		if (IS_ERR(files))
			return (int)PTR_ERR(files);
		task->files = files;
	}
	if (fk->rq->flags & CLONE_FS) {
		task->fs = fs_state_get(self->fs);
	} else {
		struct fs_state *fs = fs_state_clone(self->fs);

		if (IS_ERR_OR_NULL(fs))
			return -ENOMEM;
		task->fs = fs;
	}
	return 0;
}

static int fork_memory(struct fork_state *fk)
{
	struct process *p = fk->process, *self = fk->self->process;
	struct mm_context *ctx;

	if (fk->rq->flags & CLONE_VM)
		ctx = mm_get_context(self->ctx);
	else
		ctx = mm_fork_context(self->ctx);
	if (IS_ERR(ctx))
		return (int)PTR_ERR(ctx);
	p->ctx = ctx;
	if (self->exe) {
		exe_share(self->exe);
		p->exe = self->exe;
	}
	return 0;
}

/* What a new process inherits and a thread shares anyway. */
static int fork_process(struct fork_state *fk)
{
	struct process *p = process_alloc(), *self = fk->self->process;

	if (!p)
		return -ENOMEM;
	fk->process = p;
	memcpy(p->comm, self->comm, sizeof(p->comm));
	memcpy(p->rlimits, self->rlimits, sizeof(p->rlimits));
	p->personality = self->personality;
	p->dumpable = self->dumpable;
	p->no_new_privs = self->no_new_privs;
	p->exit_signal = fk->rq->exit_signal;
	p->vfork_pending = fk->rq->flags & CLONE_VFORK;
	return fork_actions(fk);
}

static void fork_inherit(struct fork_state *fk)
{
	struct task *task = fk->task, *self = fk->self;
	struct thread *t = fk->thread;
	uint64_t flags = fk->rq->flags;

	t->nice = self->thread->nice;
	t->affinity = self->thread->affinity;
	t->ctx = fk->process->ctx;
	t->pmap = &t->ctx->pmap;
	task->blocked = self->blocked;
	/*
	 * A thread on a stack of its own has no alternate stack; a copy and a vfork child keep it.
	 */
	if ((flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
		task->altstack_sp = self->altstack_sp;
		task->altstack_size = self->altstack_size;
		task->altstack_flags = self->altstack_flags;
	}
	if (flags & CLONE_CHILD_CLEARTID)
		task->clear_child_tid = fk->rq->child_tid;
	if (flags & CLONE_CHILD_SETTID) {
		task->set_child_tid = fk->rq->child_tid;
		thread_set_flags(t, THREAD_SIGPENDING);
	}
}

static int fork_build(struct fork_state *fk)
{
	const struct clone_request *rq = fk->rq;
	int err;

	fk->thread = thread_alloc(fk->self->thread->name);
	if (IS_ERR_OR_NULL(fk->thread)) {
		fk->thread = NULL;
		return -ENOMEM;
	}
	if (rq->flags & CLONE_THREAD) {
		fk->process = fk->self->process;
	} else {
		err = fork_process(fk);
		if (err)
			return err;
	}
	fk->task = task_alloc(fk->process, fk->thread);
	if (!fk->task)
		return -ENOMEM;
	err = fork_files(fk);
	if (err)
		return err;
	if (!(rq->flags & CLONE_THREAD)) {
		err = fork_memory(fk);
		if (err)
			return err;
	}
	fork_inherit(fk);
	return context_init_user(
		fk->thread, context_user_regs(), rq->stack, rq->flags & CLONE_SETTLS, rq->tls);
}

/* Take down what fork_build made; any of it may be missing. */
static void fork_undo(struct fork_state *fk)
{
	struct process *p = fk->process;
	struct task *task = fk->task;

	if (task) {
		if (task->files)
			fdtable_put(task->files);
		if (task->fs)
			fs_state_put(task->fs);
		task_free(task);
	}
	if (p && p != fk->self->process) {
		if (p->ctx)
			mm_put_context(p->ctx);
		p->ctx = NULL;
		if (p->exe)
			exe_put(p->exe);
		process_put(p);
	}
	if (fk->thread)
		thread_free_new(fk->thread);
}

/*
 * Enter the new process into family, group and table. => process_tree, pid_lock, self's lock held
 */
static void fork_publish_process(struct fork_state *fk, int nr)
{
	struct process *p = fk->process, *self = fk->self->process;
	struct process *parent = fk->rq->flags & CLONE_PARENT ? self->parent : self;

	if (fk->rq->flags & CLONE_PARENT)
		p->exit_signal = self->exit_signal;
	pid_insert_locked(&p->node, nr, PID_PROCESS);
	p->parent = parent;
	p->ppid = parent->node.nr;
	list_add_tail(&parent->children, &p->sibling);
	pgrp_join_locked(self->pgrp, p);
	p->main_task = fk->task;
	p->nthreads = 1;
	list_add_tail(&p->tasks, &fk->task->group_link);
}

/*
 * The one step that makes the child visible. A signal that is pending for the caller is delivered
 * first and the call restarted: one sent to the group before the child joined it reaches the child
 * through the handler's or the default action's effect on the parent.
 */
static int fork_publish_locked(struct fork_state *fk)
{
	struct process *self = fk->self->process;
	int nr;

	signal_recalc_locked(fk->self);
	if (thread_flags(fk->self->thread) & (THREAD_SIGPENDING | THREAD_KILLED))
		return -ERESTARTNOINTR;
	nr = pid_pick_locked();
	if (!nr)
		return -EAGAIN;
	pid_insert_locked(&fk->task->node, nr, PID_TASK);
	if (fk->rq->flags & CLONE_THREAD) {
		self->nthreads++;
		list_add_tail(&self->tasks, &fk->task->group_link);
	} else {
		fork_publish_process(fk, nr);
	}
	return nr;
}

static int fork_publish(struct fork_state *fk)
{
	struct process *self = fk->self->process;
	bool process = !(fk->rq->flags & CLONE_THREAD);
	irqflags_t flags;
	int nr;

	if (process)
		mutex_lock(&process_tree);
	flags = pids_lock();
	spin_lock(&self->lock);
	nr = fork_publish_locked(fk);
	spin_unlock(&self->lock);
	pids_unlock(flags);
	if (process)
		mutex_unlock(&process_tree);
	return nr;
}

/* vfork: until the child execs or ends. A fatal signal ends the wait, the child goes on alone. */
static void fork_wait_vfork(struct process *child)
{
	(void)wait_event_killable(&child->vfork_wait, !LOAD_ACQUIRE(child->vfork_pending));
	process_put(child);
}

long process_do_fork(const struct clone_request *rq)
{
	struct fork_state fk = {.rq = rq, .self = task_current()};
	bool vfork = (rq->flags & CLONE_VFORK) && !(rq->flags & CLONE_THREAD);
	struct process *child;
	int err, nr;

	err = fork_check(rq);
	if (err)
		return err;
	/* Before the work, so that a signal does not cost it again and again. */
	if (unlikely(thread_flags(fk.self->thread) & (THREAD_SIGPENDING | THREAD_KILLED)))
		return -ERESTARTNOINTR;
	err = fork_build(&fk);
	if (err)
		goto out_undo;
	nr = fork_publish(&fk);
	if (nr < 0) {
		err = nr;
		goto out_undo;
	}
	child = fk.process;
	if (vfork)
		process_get(child);
	/* An unwritable word is not an error, as on Linux. */
	if ((rq->flags & CLONE_PARENT_SETTID) && user_store_u32(rq->parent_tid, (uint32_t)nr))
		nr = fk.task->node.nr;
	thread_start(fk.thread);
	if (vfork)
		fork_wait_vfork(child);
	return nr;

out_undo:
	fork_undo(&fk);
	return err;
}
