/*
 * Out of memory. The order of things when a frame is wanted and none is free:
 *
 *	allocator   per-CPU lists, empty slabs, reclaim (clean pages, then write-back)
 *	            nothing came of it, and the request is one that may end a process:
 *	handler     chooses the process that frees most, sends SIGKILL        proc/oom_kill.c
 *	reap        drops its private memory here and now
 *	            the allocator tries again
 *
 * Reaping is what keeps this from hanging: a victim may be asleep in a file system whose lock is held
 * by the very thread that waits for memory. mm_lock can always be had, because nobody waits for memory
 * with it held. A reaped context is `dying`: a fault in it would show zeros where data were, so there
 * are none any more; its threads are on their way out, everybody else's access to it fails.
 */
#include "mm/oom.h"

#include "mm/amap.h"
#include "mm/edit.h"
#include "mm/vmap.h"
#include "sync/waitqueue.h"

static mm_oom_fn handler;
static struct waitqueue gone_queue;

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

/* Shared memory without a file counts when this mapping is all that keeps it. */
static uint64_t score_of_object(const struct vmap *vm)
{
	struct vm_object *vo = vm->object;

	if (!vo || vo->kind != VMO_ZERO || READ_ONCE(vo->refs) != 1)
		return 0;
	return READ_ONCE(vo->npages);
}

uint64_t mm_oom_score(struct mm_context *ctx)
{
	uint64_t score = READ_ONCE(ctx->pmap.tables);
	struct vmap *vm;

	rw_read_lock(&ctx->mm_lock);
	for (vm = vmap_first(ctx); vm; vm = vmap_next(vm)) {
		struct amap *am = LOAD_ACQUIRE(vm->amap);
		pgidx_t last = vm->amap_off + vm->npages - 1;

		score += 2 * score_of_object(vm);
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

bool mm_oom_wait_gone(struct mm_context *ctx, uint64_t deadline_ns)
{
	return wait_event_mode(
		       &gone_queue, READ_ONCE(ctx->gone), WAIT_UNINTERRUPTIBLE, deadline_ns) == 0;
}

void mm_oom_note_gone(void)
{
	wake_all(&gone_queue);
}
