/*
 * Out of memory. The order of things when a frame is wanted and none is free:
 *
 *	allocator   per-CPU lists, empty slabs, reclaim (clean pages, then write-back)
 *	            nothing came of it, and the request is one that may end a process:
 *	handler     chooses the process that frees most, sends SIGKILL        proc/oom_kill.c
 *	reap        drops its private memory here and now
 *	            the allocator tries again
 *
 * Reaping is what keeps this from hanging: a victim may be asleep in a file system whose lock is
 * held by the very thread that waits for memory. mm_lock can always be had, because nobody waits
 * for memory with it held. A reaped context is `dying`: a fault in it would show zeros where data
 * were, so there are none any more; its threads are on their way out, everybody else's access to it
 * fails.
 */
#include "mm/oom.h"

#include "mm/amap.h"
#include "mm/edit.h"
#include "mm/vmap.h"
#include "sched/clock.h"
#include "sync/waitqueue.h"

static mm_oom_fn handler;
static struct waitqueue gone_queue;
static uint64_t nleaving; /* (a) contexts that are being taken down */
static bool watched;	  /* (a) somebody waits in gone_queue */

void mm_oom_init(void)
{
	waitqueue_init(&gone_queue);
}

void mm_set_oom_handler(mm_oom_fn fn)
{
	STORE_RELEASE(handler, fn);
}

int mm_out_of_memory(void)
{
	mm_oom_fn fn = LOAD_ACQUIRE(handler);

	return fn ? fn() : -ENOMEM;
}

/* Shared memory without a file goes when all have gone who map it: each counts for a part. */
static uint64_t score_of_object(const struct vmap *vm)
{
	struct vm_object *vo = vm->object;

	if (!vo || vo->kind != VMO_ZERO)
		return 0;
	return OOM_SCORE_PAGE * READ_ONCE(vo->npages) / MAX(READ_ONCE(vo->refs), 1u);
}

uint64_t mm_oom_score(struct mm_context *ctx)
{
	uint64_t score = OOM_SCORE_PAGE * READ_ONCE(ctx->pmap.tables);
	struct vmap *vm;

	rw_read_lock(&ctx->mm_lock);
	score += OOM_SCORE_PAGE * ctx->nvmaps * sizeof(*vm) / PAGE_SIZE;
	for (vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
		struct amap *am = LOAD_ACQUIRE(vm->amap);
		pgidx_t last = vm->amap_off + vm->npages - 1;

		score += score_of_object(vm);
		if (!am)
			continue;
		rw_read_lock(&am->lock);
		score += amap_resident(am, vm->amap_off, last);
		score += amap_exclusive(am, vm->amap_off, last);
		rw_read_unlock(&am->lock);
	}
	rw_read_unlock(&ctx->mm_lock);
	return score;
}

void mm_oom_reap(struct mm_context *ctx)
{
	struct vmap_edit e;
	struct tlb_batch tb;
	struct vmap *vm;

	edit_begin(&e, ctx);
	ctx->dying = true;
	tlb_batch_init(&tb, &ctx->pmap);
	pmap_remove(&ctx->pmap, USER_MIN, USER_MAX, &tb);
	tlb_batch_finish(&tb);
	for (vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
		if (vm->amap)
			amap_put(vm->amap, &e.dead_amaps);
		vm->amap = NULL;
	}
	edit_end(&e);
}

/*
 *	who waits			who takes a context down
 *	watched = true			ctx->gone = true, nleaving--
 *	look at nleaving, ctx->gone	look at watched: wake
 */
static void watch(bool on)
{
	__atomic_store_n(&watched, on, __ATOMIC_SEQ_CST);
}

/* NULL: are all gone that were leaving? */
static bool is_gone(const struct mm_context *ctx)
{
	return ctx ? __atomic_load_n(&ctx->gone, __ATOMIC_SEQ_CST)
		   : __atomic_load_n(&nleaving, __ATOMIC_SEQ_CST) == 0;
}

static bool wait_until_gone(const struct mm_context *ctx, unsigned looks)
{
	bool gone;

	watch(true);
	gone = wait_event_looks(&gone_queue, is_gone(ctx), WAIT_UNINTERRUPTIBLE, looks) == 0;
	watch(false);
	return gone;
}

bool mm_oom_wait_gone(struct mm_context *ctx, unsigned looks)
{
	return wait_until_gone(ctx, looks);
}

bool mm_oom_wait_leaving(unsigned looks)
{
	return !is_gone(NULL) && wait_until_gone(NULL, looks);
}

void mm_oom_note_leaving(void)
{
	__atomic_fetch_add(&nleaving, 1, __ATOMIC_RELAXED);
}

void mm_oom_note_gone(void)
{
	__atomic_fetch_sub(&nleaving, 1, __ATOMIC_SEQ_CST);
	if (unlikely(__atomic_load_n(&watched, __ATOMIC_SEQ_CST)))
		wake_all(&gone_queue);
}
