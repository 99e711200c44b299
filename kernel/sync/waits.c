/*
 * The counts of lock waits: a block a CPU, written by its own CPU only and summed when read. Lost
 * is at most a wait of an interrupt handler that comes between load and store of the same counter.
 */
#include "sync/waits.h"
#include "cpu.h"
#include "lib/assert.h"

struct wait_counts {
	uint64_t n[WAITS_COUNT];
} __aligned(64);

static struct wait_counts counts[CPU_MAX];

/* The classes, each with its first rank. */
static const struct {
	enum lock_rank from;
	const char *name;
} classes[WAITS_COUNT] = {
	[WAITS_PROCESS] = {RANK_NONE, "process"},
	[WAITS_FILE] = {RANK_MOUNT, "file"},
	[WAITS_CONTEXT] = {RANK_CONTEXT, "mm_context"},
	[WAITS_VMAP] = {RANK_VMAP, "vmap"},
	[WAITS_AMAP] = {RANK_AMAP, "amap"},
	[WAITS_OBJECT] = {RANK_OBJECT, "vm_object"},
	[WAITS_MARKS] = {RANK_SPINNING, "marks"},
	[WAITS_FUTEX] = {RANK_FUTEX, "futex"},
	[WAITS_PAGE_TABLE] = {RANK_PAGE_TABLE, "page_table"},
	[WAITS_TABLE] = {RANK_FILES, "table"},
	[WAITS_SLAB] = {RANK_SLAB, "slab"},
	[WAITS_BUDDY] = {RANK_BUDDY, "buddy"},
	[WAITS_SCHED] = {RANK_IRQ, "sched"},
};

void sync_count_wait(enum lock_rank rank)
{
	unsigned class = WAITS_COUNT - 1;
	uint64_t *n;

	while (classes[class].from > rank)
		class --;
	n = &counts[cpu_id()].n[class];
	WRITE_ONCE(*n, READ_ONCE(*n) + 1);
}

uint64_t sync_waits(enum wait_class class)
{
	uint64_t sum = 0;

	assert(class < WAITS_COUNT);
	for (unsigned i = 0; i < CPU_MAX; i++)
		sum += READ_ONCE(counts[i].n[class]);
	return sum;
}

uint64_t sync_waits_total(void)
{
	uint64_t sum = 0;

	for (enum wait_class class = 0; class < WAITS_COUNT; class ++)
		sum += sync_waits(class);
	return sum;
}

const char *sync_waits_name(enum wait_class class)
{
	assert(class < WAITS_COUNT);
	return classes[class].name;
}
