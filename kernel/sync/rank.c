/*
 * The lock-rank check of debug builds.
 *
 * Each thread notes the sleeping locks that it holds, each CPU the spinning ones (an interrupt
 * handler adds its own on top: all of rank 90 and up, taken with interrupts off). A lock may be
 * taken when its rank is above that of everything held. Equal ranks are fine in address order
 * (the _pair helpers), and, where the code has an order of its own, in any: page tables go from
 * the upper level to the lower, directories from the parent to the child.
 */
#ifdef QUIRE_DEBUG

#include "sync/rank.h"
#include "lib/assert.h"
#include "panic.h"
#include "sched/thread.h"

#define HELD_MAX 16

struct held_list {
	unsigned *n;
	const void **locks;
	const struct lock_debug **dbgs;
};

static bool held_sleeping(struct held_list *h)
{
	struct thread *t = thread_current();

	if (!t)
		return false;
	*h = (struct held_list){&t->nheld, t->held, t->held_dbg};
	return true;
}

/* => interrupts off, so that the CPU stays the same */
static struct held_list held_spinning(void)
{
	struct cpu *c = this_cpu();

	return (struct held_list){&c->nheld, c->held, c->held_dbg};
}

static bool own_order(enum lock_rank rank)
{
	return rank == RANK_PAGE_TABLE || rank == RANK_INODE_DIR;
}

static void check_against(const struct held_list *h, const void *lock, const struct lock_debug *dbg)
{
	for (unsigned i = 0; i < *h->n; i++) {
		const struct lock_debug *held = h->dbgs[i];

		if (held->rank < dbg->rank)
			continue;
		if (h->locks[i] == lock)
			panic("lock rank: %s (%d) is taken twice", dbg->name, dbg->rank);
		if (held->rank == dbg->rank && (h->locks[i] < lock || own_order(dbg->rank)))
			continue;
		panic("lock rank: %s (%d) is taken while %s (%d) is held", dbg->name, dbg->rank,
			held->name, held->rank);
	}
}

static void note(const struct held_list *h, const void *lock, const struct lock_debug *dbg)
{
	if (*h->n == HELD_MAX)
		panic("lock rank: %u locks held when %s is taken", HELD_MAX, dbg->name);
	h->locks[*h->n] = lock;
	h->dbgs[(*h->n)++] = dbg;
}

static void acquire(const void *lock, const struct lock_debug *dbg, bool check)
{
	irqflags_t flags;
	struct held_list h;

	if (dbg->rank == RANK_NONE || panic_in_progress())
		return;
	if (dbg->rank >= RANK_IRQ && irq_enabled())
		panic("lock rank: %s (%d) is taken with interrupts on", dbg->name, dbg->rank);
	flags = irq_save();
	if (check && held_sleeping(&h))
		check_against(&h, lock, dbg);
	h = held_spinning();
	if (check)
		check_against(&h, lock, dbg);
	if (dbg->rank >= RANK_SPINNING || held_sleeping(&h))
		note(&h, lock, dbg);
	irq_restore(flags);
}

void rank_acquire(const void *lock, const struct lock_debug *dbg)
{
	acquire(lock, dbg, true);
}

void rank_acquire_try(const void *lock, const struct lock_debug *dbg)
{
	acquire(lock, dbg, false);
}

static int find(const struct held_list *h, const void *lock)
{
	for (int i = (int)*h->n - 1; i >= 0; i--)
		if (h->locks[i] == lock)
			return i;
	return -1;
}

static bool forget(const struct held_list *h, const void *lock)
{
	int i = find(h, lock);

	if (i < 0)
		return false;
	for (unsigned j = (unsigned)i + 1; j < *h->n; j++) {
		h->locks[j - 1] = h->locks[j];
		h->dbgs[j - 1] = h->dbgs[j];
	}
	(*h->n)--;
	return true;
}

void rank_release(const void *lock)
{
	irqflags_t flags = irq_save();
	struct held_list h = held_spinning();

	if (!forget(&h, lock) && held_sleeping(&h))
		forget(&h, lock);
	irq_restore(flags);
}

bool rank_holds(const void *lock)
{
	irqflags_t flags = irq_save();
	struct held_list h = held_spinning();
	bool held = find(&h, lock) >= 0;

	if (!held && held_sleeping(&h))
		held = find(&h, lock) >= 0;
	irq_restore(flags);
	return held;
}

static void assert_none(const struct held_list *h, enum lock_rank rank)
{
	for (unsigned i = 0; i < *h->n; i++)
		if (h->dbgs[i]->rank >= rank)
			panic("lock rank: %s (%d) is held where nothing from %d up may be",
				h->dbgs[i]->name, h->dbgs[i]->rank, rank);
}

void rank_assert_none_from(enum lock_rank rank)
{
	irqflags_t flags;
	struct held_list h;

	if (panic_in_progress())
		return;
	flags = irq_save();
	h = held_spinning();
	assert_none(&h, rank);
	if (held_sleeping(&h))
		assert_none(&h, rank);
	irq_restore(flags);
}

#endif
