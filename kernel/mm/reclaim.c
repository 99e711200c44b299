/*
 * reclaim: what the allocator asks when nothing is left.
 *
 * A hand goes round the pages of all file objects as that of a clock: object by object in the order
 * of their list (a descriptor has no room for the links of a list of pages), page by page in each,
 * on from where it stopped. It drops clean pages that nobody used since it last came by; if one
 * round is not enough it takes used ones too. Then the owners of other caches shrink, and at last
 * the flusher makes dirty pages clean. Private memory stays: there is no swap. Source: Corbato, "A
 * paging experiment with the Multics system", 1968.
 *
 * A small stock of clean pages stays whatever happens. Without it a machine that is full of private
 * memory would go on for ever by dropping the code that it runs and reading it again, and nobody
 * would see that memory has run out.
 *
 * There is one hand for all. Who reclaims holds it (55): two at once would move it on for each
 * other, and one might pass by the only object that has something.
 */
#include "mm/reclaim.h"
#include "lib/assert.h"
#include "mm/buddy.h"
#include "mm/kva.h"
#include "mm/object_pages.h"
#include "mm/stats.h"
#include "sched/sched.h"
#include "sync/mutex.h"

#define KEEP_SHARE 64	/* of all frames, the part that stays as clean pages ... */
#define KEEP_MAX   1024 /* ... and the most of it */

static struct mutex hand;
static uint64_t (*shrinkers[RECLAIM_SHRINKERS])(void);

void reclaim_add_shrinker(uint64_t (*fn)(void))
{
	for (unsigned i = 0; i < RECLAIM_SHRINKERS; i++) {
		if (!shrinkers[i]) {
			shrinkers[i] = fn;
			return;
		}
	}
	assert(!"room for a shrinker");
}

/* At most once round all file objects; *want is counted down. => hand held */
static void go_round(uint64_t *want, bool spare)
{
	/* The hand may be in the middle of an object: that is passed twice. */
	uint64_t objects = object_count_all(false) + 1;

	while (objects && *want) {
		struct vm_object *vo = object_at_hand();

		if (!vo)
			break;
		if (cache_sweep(vo, want, spare)) {
			object_pass_by(vo);
			objects--;
		}
		vm_object_put(vo);
		cond_resched();
	}
}

/* Clean pages of files that may go: the rest is what the running programs come back for at once. */
static uint64_t clean_to_spare(void)
{
	uint64_t cached = object_pages_of(OBJECT_FILE) + object_pages_of(OBJECT_DEVICE);
	uint64_t keep = object_dirty_total() + writeback_pages() +
			MIN(buddy_total_frames() / KEEP_SHARE, (uint64_t)KEEP_MAX);

	return cached > keep ? cached - keep : 0;
}

uint64_t reclaim_clean(uint64_t want)
{
	uint64_t left;

	mutex_lock(&hand);
	left = want = MIN(want, clean_to_spare());
	go_round(&left, true);
	go_round(&left, false);
	mutex_unlock(&hand);
	mm_stat_add(STAT_RECLAIM, want - left);
	return want - left;
}

static uint64_t shrink_others(void)
{
	uint64_t freed = kva_drain();

	for (unsigned i = 0; i < RECLAIM_SHRINKERS && shrinkers[i]; i++)
		freed += shrinkers[i]();
	return freed;
}

static uint64_t reclaim(uint64_t want)
{
	uint64_t freed = reclaim_clean(want);
	bool more = true;

	if (freed)
		return freed;
	freed = shrink_others();
	/* One look more than there is progress: pages became clean since the last one, too. */
	while (!freed && more) {
		more = writeback_wait_progress();
		freed = reclaim_clean(want);
	}
	return freed;
}

void reclaim_init(void)
{
	mutex_init(&hand, RANK_RECLAIM, "reclaim hand");
	buddy_set_reclaim(reclaim);
}
