/*
 * The other CPUs: while one runs an operation they go on, at any of its steps (each lock that it
 * takes, each allocation).
 *
 * WALK: they walk the tables of what they have loaded, as a CPU may by speculation at any time. So
 * what a table says for a moment only is cached, and must be right or be flushed.
 *
 * STORE: threads store to private pages for which they need no fault. What such a store may not do:
 * reach a frame that is free, be missing from what the operation moves or hands on, or be seen
 * after the operation has answered (the model has it in the page's cell at once, and what the
 * operation does to the cell comes after).
 */
#include "mm_fuzz.h"

#include "softmmu.h"

#define ONE_IN 24

#define RECENT 64

static struct host_rng rng;
static enum others doing;
static uint16_t recent[RECENT]; /* pages written last: what is writable now */
static unsigned nrecent;

void others_note(unsigned page)
{
	recent[nrecent++ % RECENT] = page;
}

unsigned others_recent(unsigned i)
{
	return recent[i % RECENT];
}

static int context_of(const struct pmap *pm)
{
	for (unsigned c = 0; c < CONTEXTS; c++) {
		if (contexts[c].ctx && &contexts[c].ctx->pmap == pm)
			return (int)c;
	}
	return -1;
}

static void store(struct mpage *p, vaddr_t va)
{
	unsigned k = host_rand(&rng) % SAMPLES;
	uint8_t b = host_rand(&rng);

	if ((p->kind != ANON && p->kind != FILE_PRIVATE) || !p->own)
		return;
	if (softmmu_access(va + sample_offset(k), &b, 1, VM_WRITE) == MMU_OK)
		p->cell.b[k] = b;
}

static void step(void)
{
	uint64_t r = host_rand(&rng);
	unsigned cpu = (r >> 8) % CPUS, page = (r >> 16) % WINDOW;
	vaddr_t va;
	int c;

	if (r % ONE_IN || cpu == this_cpu()->id)
		return;
	host_enter_cpu(cpu);
	c = context_of(this_cpu()->loaded);
	if (c < 0)
		return;
	if (r >> 41 & 3)
		page = recent[(r >> 48) % RECENT];
	va = WINDOW_BASE + page * PAGE_SIZE;
	if (doing == OTHERS_STORE && r >> 40 & 1)
		store(&contexts[c].page[page], va);
	else
		softmmu_walk_only(va);
}

enum others others_do(enum others what)
{
	enum others old = doing;

	doing = what;
	host_set_step(what == OTHERS_REST ? NULL : step);
	return old;
}

void others_begin(uint64_t seed)
{
	rng.s = seed * 0x9e3779b97f4a7c15ul | 1;
	doing = OTHERS_REST;
	nrecent = 0;
	memset(recent, 0, sizeof(recent));
}
