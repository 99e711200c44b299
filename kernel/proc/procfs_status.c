/* /proc/PID/{stat,statm,status}: one snapshot of a process or thread, three ways to print it. */
#include "dev/tty.h"
#include "fs/fdtable.h"
#include "fs/path.h"
#include "lib/string.h"
#include "mm/vmap.h"
#include "proc/jobctl.h"
#include "proc/procfs_priv.h"
#include "proc/rlimit.h"
#include "proc/signal.h"
#include "sched/clock.h"

#define NSEC_PER_TICK (NSEC_PER_SEC / CLK_TCK)

struct snapshot {
	char name[THREAD_NAME_MAX + 1];
	char state;
	int nr, pid, ppid, pgid, sid, tty_nr, tpgid;
	int exit_signal, nice, cpu;
	unsigned nthreads;
	struct process_usage usage, children;
	uint64_t start_ns;
	sigset_k pending, shared_pending, blocked, ignored, caught;
	uint32_t umask, nqueued;
	uint64_t affinity;
	bool no_new_privs;
	/* memory, in pages */
	bool has_memory;
	struct mm_rss rss;
	uint64_t total, peak, peak_rss, locked, pinned, data, stack, code, tables;
	vaddr_t code_start, code_end, data_start, data_end, brk, stack_top;
	vaddr_t arg_start, arg_end, env_start, env_end;
};

static char thread_letter(const struct task *task)
{
	const struct thread *t = task->thread;

	if (task->stopped)
		return 'T';
	switch (READ_ONCE(t->state)) {
	case THREAD_BLOCKED:
		return t->wait_mode == WAIT_INTERRUPTIBLE ? 'S' : 'D';
	case THREAD_STOPPED:
		return 'T';
	case THREAD_DEAD:
		return 'X';
	default:
		return 'R';
	}
}

/* What hangs on the thread. => process locked */
static void snap_task(struct snapshot *s, const struct task *task)
{
	const struct thread *t = task->thread;

	s->nr = task->node.nr;
	s->state = thread_letter(task);
	memcpy(s->name, t->name, THREAD_NAME_MAX);
	s->pending = task->pending.set;
	s->blocked = task->blocked;
	s->start_ns = task->start_ns;
	s->nice = t->nice;
	s->cpu = (int)t->cpu;
	s->affinity = t->affinity;
}

static void snap_signals(struct snapshot *s, const struct process *p)
{
	s->shared_pending = p->pending.set;
	for (int i = 0; i < NSIG; i++) {
		uint64_t handler = READ_ONCE(p->actions->act[i].handler);

		if (handler == SIG_IGN)
			s->ignored |= 1ull << i;
		else if (handler != SIG_DFL)
			s->caught |= 1ull << i;
	}
}

static void snap_family(struct snapshot *s, struct process *p)
{
	struct tty *tty = process_tty(p);
	irqflags_t flags = pids_lock();

	s->ppid = p->parent ? p->parent->node.nr : 0;
	if (p->pgrp) {
		s->pgid = p->pgrp->node.nr;
		s->sid = p->pgrp->session->node.nr;
	}
	pids_unlock(flags);
	s->tpgid = -1;
	if (tty) {
		s->tty_nr = (int)tty_devno(tty);
		s->tpgid = tty_foreground_pgrp(tty);
	}
}

static void snap_memory(struct snapshot *s, struct process *p)
{
	struct mm_context *ctx = process_get_context(p);
	struct vmap *vm;

	if (!ctx)
		return;
	s->has_memory = true;
	mm_context_rss(ctx, &s->rss);
	rw_read_lock(&ctx->mm_lock);
	s->total = ctx->total_pages;
	s->peak = MAX(ctx->peak_pages, ctx->total_pages);
	s->peak_rss = ctx->peak_rss;
	s->locked = ctx->locked_pages;
	s->pinned = ctx->pins;
	for (vm = vmap_first(ctx); vm; vm = vmap_next(vm))
		s->code += (vm->vmflags & (VM_EXEC | VM_WRITE)) == VM_EXEC ? vm->npages : 0;
	s->data = ctx->data_pages;
	s->stack = ctx->stack_pages;
	s->tables = ctx->pmap.tables;
	s->code_start = ctx->code_start;
	s->code_end = ctx->code_end;
	s->data_start = ctx->data_start;
	s->data_end = ctx->data_end;
	s->brk = ctx->brk_start;
	s->stack_top = ctx->arg_start;
	s->arg_start = ctx->arg_start;
	s->arg_end = ctx->arg_end;
	s->env_start = ctx->env_start;
	s->env_end = ctx->env_end;
	rw_read_unlock(&ctx->mm_lock);
	mm_put_context(ctx);
}

static void snap_threads(struct snapshot *s, struct process *p, int tid)
{
	struct task *task, *found = NULL;
	irqflags_t flags = process_lock(p);

	s->nthreads = p->nthreads;
	s->start_ns = p->start_ns;
	s->exit_signal = p->exit_signal;
	s->nqueued = p->nqueued;
	s->no_new_privs = p->no_new_privs;
	memcpy(s->name, p->comm, THREAD_NAME_MAX);
	s->nr = tid ? tid : p->node.nr;
	s->state = 'Z';
	list_for_each_entry (task, &p->tasks, group_link) {
		if (task->node.nr == s->nr)
			found = task;
	}
	/* The main thread may have ended before the others: the process lives on in them. */
	if (!found && !tid && p->nthreads)
		found = list_first_entry(&p->tasks, struct task, group_link);
	if (found)
		snap_task(s, found);
	if (!tid)
		s->nr = p->node.nr;
	snap_signals(s, p);
	process_unlock(p, flags);
}

/* 0 or -ESRCH. */
static int snapshot_take(const struct proc_ref *ref, struct snapshot *s)
{
	struct process *p = proc_ref_process(ref);
	struct fs_state *fs;

	if (!p)
		return -ESRCH;
	memset(s, 0, sizeof(*s));
	s->pid = p->node.nr;
	snap_threads(s, p, ref->tid);
	snap_family(s, p);
	process_usage(p, &s->usage);
	mutex_lock(&process_tree);
	s->children = p->dead_children;
	mutex_unlock(&process_tree);
	snap_memory(s, p);
	fs = process_get_fs(p);
	if (fs) {
		s->umask = READ_ONCE(fs->umask);
		fs_state_put(fs);
	}
	process_put(p);
	return 0;
}

static unsigned long long ticks(uint64_t ns)
{
	return ns / NSEC_PER_TICK;
}

int proc_show_stat(struct proc_text *t, const struct proc_ref *ref)
{
	struct snapshot s;
	int err = snapshot_take(ref, &s);
	uint64_t rss;

	if (err)
		return err;
	rss = s.rss.anon + s.rss.file + s.rss.shmem;
	/* proc_pid_stat(5), fields 1 to 52. */
	proc_printf(t, "%d (%s) %c %d %d %d %d %d 0 ", s.nr, s.name, s.state, s.ppid, s.pgid, s.sid,
		s.tty_nr, s.tpgid);
	proc_printf(t, "%llu %llu %llu %llu ", (unsigned long long)s.usage.minor,
		(unsigned long long)s.children.minor, (unsigned long long)s.usage.major,
		(unsigned long long)s.children.major);
	proc_printf(t, "%llu %llu %llu %llu %d %d %u 0 ", ticks(s.usage.user_ns),
		ticks(s.usage.system_ns), ticks(s.children.user_ns), ticks(s.children.system_ns),
		20 + s.nice, s.nice, s.nthreads);
	proc_printf(t, "%llu %llu %llu %llu ", ticks(s.start_ns),
		(unsigned long long)(s.total * PAGE_SIZE), (unsigned long long)rss,
		(unsigned long long)RLIM_INFINITY);
	proc_printf(t, "%lu %lu %lu 0 0 ", s.code_start, s.code_end, s.stack_top);
	proc_printf(t, "%llu %llu %llu %llu 0 0 0 %d %d 0 0 0 0 0 ",
		(unsigned long long)(s.pending & INT_MAX),
		(unsigned long long)(s.blocked & INT_MAX),
		(unsigned long long)(s.ignored & INT_MAX), (unsigned long long)(s.caught & INT_MAX),
		s.exit_signal, s.cpu);
	proc_printf(t, "%lu %lu %lu %lu %lu %lu %lu 0\n", s.data_start, s.data_end, s.brk,
		s.arg_start, s.arg_end, s.env_start, s.env_end);
	return 0;
}

int proc_show_statm(struct proc_text *t, const struct proc_ref *ref)
{
	struct snapshot s;
	int err = snapshot_take(ref, &s);

	if (err)
		return err;
	proc_printf(t, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)s.total,
		(unsigned long long)(s.rss.anon + s.rss.file + s.rss.shmem),
		(unsigned long long)(s.rss.file + s.rss.shmem),
		(unsigned long long)page_count(s.code_end - s.code_start),
		(unsigned long long)(s.data + s.stack));
	return 0;
}

static const char *state_words(char state)
{
	switch (state) {
	case 'R':
		return "R (running)";
	case 'S':
		return "S (sleeping)";
	case 'D':
		return "D (disk sleep)";
	case 'T':
		return "T (stopped)";
	case 'X':
		return "X (dead)";
	default:
		return "Z (zombie)";
	}
}

static void put_kb(struct proc_text *t, const char *name, uint64_t pages)
{
	proc_printf(t, "%s:\t%8llu kB\n", name, (unsigned long long)(pages * (PAGE_SIZE / 1024)));
}

static void put_memory_status(struct proc_text *t, const struct snapshot *s)
{
	uint64_t rss = s->rss.anon + s->rss.file + s->rss.shmem;
	uint64_t exe = page_count(s->code_end - s->code_start);

	put_kb(t, "VmPeak", s->peak);
	put_kb(t, "VmSize", s->total);
	put_kb(t, "VmLck", s->locked);
	put_kb(t, "VmPin", s->pinned);
	put_kb(t, "VmHWM", MAX(s->peak_rss, rss));
	put_kb(t, "VmRSS", rss);
	put_kb(t, "RssAnon", s->rss.anon);
	put_kb(t, "RssFile", s->rss.file);
	put_kb(t, "RssShmem", s->rss.shmem);
	put_kb(t, "VmData", s->data);
	put_kb(t, "VmStk", s->stack);
	put_kb(t, "VmExe", exe);
	put_kb(t, "VmLib", s->code > exe ? s->code - exe : 0);
	put_kb(t, "VmPTE", s->tables);
	put_kb(t, "VmSwap", 0);
}

static void put_set(struct proc_text *t, const char *name, uint64_t set)
{
	proc_printf(t, "%s:\t%016llx\n", name, (unsigned long long)set);
}

/* "0-3,5" */
static void put_cpu_list(struct proc_text *t, uint64_t set)
{
	const char *sep = "";

	for (unsigned i = 0; i < 64; i++) {
		unsigned first = i;

		if (!(set >> i & 1))
			continue;
		while (i < 63 && (set >> (i + 1) & 1))
			i++;
		proc_printf(t, first == i ? "%s%u" : "%s%u-%u", sep, first, i);
		sep = ",";
	}
	proc_puts(t, "\n");
}

int proc_show_status(struct proc_text *t, const struct proc_ref *ref)
{
	struct snapshot s;
	int err = snapshot_take(ref, &s);
	uint64_t caps = 0x1ffffffffffull;

	if (err)
		return err;
	proc_printf(
		t, "Name:\t%s\nUmask:\t%04o\nState:\t%s\n", s.name, s.umask, state_words(s.state));
	proc_printf(t, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", s.pid, s.nr,
		s.ppid);
	proc_puts(t, "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\nGroups:\t \n");
	proc_printf(t, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", s.pid, s.nr, s.pgid,
		s.sid);
	if (s.has_memory)
		put_memory_status(t, &s);
	proc_printf(t, "Threads:\t%u\nSigQ:\t%u/4096\n", s.nthreads, s.nqueued);
	put_set(t, "SigPnd", s.pending);
	put_set(t, "ShdPnd", s.shared_pending);
	put_set(t, "SigBlk", s.blocked);
	put_set(t, "SigIgn", s.ignored);
	put_set(t, "SigCgt", s.caught);
	put_set(t, "CapInh", 0);
	put_set(t, "CapPrm", caps);
	put_set(t, "CapEff", caps);
	put_set(t, "CapBnd", caps);
	put_set(t, "CapAmb", 0);
	proc_printf(t, "NoNewPrivs:\t%d\nSeccomp:\t0\n", s.no_new_privs);
	proc_printf(t, "Cpus_allowed:\t%llx\nCpus_allowed_list:\t",
		(unsigned long long)(s.affinity & cpu_online_set()));
	put_cpu_list(t, s.affinity & cpu_online_set());
	proc_printf(t, "voluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n",
		(unsigned long long)s.usage.nvcsw, (unsigned long long)s.usage.nivcsw);
	return 0;
}
