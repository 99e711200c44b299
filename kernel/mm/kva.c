/*
 * kva: kernel ranges that are mapped page by page.
 *
 * Two spaces of addresses, each a red-black tree of ranges, free and used, that cover it without
 * gaps. Each range in the general space begins with an unmapped guard page; the guard of the next
 * one stands behind it. Stacks have a space of their own, cut into slots of twice their size with
 * the guard in front, so that an address alone says whether it lies in a guard, without a lock,
 * inside the fault that tells a stack overflow.
 *
 *	| guard ........ | stack ........ | guard ........ | stack ........ |
 *	  slot                              slot
 *
 * Unmapping costs a shoot-down on every CPU. Stacks are therefore recycled mapped: a few per CPU,
 * the others in one list, linked through the descriptors of their first frames (owner = next, index
 * = address); kva_drain alone unmaps them.
 *
 * Locks: space->lock (78) for the tree; spare_lock (80) for the list; per-CPU lists with interrupts
 * off on their CPU. kva_drain empties those by a call that may interrupt who has a lock up to 78:
 * hence the rank of spare_lock, that of the other locks which such calls take (slab.c).
 */
#include "mm/kva.h"
#include "cpu.h"
#include "lib/assert.h"
#include "lib/rbtree.h"
#include "mm/buddy.h"
#include "mm/page.h"
#include "mm/paging.h"
#include "mm/pmap.h"
#include "mm/slab.h"
#include "panic.h"
#include "sched/thread.h"
#include "sync/spinlock.h"

#define STACK_SPACE_SIZE (1ul << 40)
#define STACK_SPACE_BASE (KVA_BASE + KVA_SIZE - STACK_SPACE_SIZE)
#define STACK_BYTES	 (KERNEL_STACK_PAGES * PAGE_SIZE)
#define STACK_SLOT	 (2 * STACK_BYTES)
_Static_assert((STACK_SLOT & (STACK_SLOT - 1)) == 0, "slots are found by masking");
#define STACKS_PER_CPU 4

struct range {
	struct rb_node node;
	vaddr_t start;
	uint64_t len;
	bool used;
};

struct space {
	struct spinlock lock;
	struct rb_tree ranges;
	vaddr_t high; /* no range at or above was ever used */
};

static struct space general = {.lock = SPINLOCK_INIT(RANK_FILES, "kva")};
static struct space stacks = {.lock = SPINLOCK_INIT(RANK_FILES, "kva stacks")};
static struct slab_cache *range_cache;
static struct spinlock spare_lock = SPINLOCK_INIT(RANK_SLAB, "spare stacks");
static struct page *spare_list; /* (spare_lock) first frames of spare stacks */
static struct {
	unsigned n;
	void *stack[STACKS_PER_CPU];
} cpu_spares[CPU_MAX];

/* --- addresses ------------------------------------------------------------------------------- */

static struct range *range_of(struct rb_node *n)
{
	return n ? rb_entry(n, struct range, node) : NULL;
}

static void range_insert(struct space *sp, struct range *r)
{
	struct rb_node *parent = NULL, **link = &sp->ranges.root;

	while (*link) {
		parent = *link;
		link = r->start < range_of(parent)->start ? &parent->left : &parent->right;
	}
	rb_insert(&sp->ranges, &r->node, parent, link);
}

static void space_init(struct space *sp, vaddr_t base, uint64_t len)
{
	struct range *r = slab_alloc(range_cache, 0);

	assert(r);
	*r = (struct range){.start = base, .len = len};
	sp->high = base;
	range_insert(sp, r);
}

/* The first free range of len bytes; what is left of it becomes `rest`, consumed if it is used. */
static struct range *range_take_locked(struct space *sp, uint64_t len, struct range **rest)
{
	struct rb_node *n;

	rb_for_each (n, &sp->ranges) {
		struct range *r = range_of(n);

		if (r->used || r->len < len)
			continue;
		if (r->len > len) {
			**rest = (struct range){.start = r->start + len, .len = r->len - len};
			r->len = len;
			range_insert(sp, *rest);
			*rest = NULL;
		}
		r->used = true;
		WRITE_ONCE(sp->high, MAX(sp->high, r->start + len));
		return r;
	}
	return NULL;
}

/* 0: no address space or no memory for the node. */
static vaddr_t space_alloc(struct space *sp, uint64_t len)
{
	struct range *rest = slab_alloc(range_cache, 0), *r;
	vaddr_t start;

	if (!rest)
		return 0;
	spin_lock(&sp->lock);
	r = range_take_locked(sp, len, &rest);
	start = r ? r->start : 0;
	spin_unlock(&sp->lock);
	if (rest)
		slab_free(range_cache, rest);
	return start;
}

/* Join b, which follows a, to a. Returns b, to be freed. */
static struct range *range_join(struct space *sp, struct range *a, struct range *b)
{
	a->len += b->len;
	rb_remove(&sp->ranges, &b->node);
	return b;
}

static void space_free(struct space *sp, vaddr_t start, uint64_t len)
{
	struct rb_node *n = sp->ranges.root;
	struct range *r, *next, *prev, *dead[2] = {NULL, NULL};

	spin_lock(&sp->lock);
	n = sp->ranges.root;
	while (n && range_of(n)->start != start)
		n = start < range_of(n)->start ? n->left : n->right;
	r = range_of(n);
	assert(r && r->used && r->len == len);
	r->used = false;
	next = range_of(rb_next(&r->node));
	prev = range_of(rb_prev(&r->node));
	if (next && !next->used)
		dead[0] = range_join(sp, r, next);
	if (prev && !prev->used)
		dead[1] = range_join(sp, prev, r);
	spin_unlock(&sp->lock);
	for (unsigned i = 0; i < 2; i++) {
		if (dead[i])
			slab_free(range_cache, dead[i]);
	}
}

void kva_init(void)
{
	range_cache = slab_cache_create("kva_range", sizeof(struct range), 8, NULL);
	space_init(&general, KVA_BASE, KVA_SIZE - STACK_SPACE_SIZE);
	space_init(&stacks, STACK_SPACE_BASE, STACK_SPACE_SIZE);
}

/* --- memory ---------------------------------------------------------------------------------- */

/* Take frames out from under [va, +npages), unmapped first. */
static void pages_unmap(vaddr_t va, size_t npages)
{
	struct list frames;

	list_init(&frames);
	for (size_t i = 0; i < npages; i++) {
		paddr_t pa;

		if (pmap_kernel_query(va + i * PAGE_SIZE, &pa))
			list_add(&frames, &page_from_pfn(pa >> PAGE_SHIFT)->link);
	}
	pmap_kernel_unmap(va, npages);
	while (!list_empty(&frames))
		page_free(list_entry(list_pop(&frames), struct page, link), 0);
}

static int pages_map(vaddr_t va, size_t npages, unsigned flags)
{
	for (size_t i = 0; i < npages; i++) {
		struct page *pg = page_alloc(0, flags);

		if (pg && !pmap_kernel_map(va + i * PAGE_SIZE, page_pfn(pg), 1, VM_READ | VM_WRITE))
			continue;
		if (pg)
			page_free(pg, 0);
		pages_unmap(va, i);
		return -ENOMEM;
	}
	return 0;
}

void *kva_alloc(size_t npages)
{
	uint64_t len = (npages + 1) * PAGE_SIZE;
	vaddr_t start;

	if (npages == 0 || npages >= KVA_SIZE / PAGE_SIZE)
		return NULL;
	start = space_alloc(&general, len);
	if (!start)
		return NULL;
	if (pages_map(start + PAGE_SIZE, npages, ALLOC_ZERO)) {
		space_free(&general, start, len);
		return NULL;
	}
	return (void *)(start + PAGE_SIZE);
}

void kva_free(void *va, size_t npages)
{
	vaddr_t first = (vaddr_t)va;

	if (!va)
		return;
	pages_unmap(first, npages);
	space_free(&general, first - PAGE_SIZE, (npages + 1) * PAGE_SIZE);
}

void *kva_map_device(paddr_t pa, size_t len, vm_flags_t flags)
{
	uint64_t inside = pa & PAGE_MASK;
	size_t npages = page_count(inside + len);
	vaddr_t start = space_alloc(&general, (npages + 1) * PAGE_SIZE);

	if (!start)
		return NULL;
	if (mm_map_kernel_pages(NULL, start + PAGE_SIZE, pa >> PAGE_SHIFT, npages,
		    VM_READ | VM_WRITE | (flags & VM_CACHE_MASK))) {
		space_free(&general, start, (npages + 1) * PAGE_SIZE);
		return NULL;
	}
	return (void *)(start + PAGE_SIZE + inside);
}

void kva_unmap_device(void *va, size_t len)
{
	vaddr_t first = ALIGN_DOWN((vaddr_t)va, PAGE_SIZE);
	size_t npages = page_count(((vaddr_t)va & PAGE_MASK) + len);

	if (!va)
		return;
	pmap_kernel_unmap(first, npages);
	space_free(&general, first - PAGE_SIZE, (npages + 1) * PAGE_SIZE);
}

/* --- stacks ---------------------------------------------------------------------------------- */

static void spare_push_locked(void *stack)
{
	struct page *pg;
	paddr_t pa;

	if (!pmap_kernel_query((vaddr_t)stack, &pa))
		panic("kernel stack %p is not mapped", stack);
	pg = page_from_pfn(pa >> PAGE_SHIFT);
	pg->owner = (struct vm_object *)spare_list;
	pg->index = (vaddr_t)stack;
	spare_list = pg;
}

static void *spare_pop_locked(void)
{
	struct page *pg = spare_list;

	if (!pg)
		return NULL;
	spare_list = (struct page *)pg->owner;
	return (void *)pg->index;
}

static void *spare_take(void)
{
	irqflags_t irq = irq_save();
	unsigned id = cpu_id();
	void *stack = cpu_spares[id].n ? cpu_spares[id].stack[--cpu_spares[id].n] : NULL;

	irq_restore(irq);
	if (stack)
		return stack;
	irq = spin_lock_irqsave(&spare_lock);
	stack = spare_pop_locked();
	spin_unlock_irqrestore(&spare_lock, irq);
	return stack;
}

void *kva_stack_alloc(void)
{
	void *stack = spare_take();
	vaddr_t slot;

	if (stack)
		return stack;
	slot = space_alloc(&stacks, STACK_SLOT);
	if (!slot)
		return NULL;
	if (pages_map(slot + STACK_SLOT - STACK_BYTES, KERNEL_STACK_PAGES, 0)) {
		space_free(&stacks, slot, STACK_SLOT);
		return NULL;
	}
	return (void *)(slot + STACK_SLOT - STACK_BYTES);
}

void kva_stack_free(void *stack)
{
	irqflags_t irq = irq_save();
	unsigned id = cpu_id();
	bool kept = cpu_spares[id].n < STACKS_PER_CPU;

	assert(((vaddr_t)stack & (STACK_SLOT - 1)) == STACK_SLOT - STACK_BYTES);
	if (kept)
		cpu_spares[id].stack[cpu_spares[id].n++] = stack;
	irq_restore(irq);
	if (kept)
		return;
	irq = spin_lock_irqsave(&spare_lock);
	spare_push_locked(stack);
	spin_unlock_irqrestore(&spare_lock, irq);
}

bool kva_is_stack_guard(vaddr_t va)
{
	return va >= STACK_SPACE_BASE && va < READ_ONCE(stacks.high) &&
	       (va & (STACK_SLOT - 1)) < STACK_SLOT - STACK_BYTES;
}

/* On each CPU: its spares into the common list. */
static void spill_spares(void *arg)
{
	unsigned id = cpu_id();

	(void)arg;
	spin_lock(&spare_lock);
	while (cpu_spares[id].n)
		spare_push_locked(cpu_spares[id].stack[--cpu_spares[id].n]);
	spin_unlock(&spare_lock);
}

uint64_t kva_drain(void)
{
	uint64_t frames = pmap_drain();

	cpu_call(cpu_online_set(), spill_spares, NULL);
	for (;;) {
		irqflags_t irq = spin_lock_irqsave(&spare_lock);
		vaddr_t stack = (vaddr_t)spare_pop_locked();

		spin_unlock_irqrestore(&spare_lock, irq);
		if (!stack)
			break;
		pages_unmap(stack, KERNEL_STACK_PAGES);
		space_free(&stacks, stack + STACK_BYTES - STACK_SLOT, STACK_SLOT);
		frames += KERNEL_STACK_PAGES;
	}
	frames += pmap_kernel_trim(STACK_SPACE_BASE, READ_ONCE(stacks.high));
	return frames + pmap_kernel_trim(KVA_BASE, READ_ONCE(general.high));
}
