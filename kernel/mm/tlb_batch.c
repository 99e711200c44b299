/*
 * tlb_batch: the translations that one operation changed, shot down once at its end, and the table
 * pages that it unlinked, freed after that. A batch belongs to one thread: no locks.
 */
#include "lib/assert.h"
#include "mm/page.h"
#include "mm/pmap.h"

void tlb_batch_init(struct tlb_batch *tb, struct pmap *pm)
{
	tb->pm = pm;
	tb->whole = tb->counted = false;
	tb->table_low = tb->table_high = 0;
	tb->n = 0;
	tb->tables = NULL;
}

void tlb_batch_add(struct tlb_batch *tb, vaddr_t va)
{
	if (tb->whole)
		return;
	if (tb->n == TLB_BATCH_PAGES)
		tb->whole = true;
	else
		tb->pages[tb->n++] = va;
}

void tlb_batch_add_table(struct tlb_batch *tb, struct page *pg)
{
	pg->next_table = tb->tables ? (uint32_t)page_pfn(tb->tables) : 0;
	tb->tables = pg;
}

struct page *tlb_batch_pop_table(struct tlb_batch *tb)
{
	struct page *pg = tb->tables;

	if (pg)
		tb->tables = pg->next_table ? page_from_pfn(pg->next_table) : NULL;
	return pg;
}

void tlb_batch_finish(struct tlb_batch *tb)
{
	struct page *pg;
	cpuset_t active;

	/* An upper entry may be cached for a table with no leaf in it: any flush drops that. */
	if (tb->n == 0 && tb->tables)
		tb->whole = true;
	if (tb->n || tb->whole) {
		/* An atomic that changes nothing, as a full barrier that sanitizers understand: the
		 * edits are seen before the mask is read; pmap_load does it the other way. */
		active = __atomic_fetch_or(&tb->pm->active, 0, __ATOMIC_SEQ_CST);
		if (active)
			tlb_shootdown(tb->pm, active, tb->pages, tb->n, tb->whole);
	}
	if (tb->counted)
		__atomic_fetch_sub(&tb->pm->unflushed, 1, __ATOMIC_SEQ_CST);
	tb->counted = false;
	while ((pg = tlb_batch_pop_table(tb)) != NULL)
		page_table_free(pg);
	tb->whole = false;
	tb->n = 0;
}
