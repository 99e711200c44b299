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
 *						choose, tell, SIGKILL to all who share its memory
 *						reap; if that frees too little wait for its end
 *	try again                               count the round, wake all
 *
 * Chosen is the process whose memory frees most, by mm_oom_score(); never init nor who shares its
 * memory. One that was chosen before and has not come to its end within a second is passed over.
 */
#include "proc/oom_kill.h"

#include "klog.h"
#include "lib/assert.h"
#include "mm/buddy.h"
#include "mm/oom.h"
#include "mm/stats.h"
#include "proc/process.h"
#include "proc/signal.h"
#include "sched/clock.h"
#include "sched/sched.h"

#define GONE_WAIT_NS NSEC_PER_SEC
#define KB(pages)    ((unsigned long long)(pages) * (PAGE_SIZE / 1024))

static struct waitqueue ask_queue, answer_queue;
static bool started;
static bool wanted;	/* (a) somebody waits for a round */
static uint64_t rounds; /* (a) rounds done */
static int answer;	/* what the last round came to; written before rounds */

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

/* The best of those that may be ended: all but who has init's memory and who is ending already, of
 * which one goes to *ending, held. */
static void choose(
	struct victim *best, const struct mm_context *init_ctx, struct mm_context **ending)
{
	struct process *p;
	int nr = 0;

	while ((p = process_after(&nr)) != NULL) {
		struct victim v = {.process = p, .ctx = process_get_context(p)};

		if (!v.ctx) {
			process_put(p);
			continue;
		}
		if (READ_ONCE(v.ctx->dying)) {
			if (!*ending) {
				mm_hold_context(v.ctx);
				*ending = v.ctx;
			}
		} else if (v.ctx != init_ctx) {
			v.score = MAX(mm_oom_score(v.ctx), 1ul);
		}
		if (v.score > best->score) {
			victim_put(best);
			*best = v;
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

/* End it and have its memory back. Consumes v; its address space is returned, held. */
static struct mm_context *end_process(struct victim *v)
{
	struct mm_context *ctx = v->ctx;

	tell(v);
	mm_stat_inc(STAT_OOM_KILL);
	kill_all_of(ctx);
	mm_oom_reap(ctx);
	mm_hold_context(ctx);
	victim_put(v);
	return ctx;
}

static int oom_round(void)
{
	struct process *init = process_find(1);
	struct mm_context *init_ctx = init ? process_get_context(init) : NULL, *ending = NULL;
	struct victim v = {0};
	bool enough = memory_is_there();

	if (!enough)
		choose(&v, init_ctx, &ending);
	if (v.process) {
		if (ending)
			mm_drop_context(ending);
		ending = end_process(&v);
	}
	if (init_ctx)
		mm_put_context(init_ctx);
	if (init)
		process_put(init);
	if (!ending)
		return enough ? 0 : -ENOMEM;
	/* Its shared memory and its buffers in the kernel go when it is gone. */
	if (!memory_is_there())
		(void)mm_oom_wait_gone(ending, clock_monotonic_ns() + GONE_WAIT_NS);
	mm_drop_context(ending);
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
	if (thread_flags(self) & THREAD_KILLED)
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
