/*
 * Out of memory: one process ends so that the others go on.
 *
 * A thread of the kernel's own does it, which holds nothing and needs no memory: who runs out may
 * hold an inode's lock, and dropping the last reference on the victim's address space closes files.
 * Requesters wait for the round that serves them and try their allocation again:
 *
 *	requester				oom thread
 *	ask: note the round, set wanted
 *	wait for the next round			memory to be had meanwhile? then that was it
 *						somebody on the way out? then wait for its end
 *						choose, tell, SIGKILL to all who share its memory
 *						reap
 *	try again                               count the round, wake all
 *
 * Chosen is the process whose end frees most: memory by mm_oom_score(), what its open files keep,
 * its threads; never init nor who shares its memory. When nobody has much (STAND_OUT) it is many
 * small ones that fill the memory, and the largest of them may well be somebody else: then the
 * process group that has most loses its largest member. Nobody is chosen while memory is on its way
 * back: of a process that is being taken down, or of the last one that was chosen, unless it takes
 * too long (OOM_LOOKS).
 */
#include "proc/oom_kill.h"

#include "fs/fdtable.h"
#include "klog.h"
#include "lib/assert.h"
#include "mm/buddy.h"
#include "mm/oom.h"
#include "mm/stats.h"
#include "proc/process.h"
#include "proc/signal.h"
#include "sched/sched.h"

#define STAND_OUT 8 /* who has this part of all memory is to blame alone */
#define KB(pages) ((unsigned long long)(pages) * (PAGE_SIZE / 1024))

static struct waitqueue ask_queue, answer_queue;
static bool started;
static bool wanted;		  /* (a) somebody waits for a round */
static uint64_t rounds = 1;	  /* (a) rounds done, and one: the number of this one */
static struct mm_context *ending; /* the last that was chosen, held, or NULL */
static int answer;		  /* what the last round came to; written before rounds */

struct victim {
	struct process *process; /* a reference, or NULL */
	struct mm_context *ctx;	 /* a reference */
	uint64_t score;
};

static void victim_put(struct victim *v)
{
	if (!v->process)
		return;
	mm_put_context(v->ctx);
	process_put(v->process);
	v->process = NULL;
}

/* The process with the least number above *nr, which moves on, with a reference; NULL: no more. */
static struct process *process_after(int *nr)
{
	struct process *p = NULL;

	do {
		irqflags_t flags = pids_lock();

		*nr = pid_next_locked(*nr, PID_PROCESS);
		pids_unlock(flags);
		if (*nr)
			p = process_find(*nr);
	} while (*nr && !p);
	return p;
}

/*
 * What the files keep that p has open. Its lock keeps the table; the table's own lock ranks lower
 * and can only be tried for: who has it needs nothing of ours and is done soon.
 */
static uint64_t file_pages(struct process *p)
{
	const struct task *task;
	uint64_t pages = 0;
	bool seen = false;

	while (!seen) {
		irqflags_t flags = process_lock(p);

		task = list_empty(&p->tasks) ? NULL
					     : list_first_entry(&p->tasks, struct task, group_link);
		seen = !task || !task->files || fd_held_pages_try(task->files, &pages);
		process_unlock(p, flags);
	}
	return pages;
}

/* How much its end frees; at least 1. */
static uint64_t score_of(struct process *p, struct mm_context *ctx)
{
	uint64_t stacks = (uint64_t)READ_ONCE(p->nthreads) * KERNEL_STACK_PAGES;

	return mm_oom_score(ctx) + OOM_SCORE_PAGE * (file_pages(p) + stacks) + 1;
}

/*
 * Give everybody a score, 0 to who may not be ended or is ending already, and each group the sum of
 * its members. => the highest score
 */
static uint64_t rate_all(const struct mm_context *init_ctx)
{
	uint64_t highest = 0;
	struct process *p;
	int nr = 0;

	while ((p = process_after(&nr)) != NULL) {
		struct mm_context *ctx = process_get_context(p);
		irqflags_t flags;

		p->oom_score = 0;
		if (ctx && ctx != init_ctx && !READ_ONCE(ctx->dying))
			p->oom_score = score_of(p, ctx);
		highest = MAX(highest, p->oom_score);
		flags = pids_lock();
		if (p->pgrp && p->pgrp->oom_round != rounds) {
			p->pgrp->oom_round = rounds;
			p->pgrp->oom_score = 0;
		}
		if (p->pgrp)
			p->pgrp->oom_score += p->oom_score;
		pids_unlock(flags);
		if (ctx)
			mm_put_context(ctx);
		process_put(p);
	}
	return highest;
}

static uint64_t score_of_group(const struct process *p)
{
	irqflags_t flags = pids_lock();
	uint64_t score = p->pgrp && p->pgrp->oom_round == rounds ? p->pgrp->oom_score : 0;

	pids_unlock(flags);
	return score;
}

/* The best of those that rate_all gave a score; v->process NULL: there is none. */
static void choose(struct victim *best, bool by_group)
{
	uint64_t best_group = 0;
	struct process *p;
	int nr = 0;

	while ((p = process_after(&nr)) != NULL) {
		struct victim v = {.process = p, .ctx = process_get_context(p)};
		uint64_t group = by_group ? score_of_group(p) : 0;

		v.score = p->oom_score;
		if (!v.ctx) {
			process_put(p);
		} else if (v.score &&
			   (group > best_group || (group == best_group && v.score > best->score))) {
			victim_put(best);
			*best = v;
			best_group = group;
		} else {
			victim_put(&v);
		}
	}
}

static void kill_all_of(const struct mm_context *ctx)
{
	struct process *p;
	int nr = 0;

	while ((p = process_after(&nr)) != NULL) {
		if (READ_ONCE(p->ctx) == ctx)
			signal_post_kernel(p, SIGKILL);
		process_put(p);
	}
}

static void tell(const struct victim *v)
{
	struct mm_context *ctx = v->ctx;
	struct mm_rss rss;

	mm_context_rss(ctx, &rss);
	klog_err("Out of memory: Killed process %d (%.16s) total-vm:%llukB, anon-rss:%llukB, "
		 "file-rss:%llukB, shmem-rss:%llukB, UID:0 pgtables:%llukB oom_score_adj:0",
		v->process->node.nr, v->process->comm, KB(ctx->total_pages), KB(rss.anon),
		KB(rss.file), KB(rss.shmem), KB(ctx->pmap.tables));
}

/* Is there a frame for who does without the reserve? */
static bool memory_is_there(void)
{
	struct page *pg = page_alloc(0, ALLOC_NORECLAIM);

	if (pg)
		page_free(pg, 0);
	return pg;
}

/* End it and have its private memory back; the rest goes when it is gone. */
static void end_process(struct victim *v)
{
	tell(v);
	mm_stat_inc(STAT_OOM_KILL);
	kill_all_of(v->ctx);
	mm_oom_reap(v->ctx);
	mm_hold_context(v->ctx);
	ending = v->ctx;
	victim_put(v);
}

/* Is memory on its way back? Then it is there on return. */
static bool wait_for_who_leaves(void)
{
	bool gone;

	if (mm_oom_wait_leaving(OOM_LOOKS))
		return true;
	if (!ending)
		return false;
	gone = mm_oom_wait_gone(ending, OOM_LOOKS);
	mm_drop_context(ending);
	ending = NULL;
	return gone;
}

static int oom_round(void)
{
	const uint64_t much = OOM_SCORE_PAGE * buddy_total_frames() / STAND_OUT;
	struct process *init;
	struct mm_context *init_ctx;
	struct victim v = {0};

	if (memory_is_there() || wait_for_who_leaves())
		return 0;
	init = process_find(1);
	init_ctx = init ? process_get_context(init) : NULL;
	choose(&v, rate_all(init_ctx) < much);
	if (init_ctx)
		mm_put_context(init_ctx);
	if (init)
		process_put(init);
	if (!v.process)
		return -ENOMEM;
	end_process(&v);
	return 0;
}

static void oom_main(void *arg)
{
	(void)arg;
	for (;;) {
		wait_event(&ask_queue, __atomic_load_n(&wanted, __ATOMIC_SEQ_CST));
		__atomic_store_n(&wanted, false, __ATOMIC_SEQ_CST);
		WRITE_ONCE(answer, oom_round());
		__atomic_fetch_add(&rounds, 1, __ATOMIC_SEQ_CST);
		wake_all(&answer_queue);
	}
}

static int oom_ask(void)
{
	const struct thread *self = thread_current();
	uint64_t round = __atomic_load_n(&rounds, __ATOMIC_SEQ_CST);

	/* The kernel's own threads get an error: their work is not worth a process. */
	if (!self || thread_flags(self) & THREAD_KERNEL)
		return -ENOMEM;
	/* On its way out: it must not wait for itself. */
	if (thread_flags(self) & THREAD_KILLED || !self->ctx)
		return -EINTR;
	if (!__atomic_exchange_n(&wanted, true, __ATOMIC_SEQ_CST))
		klog_warn("%s invoked oom-killer: order=0, oom_score_adj=0", self->name);
	wake_one(&ask_queue);
	if (wait_event_killable(
		    &answer_queue, __atomic_load_n(&rounds, __ATOMIC_SEQ_CST) != round) != 0)
		return -EINTR;
	return READ_ONCE(answer);
}

void oom_kill_init(void)
{
	struct thread *t;

	assert(!started);
	started = true;
	waitqueue_init(&ask_queue);
	waitqueue_init(&answer_queue);
	t = thread_create_kernel("oom", oom_main, NULL);
	assert(!IS_ERR(t));
	mm_set_oom_handler(oom_ask);
}
