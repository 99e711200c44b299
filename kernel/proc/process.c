/*
 * Processes and tasks as objects: making and freeing, references, look-up, what is shared with
 * others (address space, program, actions), and their account. What happens to them is in fork.c,
 * exec.c, exit.c, wait.c, signal*.c.
 */
#include "proc/process.h"

#include "fs/fdtable.h"
#include "fs/file.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/context.h"
#include "mm/slab.h"
#include "proc/itimer.h"
#include "sched/clock.h"

struct mutex process_tree;

static struct slab_cache *process_cache, *task_cache, *actions_cache;
static uint32_t process_total, thread_total; /* (a) */
static uint64_t forks_total;		     /* (a) */

void process_caches_init(void)
{
	mutex_init(&process_tree, RANK_PROCESS_TREE, "process tree");
	process_cache = slab_cache_create("process", sizeof(struct process), 16, NULL);
	task_cache = slab_cache_create("task", sizeof(struct task), 16, NULL);
	actions_cache = slab_cache_create("sigactions", sizeof(struct sigactions), 16, NULL);
}

struct process *process_alloc(void)
{
	struct process *p = slab_alloc(process_cache, ALLOC_ZERO);

	if (!p)
		return NULL;
	p->refs = 1;
	spin_init(&p->lock, RANK_SIGNAL, "process");
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->pgrp_link);
	list_init(&p->tasks);
	list_init(&p->pending.queue);
	list_init(&p->stale);
	list_init(&p->ptimers);
	waitqueue_init(&p->child_wait);
	waitqueue_init(&p->thread_wait);
	waitqueue_init(&p->vfork_wait);
	waitqueue_init(&p->stop_wait);
	itimers_init(p);
	p->dumpable = true;
	p->start_ns = clock_monotonic_ns();
	__atomic_fetch_add(&process_total, 1, __ATOMIC_RELAXED);
	return p;
}

void process_get(struct process *p)
{
	__atomic_fetch_add(&p->refs, 1, __ATOMIC_RELAXED);
}

void process_put(struct process *p)
{
	if (__atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL))
		return;
	assert(!p->ctx && !p->node.nr && list_empty(&p->tasks));
	if (p->actions)
		sigactions_put(p->actions);
	__atomic_fetch_sub(&process_total, 1, __ATOMIC_RELAXED);
	slab_free(process_cache, p);
}

struct task *task_alloc(struct process *p, struct thread *t)
{
	struct task *task = slab_alloc(task_cache, ALLOC_ZERO);

	if (!task)
		return NULL;
	process_get(p);
	task->process = p;
	task->thread = t;
	list_init(&task->group_link);
	list_init(&task->pending.queue);
	task->start_ns = clock_monotonic_ns();
	t->process = p;
	t->proc_data = task;
	__atomic_fetch_add(&thread_total, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&forks_total, 1, __ATOMIC_RELAXED);
	return task;
}

void task_free(struct task *task)
{
	struct process *p = task->process;

	assert(!task->node.nr && list_empty(&task->pending.queue));
	__atomic_fetch_sub(&thread_total, 1, __ATOMIC_RELAXED);
	slab_free(task_cache, task);
	process_put(p);
}

unsigned process_count(void)
{
	return READ_ONCE(process_total);
}

uint64_t process_forks(void)
{
	return READ_ONCE(forks_total);
}

unsigned process_thread_count(void)
{
	return READ_ONCE(thread_total);
}

struct process *process_find(int pid)
{
	irqflags_t flags = pids_lock();
	struct pid_node *n = pid_find_locked(pid, PID_PROCESS);
	struct process *p = n ? container_of(n, struct process, node) : NULL;

	if (p)
		process_get(p);
	pids_unlock(flags);
	return p;
}

struct process *process_find_by_tid(int tid)
{
	irqflags_t flags = pids_lock();
	struct pid_node *n = pid_find_locked(tid, PID_TASK);
	struct process *p = NULL;

	if (n) {
		p = container_of(n, struct task, node)->process;
	} else {
		n = pid_find_locked(tid, PID_PROCESS);
		if (n)
			p = container_of(n, struct process, node);
	}
	if (p)
		process_get(p);
	pids_unlock(flags);
	return p;
}

struct mm_context *process_get_context(struct process *p)
{
	irqflags_t flags = process_lock(p);
	struct mm_context *ctx = p->ctx ? mm_get_context(p->ctx) : NULL;

	process_unlock(p, flags);
	return ctx;
}

struct file *process_get_exe(struct process *p)
{
	irqflags_t flags = process_lock(p);
	struct file *f = p->exe ? file_get(p->exe) : NULL;

	process_unlock(p, flags);
	return f;
}

struct fdtable *process_get_files(struct process *p)
{
	irqflags_t flags = process_lock(p);
	struct fdtable *files = NULL;

	if (!list_empty(&p->tasks)) {
		struct task *task = list_first_entry(&p->tasks, struct task, group_link);

		if (task->files)
			files = fdtable_get(task->files);
	}
	process_unlock(p, flags);
	return files;
}

struct fs_state *process_get_fs(struct process *p)
{
	irqflags_t flags = process_lock(p);
	struct fs_state *fs = NULL;

	if (!list_empty(&p->tasks)) {
		struct task *task = list_first_entry(&p->tasks, struct task, group_link);

		if (task->fs)
			fs = fs_state_get(task->fs);
	}
	process_unlock(p, flags);
	return fs;
}

int process_ppid(struct process *p)
{
	return READ_ONCE(p->ppid);
}

struct sigactions *sigactions_alloc(void)
{
	struct sigactions *sa = slab_alloc(actions_cache, 0);

	if (!sa)
		return NULL;
	sa->refs = 1;
	spin_init(&sa->lock, RANK_SIGACTION, "sigactions");
	return sa;
}

struct sigactions *sigactions_create(void)
{
	struct sigactions *sa = sigactions_alloc();

	if (sa)
		memset(sa->act, 0, sizeof(sa->act));
	return sa;
}

void sigactions_put(struct sigactions *sa)
{
	if (!__atomic_sub_fetch(&sa->refs, 1, __ATOMIC_ACQ_REL))
		slab_free(actions_cache, sa);
}

int exe_get(struct file *f)
{
	int err = inode_deny_write(f->inode);

	if (!err)
		file_get(f);
	return err;
}

void exe_share(struct file *f)
{
	int err = inode_deny_write(f->inode);

	assert(!err); /* nobody has it open for writing while its first user runs it */
	file_get(f);
}

void exe_put(struct file *f)
{
	inode_allow_write(f->inode);
	file_put(f);
}

void process_usage_add(struct process_usage *to, const struct process_usage *u)
{
	to->user_ns += u->user_ns;
	to->system_ns += u->system_ns;
	to->minor += u->minor;
	to->major += u->major;
	to->nvcsw += u->nvcsw;
	to->nivcsw += u->nivcsw;
}

/*
 * The scheduler keeps the whole time. Dividing it would need a clock at each entry to the kernel: a
 * part that arch does not tell as system time is user time. A thread that runs on another CPU may
 * be read between two of its words; the sum is corrected with its next switch.
 */
uint64_t thread_cpu_ns(const struct thread *t, uint64_t *system_ns)
{
	uint64_t ns = READ_ONCE(t->run_ns), since = READ_ONCE(t->exec_start_ns);
	uint64_t now;

	if (READ_ONCE(t->state) == THREAD_RUNNING) {
		now = clock_monotonic_ns();
		if (now > since && since)
			ns += now - since;
	}
	*system_ns = MIN(READ_ONCE(t->system_ns), ns);
	return ns;
}

void process_usage(struct process *p, struct process_usage *u)
{
	irqflags_t flags = process_lock(p);
	struct task *task;

	*u = p->dead_threads;
	list_for_each_entry (task, &p->tasks, group_link) {
		const struct thread *t = task->thread;
		uint64_t system_ns;

		u->user_ns += thread_cpu_ns(t, &system_ns) - system_ns;
		u->system_ns += system_ns;
		u->nvcsw += READ_ONCE(t->nvcsw);
		u->nivcsw += READ_ONCE(t->nivcsw);
		u->minor += READ_ONCE(t->minor_faults);
		u->major += READ_ONCE(t->major_faults);
	}
	process_unlock(p, flags);
}

void task_switch_context(struct mm_context *ctx)
{
	struct thread *t = thread_current();
	struct pmap *pm = ctx ? &ctx->pmap : NULL;
	irqflags_t flags = irq_save();

	t->ctx = ctx;
	t->pmap = pm;
	pmap_load(pm);
	irq_restore(flags);
}
