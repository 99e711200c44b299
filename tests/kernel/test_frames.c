/* Frames, kernel objects and kernel ranges in the booted kernel. */
#include "cpu.h"
#include "ktest.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/kva.h"
#include "mm/pmap.h"
#include "mm/physmap.h"
#include "mm/slab.h"
#include "sched/thread.h"
#include "team.h"

static uint64_t settle(void)
{
	team_drain();
	return buddy_free_frames();
}

KTEST(buddy_gives_back_what_it_gave)
{
	uint64_t before = settle();
	struct page *pg[BUDDY_MAX_ORDER + 1];

	for (unsigned order = 0; order <= BUDDY_MAX_ORDER; order++) {
		pg[order] = page_alloc(order, ALLOC_ZERO | ALLOC_NORECLAIM);
		if (!pg[order])
			continue; /* a small machine has no block of 4 MiB */
		KTEST_ASSERT(IS_ALIGNED(page_pfn(pg[order]), (pfn_t)1 << order));
		KTEST_ASSERT(*(uint64_t *)page_virt(pg[order]) == 0);
		memset(page_virt(pg[order]), 0x5a, PAGE_SIZE << order);
	}
	for (unsigned order = 0; order <= BUDDY_MAX_ORDER; order++) {
		if (pg[order])
			page_free(pg[order], order);
	}
	KTEST_ASSERT(settle() == before);
}

KTEST(buddy_low_memory_is_below_4_gib)
{
	struct page *pg = page_alloc(3, ALLOC_DMA32);

	KTEST_ASSERT(pg && page_phys(pg) < 1ull << 32);
	page_free(pg, 3);
}

KTEST(slab_objects_come_and_go_on_every_cpu)
{
	uint64_t before = settle();
	void *p[200];

	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			p[i] = kmalloc(16 + i * 10, 0);
			KTEST_ASSERT(p[i]);
			memset(p[i], (int)i, 16 + i * 10);
		}
		for (unsigned i = 0; i < ARRAY_SIZE(p); i++) {
			KTEST_ASSERT(((uint8_t *)p[i])[15 + i * 10] == (uint8_t)i);
			kfree(p[i]);
		}
	}
	KTEST_ASSERT(settle() == before);
}

KTEST(kva_ranges_have_guards_and_zeroed_pages)
{
	uint64_t before = settle();
	uint8_t *p = kva_alloc(5), *q = kva_alloc(1);
	paddr_t pa;

	KTEST_ASSERT(p && q);
	for (unsigned i = 0; i < 5 * PAGE_SIZE; i++)
		KTEST_ASSERT(p[i] == 0);
	memset(p, 0xee, 5 * PAGE_SIZE);
	KTEST_ASSERT(pmap_kernel_query((vaddr_t)p + 4 * PAGE_SIZE, &pa));
	KTEST_ASSERT(*(uint8_t *)phys_to_virt(pa) == 0xee);
	KTEST_ASSERT(!pmap_kernel_query((vaddr_t)p - 1, &pa));
	KTEST_ASSERT(!pmap_kernel_query((vaddr_t)p + 5 * PAGE_SIZE, &pa));
	kva_free(p, 5);
	KTEST_ASSERT(!pmap_kernel_query((vaddr_t)p, &pa));
	kva_free(q, 1);
	/* Tables and the cache of ranges stay: a second round takes nothing more. */
	before = settle();
	p = kva_alloc(5);
	KTEST_ASSERT(p);
	kva_free(p, 5);
	KTEST_ASSERT(settle() == before);
}

KTEST(kva_stacks_are_recycled_and_guarded)
{
	void *s = kva_stack_alloc(), *again;

	KTEST_ASSERT(s);
	memset(s, 0x77, KERNEL_STACK_PAGES * PAGE_SIZE);
	KTEST_ASSERT(kva_is_stack_guard((vaddr_t)s - 8));
	KTEST_ASSERT(!kva_is_stack_guard((vaddr_t)s));
	KTEST_ASSERT(!kva_is_stack_guard((vaddr_t)s + KERNEL_STACK_PAGES * PAGE_SIZE - 1));
	KTEST_ASSERT(kva_is_stack_guard((vaddr_t)thread_current()->stack - PAGE_SIZE));
	kva_stack_free(s);
	again = kva_stack_alloc();
	KTEST_ASSERT(again == s);
	kva_stack_free(again);
}

KTEST(nth_allocation_fails_once)
{
	struct page *a, *b;

	alloc_fail_nth(1);
	a = page_alloc(0, 0);
	b = page_alloc(0, 0);
	alloc_fail_nth(0);
	KTEST_ASSERT(!a && b);
	page_free(b, 0);
}

/* More stacks than one leaf page table maps (64): the second table goes when they are gone. */
KTEST(kva_stacks_leave_no_page_tables)
{
	static void *stacks[150];
	uint64_t before;

	before = settle();
	for (unsigned i = 0; i < ARRAY_SIZE(stacks); i++) {
		stacks[i] = kva_stack_alloc();
		KTEST_ASSERT(stacks[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(stacks); i++)
		kva_stack_free(stacks[i]);
	KTEST_ASSERT(settle() == before);
}

static void drain_and_allocate(struct team *team, unsigned index)
{
	for (unsigned i = 0; i < 200; i++) {
		void *p = kva_alloc(1), *stack = kva_stack_alloc();

		TEAM_CHECK(team, p && stack);
		kva_free(p, 1);
		if (stack)
			kva_stack_free(stack);
		if (index == 0)
			kva_drain();
	}
}

/* The drain interrupts the others wherever they are, also with the lock of the address space. */
KTEST(kva_is_drained_while_other_cpus_allocate)
{
	struct team team = {.fn = drain_and_allocate, .size = cpu_count(), .pin = true};

	KTEST_ASSERT(team_run(&team));
}
