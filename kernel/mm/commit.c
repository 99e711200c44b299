/*
 * One counter for the whole machine. A charge is taken before an edit changes anything and given to
 * the vmaps that it makes (struct vmap_edit.charge); what an edit did not use goes back at its end,
 * and a vmap's part when it is released. So the sum over all vmaps and objects is the counter, but
 * for edits under way.
 */
#include "mm/commit.h"

#include "mm/buddy.h"

static uint64_t total; /* (a) */

int commit_charge(uint64_t pages)
{
	uint64_t now = __atomic_add_fetch(&total, pages, __ATOMIC_RELAXED);
	bool refused = false;

	switch (READ_ONCE(mm_tune.overcommit_memory)) {
	case OVERCOMMIT_ALWAYS:
		break;
	case OVERCOMMIT_NEVER:
		refused = now > commit_limit();
		break;
	default:
		/* Obvious nonsense only: more at once than the machine has. */
		refused = pages > buddy_total_frames();
	}
	if (!refused)
		return 0;
	commit_uncharge(pages);
	return -ENOMEM;
}

void commit_uncharge(uint64_t pages)
{
	if (pages)
		__atomic_fetch_sub(&total, pages, __ATOMIC_RELAXED);
}

uint64_t commit_total(void)
{
	return __atomic_load_n(&total, __ATOMIC_RELAXED);
}

uint64_t commit_limit(void)
{
	return buddy_total_frames() * READ_ONCE(mm_tune.overcommit_ratio) / 100;
}
