/*
 * TLB shoot-down with acknowledgement.
 *
 * Every CPU has one slot for the request that it makes and one mask of the CPUs that want something
 * of it, as cpu_call has; here the work is known, so that the interrupt stays short. The caller
 * holds no spinning lock and waits with interrupts on: CPUs that shoot at each other all answer
 * while they wait. It stays on its CPU meanwhile, because the kernel is not preempted.
 *
 * Why no translation survives: pmap_load sets the CPU's bit in pm->active, fences and loads CR3;
 * who changes a table changes it, fences and reads pm->active. A CPU that the caller does not see
 * in the set has yet to load CR3 and walks the new table. One that has left it for another table
 * dropped its entries with that load, so it has nothing to do.
 */
#include "ipi.h"
#include "apic.h"
#include "trap.h"
#include "insn.h"
#include "lib/assert.h"
#include "mm/pmap.h"
#include "mm/stats.h"
#include "sync/rank.h"

struct tlb_slot {
	struct pmap *pm; /* NULL: the kernel half */
	const vaddr_t *pages;
	unsigned n;
	bool whole;
	cpuset_t todo;	  /* atomic: who has not acknowledged */
	cpuset_t callers; /* atomic: CPUs whose slots want this CPU */
} __aligned(64);

static struct tlb_slot slots[CPU_MAX];

/* Entries of the kernel half are global: a load of CR3 keeps them (SDM vol. 3A 4.10.4.1). */
static void flush_all_global(void)
{
	uint64_t cr4 = cr4_read();

	if (!(cr4 & CR4_PGE)) {
		cr3_write(cr3_read());
		return;
	}
	cr4_write(cr4 & ~CR4_PGE);
	cr4_write(cr4);
}

static inline void flush_here(const struct pmap *pm, const vaddr_t *pages, unsigned n, bool whole)
{
	if (pm && this_cpu()->loaded != pm)
		return;
	if (!whole) {
		for (unsigned i = 0; i < n; i++)
			page_invalidate(pages[i]);
	} else if (pm) {
		cr3_write(cr3_read());
		mm_stat_inc(STAT_TLB_FLUSH_LOCAL);
	} else {
		flush_all_global();
	}
}

static void tlb_vector(unsigned vector, struct user_regs *regs)
{
	unsigned me = cpu_id();
	cpuset_t callers;

	(void)vector;
	(void)regs;
	apic_eoi();
	callers = __atomic_exchange_n(&slots[me].callers, 0, __ATOMIC_ACQUIRE);
	for (; callers; callers &= callers - 1) {
		struct tlb_slot *slot = &slots[__builtin_ctzll(callers)];

		flush_here(slot->pm, slot->pages, slot->n, slot->whole);
		mm_stat_inc(STAT_TLB_RECEIVED);
		__atomic_fetch_and(&slot->todo, ~((cpuset_t)1 << me), __ATOMIC_RELEASE);
	}
}

/* Ask the others to flush; they answer in todo. */
static __noinline void shoot_others(
	struct pmap *pm, cpuset_t others, const vaddr_t *pages, unsigned n, bool whole)
{
	cpuset_t self = (cpuset_t)1 << cpu_id();
	struct tlb_slot *slot = &slots[cpu_id()];

	rank_assert_none_from(RANK_SPINNING); /* who waits holds none (rule g) */
	assert(irq_enabled());
	slot->pm = pm;
	slot->pages = pages;
	slot->n = n;
	slot->whole = whole;
	STORE_RELEASE(slot->todo, others);
	for (cpuset_t c = others; c; c &= c - 1)
		__atomic_fetch_or(&slots[__builtin_ctzll(c)].callers, self, __ATOMIC_RELEASE);
	ipi_send_set(others, VECTOR_TLB);
	mm_stat_inc(STAT_TLB_SHOOTDOWN);
}

void tlb_shootdown(struct pmap *pm, cpuset_t set, const vaddr_t *pages, unsigned n, bool whole)
{
	cpuset_t self = (cpuset_t)1 << cpu_id(), others = set & cpu_online_set() & ~self;

	if (others)
		shoot_others(pm, others, pages, n, whole);
	if (set & self)
		flush_here(pm, pages, n, whole);
	if (others)
		while (LOAD_ACQUIRE(slots[cpu_id()].todo))
			cpu_relax();
}

void tlb_init(void)
{
	trap_set_vector(VECTOR_TLB, tlb_vector);
}
