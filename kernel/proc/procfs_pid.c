/* /proc/PID and /proc/PID/task/TID: what is there, and the short files. */
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/access.h"
#include "mm/context.h"
#include "mm/slab.h"
#include "proc/procfs_priv.h"
#include "proc/rlimit.h"

int proc_pid_next(const struct proc_ref *dir, int after)
{
	irqflags_t flags = pids_lock();
	int nr;

	(void)dir;
	/* Is exactly the next number there? Then it is one look-up: that is how names are found. */
	nr = pid_find_locked(after + 1, PID_PROCESS) ? after + 1
						     : pid_next_locked(after, PID_PROCESS);
	pids_unlock(flags);
	return nr ? nr : -1;
}

void proc_pid_note(struct proc_ref *ref, int number)
{
	ref->pid = number;
}

static int tid_next(const struct proc_ref *dir, int after)
{
	struct process *p = proc_ref_process(dir);
	struct task *task;
	irqflags_t flags;
	int best = -1;

	if (!p)
		return -1;
	flags = process_lock(p);
	list_for_each_entry (task, &p->tasks, group_link) {
		if (task->node.nr > after && (best < 0 || task->node.nr < best))
			best = task->node.nr;
	}
	process_unlock(p, flags);
	process_put(p);
	return best;
}

static void tid_note(struct proc_ref *ref, int number)
{
	ref->tid = number;
}

/* Copy memory of the process, piece by piece, to the text; stops at what cannot be read. */
static int put_memory(struct proc_text *t, struct process *p, uaddr_t start, uaddr_t end)
{
	struct mm_context *ctx = process_get_context(p);
	char *buf;

	if (!ctx)
		return 0;
	buf = kmalloc(PAGE_SIZE, 0);
	while (buf && start < end) {
		ssize_t n = mm_access(ctx, start, buf, MIN(end - start, PAGE_SIZE), false, true);

		if (n <= 0)
			break;
		proc_putn(t, buf, (size_t)n);
		start += (uint64_t)n;
	}
	mm_put_context(ctx);
	kfree(buf);
	return buf ? 0 : -ENOMEM;
}

static int show_cmdline(struct proc_text *t, const struct proc_ref *ref)
{
	struct process *p = proc_ref_process(ref);
	struct mm_context *ctx;
	int err = 0;

	if (!p)
		return -ESRCH;
	ctx = process_get_context(p);
	if (ctx) {
		err = put_memory(t, p, ctx->arg_start, ctx->arg_end);
		mm_put_context(ctx);
	}
	process_put(p);
	return err;
}

static int show_environ(struct proc_text *t, const struct proc_ref *ref)
{
	struct process *p = proc_ref_process(ref);
	struct mm_context *ctx;
	int err = 0;

	if (!p)
		return -ESRCH;
	ctx = process_get_context(p);
	if (ctx) {
		err = put_memory(t, p, ctx->env_start, ctx->env_end);
		mm_put_context(ctx);
	}
	process_put(p);
	return err;
}

static int show_auxv(struct proc_text *t, const struct proc_ref *ref)
{
	struct process *p = proc_ref_process(ref);
	struct mm_context *ctx;

	if (!p)
		return -ESRCH;
	ctx = process_get_context(p);
	if (ctx) {
		proc_putn(t, (const char *)ctx->auxv, ctx->auxv_len * sizeof(ctx->auxv[0]));
		mm_put_context(ctx);
	}
	process_put(p);
	return 0;
}

/* The name of the thread, or of the process. */
static int show_comm(struct proc_text *t, const struct proc_ref *ref)
{
	struct process *p = proc_ref_process(ref);
	char name[THREAD_NAME_MAX + 1] = {0};
	struct task *task;
	irqflags_t flags;

	if (!p)
		return -ESRCH;
	flags = process_lock(p);
	memcpy(name, p->comm, THREAD_NAME_MAX);
	list_for_each_entry (task, &p->tasks, group_link) {
		if (task->node.nr == ref->tid)
			memcpy(name, task->thread->name, THREAD_NAME_MAX);
	}
	process_unlock(p, flags);
	process_put(p);
	proc_printf(t, "%s\n", name);
	return 0;
}

static int store_comm(const struct proc_ref *ref, char *text, size_t len)
{
	struct process *p = proc_ref_process(ref);
	char name[THREAD_NAME_MAX] = {0};
	int tid = ref->tid ? ref->tid : ref->pid;
	struct task *task;
	irqflags_t flags;

	if (!p)
		return -ESRCH;
	memcpy(name, text, MIN(len, sizeof(name) - 1));
	flags = process_lock(p);
	list_for_each_entry (task, &p->tasks, group_link) {
		if (task->node.nr == tid)
			memcpy(task->thread->name, name, sizeof(name));
	}
	if (tid == p->node.nr)
		memcpy(p->comm, name, sizeof(name));
	process_unlock(p, flags);
	process_put(p);
	return 0;
}

static void put_limit(struct proc_text *t, uint64_t v)
{
	if (v == RLIM_INFINITY)
		proc_printf(t, "%-20s ", "unlimited");
	else
		proc_printf(t, "%-20llu ", (unsigned long long)v);
}

static int show_limits(struct proc_text *t, const struct proc_ref *ref)
{
	struct process *p = proc_ref_process(ref);
	const char *name, *unit;
	struct abi_rlimit limit;

	if (!p)
		return -ESRCH;
	proc_printf(t, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned i = 0; (name = rlimit_name(i, &unit)); i++) {
		if (rlimit_change(p, i, NULL, &limit))
			continue;
		proc_printf(t, "%-25s ", name);
		put_limit(t, limit.rlim_cur);
		put_limit(t, limit.rlim_max);
		proc_printf(t, "%-10s\n", unit ? unit : "");
	}
	process_put(p);
	return 0;
}

static int show_personality(struct proc_text *t, const struct proc_ref *ref)
{
	struct process *p = proc_ref_process(ref);

	if (!p)
		return -ESRCH;
	proc_printf(t, "%08x\n", p->personality);
	process_put(p);
	return 0;
}

#define COMM_ENTRY PROC_CONTROL("comm", show_comm, store_comm)
#define COMMON_ENTRIES                                                                             \
	PROC_FILE("auxv", show_auxv), PROC_FILE("cmdline", show_cmdline), COMM_ENTRY,              \
		PROC_LINK("cwd", proc_cwd_readlink, proc_cwd_follow),                              \
		PROC_FILE("environ", show_environ),                                                \
		PROC_LINK("exe", proc_exe_readlink, proc_exe_follow),                              \
		PROC_DIR("fd", &proc_fd_dir), PROC_DIR("fdinfo", &proc_fdinfo_dir),                \
		PROC_FILE("limits", show_limits), PROC_FILE("maps", proc_show_maps),               \
		PROC_FILE("mountinfo", proc_show_mountinfo),                                       \
		PROC_FILE("mounts", proc_show_mounts), PROC_FILE("personality", show_personality), \
		PROC_LINK("root", proc_root_readlink, proc_root_follow),                           \
		{.name = "mem",                                                                    \
			.mode = S_IFREG | 0600,                                                    \
			.read = proc_mem_read,                                                     \
			.write = proc_mem_write},                                                  \
		{.name = "pagemap", .mode = S_IFREG | 0400, .read = proc_pagemap_read},            \
		PROC_FILE("smaps", proc_show_smaps),                                               \
		PROC_FILE("smaps_rollup", proc_show_smaps_rollup),                                 \
		PROC_FILE("stat", proc_show_stat), PROC_FILE("statm", proc_show_statm),            \
		PROC_FILE("status", proc_show_status)

static const struct proc_entry tid_entries[] = {COMMON_ENTRIES};
static const struct proc_dir tid_dir = {
	.entries = tid_entries, .nentries = ARRAY_SIZE(tid_entries)};
static const struct proc_entry tid_entry = PROC_DIR("TID", &tid_dir);

static const struct proc_dir task_dir = {
	.next = tid_next, .number_entry = &tid_entry, .note = tid_note};

static const struct proc_entry pid_entries[] = {COMMON_ENTRIES, PROC_DIR("task", &task_dir)};
static const struct proc_dir pid_dir = {
	.entries = pid_entries, .nentries = ARRAY_SIZE(pid_entries)};
const struct proc_entry proc_pid_entry = PROC_DIR("PID", &pid_dir);
