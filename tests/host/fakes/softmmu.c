/*
 * Soft MMU: see softmmu.h. A CPU's caches are guarded by its "interrupts off" lock, which a
 * shoot-down from another CPU takes too: an access is atomic against it, as an instruction is.
 *
 * Leaf cache: direct mapped, LEAF_SLOTS entries. Upper cache: for each of the three upper levels,
 * UPPER_SLOTS entries, from the address bits above to the table below with the rights so far
 * (SDM vol. 3, 4.10.3). INVLPG drops the page's leaf and all upper entries (4.10.4.1); so does a
 * page fault for its own address.
 */
#include "softmmu.h"
#include <stdio.h>
#include <string.h>
#include "host.h"
#include "mm/page.h"
#include "mm/physmap.h"
#include "panic.h"
#include "pte.h"
#include "sync/rank.h"

#define LEAF_SLOTS  1024
#define UPPER_SLOTS 16
#define RIGHTS_ALL  (PTE_W | PTE_U)

struct cached {
	bool valid;
	uint64_t tag;	 /* va >> shift of the level */
	uint64_t frame;	 /* physical address of the page or of the table below */
	uint64_t rights; /* AND of W and U so far; NX: OR */
};

struct soft_cpu {
	paddr_t root;
	struct cached leaf[LEAF_SLOTS];
	struct cached upper[5][UPPER_SLOTS]; /* by level 2..4 */
	unsigned forget_one_in;
	struct host_rng rng;
};

static struct soft_cpu soft_cpus[CPU_MAX];
struct softmmu_stat softmmu_stat;

static struct soft_cpu *soft_self(void)
{
	return &soft_cpus[this_cpu()->id];
}

static void count(uint64_t *c)
{
	__atomic_fetch_add(c, 1, __ATOMIC_RELAXED);
}

static void drop_all(struct soft_cpu *sc)
{
	memset(sc->leaf, 0, sizeof(sc->leaf));
	memset(sc->upper, 0, sizeof(sc->upper));
}

static void drop_uppers(struct soft_cpu *sc)
{
	memset(sc->upper, 0, sizeof(sc->upper));
}

static void drop_page(struct soft_cpu *sc, vaddr_t va)
{
	struct cached *c = &sc->leaf[(va >> PAGE_SHIFT) % LEAF_SLOTS];

	if (c->valid && c->tag == va >> PAGE_SHIFT)
		c->valid = false;
	drop_uppers(sc);
}

void mmu_load_root(paddr_t root)
{
	struct soft_cpu *sc = soft_self();
	irqflags_t irq = irq_save();

	sc->root = root;
	drop_all(sc);
	irq_restore(irq);
}

void softmmu_flush_all(void)
{
	irqflags_t irq = irq_save();

	drop_all(soft_self());
	irq_restore(irq);
}

void softmmu_set_forget(unsigned one_in, uint64_t seed)
{
	soft_self()->forget_one_in = one_in;
	soft_self()->rng.s = seed | 1;
}

static void forget_some(struct soft_cpu *sc)
{
	if (!sc->forget_one_in || host_rand(&sc->rng) % sc->forget_one_in)
		return;
	if (host_rand(&sc->rng) & 1)
		drop_uppers(sc);
	else
		sc->leaf[host_rand(&sc->rng) % LEAF_SLOTS].valid = false;
}

/* One entry of a table as the walker reads it. The table must be one. */
static uint64_t entry_load(paddr_t table, unsigned index)
{
	struct page *pg;

	if (table >> PAGE_SHIFT >= page_array_count)
		panic("soft MMU: walk through %#llx, which is no memory",
			(unsigned long long)table);
	pg = page_from_pfn(table >> PAGE_SHIFT);
	if (page_type(pg) != PG_TABLE)
		panic("soft MMU: walk through frame %#llx, which is no page table any more",
			(unsigned long long)table >> PAGE_SHIFT);
	return LOAD_ACQUIRE(((uint64_t *)phys_to_virt(table))[index]);
}

static uint64_t rights_and(uint64_t above, uint64_t e)
{
	return (above & e & RIGHTS_ALL) | ((above | e) & PTE_NX);
}

/* Deepest cached upper entry for va, else the root. Sets the level of the table to look into. */
static struct cached walk_start(struct soft_cpu *sc, vaddr_t va, unsigned *level)
{
	for (unsigned l = 2; l <= 4; l++) {
		uint64_t tag = va >> PT_SHIFT(l);
		struct cached *c = &sc->upper[l][tag % UPPER_SLOTS];

		if (c->valid && c->tag == tag) {
			*level = l - 1;
			return *c;
		}
	}
	*level = 4;
	return (struct cached){.frame = sc->root, .rights = RIGHTS_ALL};
}

/* Walk and fill the caches. False: not present. */
static bool walk(struct soft_cpu *sc, vaddr_t va, struct cached *out)
{
	unsigned level;
	struct cached c = walk_start(sc, va, &level);

	count(&softmmu_stat.walks);
	for (;; level--) {
		uint64_t tag = va >> PT_SHIFT(level);
		uint64_t e = entry_load(c.frame, pt_index(va, level));

		if (!(e & PTE_P))
			return false;
		if (!(e & PTE_A) && level == 1)
			panic("soft MMU: entry of %#llx has no accessed bit",
				(unsigned long long)va);
		if ((e & PTE_W) && !(e & PTE_D) && level == 1)
			panic("soft MMU: writable entry of %#llx has no dirty bit",
				(unsigned long long)va);
		c = (struct cached){true, tag, e & PTE_ADDR, rights_and(c.rights, e)};
		if (level == 1)
			break;
		sc->upper[level][tag % UPPER_SLOTS] = c;
	}
	sc->leaf[c.tag % LEAF_SLOTS] = c;
	*out = c;
	return true;
}

static bool rights_allow(uint64_t rights, vm_flags_t access, bool user)
{
	if (user && !(rights & PTE_U))
		return false;
	if ((access & VM_WRITE) && !(rights & PTE_W))
		return false;
	return !((access & VM_EXEC) && (rights & PTE_NX));
}

static void transfer(paddr_t frame, vaddr_t va, void *buf, size_t n, vm_flags_t access)
{
	char *p = (char *)phys_to_virt(frame) + (va & PAGE_MASK);

	/* Byte by byte and atomic: what races here is the program's own business. */
	for (size_t i = 0; i < n; i++) {
		if (access & VM_WRITE)
			__atomic_store_n(&p[i], ((char *)buf)[i], __ATOMIC_RELAXED);
		else
			((char *)buf)[i] = __atomic_load_n(&p[i], __ATOMIC_RELAXED);
	}
}

static enum mmu_result access_by(
	struct soft_cpu *sc, vaddr_t va, void *buf, size_t n, vm_flags_t access, bool user)
{
	struct cached c = sc->leaf[(va >> PAGE_SHIFT) % LEAF_SLOTS];
	enum mmu_result res = MMU_OK;

	if ((va & PAGE_MASK) + n > PAGE_SIZE)
		panic("soft MMU: access crosses a page");
	forget_some(sc);
	if (c.valid && c.tag == va >> PAGE_SHIFT)
		count(&softmmu_stat.hits);
	else if (!walk(sc, va, &c))
		res = MMU_NOT_PRESENT;
	if (res == MMU_OK && !rights_allow(c.rights, access, user))
		res = MMU_PROTECTION;
	if (res == MMU_OK)
		transfer(c.frame, va, buf, n, access);
	else
		drop_page(sc, va);
	return res;
}

enum mmu_result softmmu_access(vaddr_t va, void *buf, size_t n, vm_flags_t access)
{
	irqflags_t irq = irq_save();
	enum mmu_result res = access_by(soft_self(), va, buf, n, access, true);

	irq_restore(irq);
	return res;
}

enum mmu_result softmmu_access_kernel(vaddr_t va, void *buf, size_t n, vm_flags_t access)
{
	irqflags_t irq = irq_save();
	enum mmu_result res = access_by(soft_self(), va, buf, n, access, false);

	irq_restore(irq);
	return res;
}

void softmmu_walk_only(vaddr_t va)
{
	irqflags_t irq = irq_save();
	struct cached c;

	(void)walk(soft_self(), va, &c);
	irq_restore(irq);
}

/* --- shoot-down ------------------------------------------------------------------------------ */

struct flush {
	const vaddr_t *pages;
	unsigned n;
	bool whole;
};

/* What is about to be forgotten could be used until now: its frame must not be free already. */
static void check_stale(const struct cached *c, bool table)
{
	pfn_t pfn = c->frame >> PAGE_SHIFT;
	uint32_t type;

	if (!c->valid || pfn >= page_array_count)
		return;
	type = page_type(page_from_pfn(pfn));
	if (type == PG_FREE || (table && type != PG_TABLE))
		panic("soft MMU: frame %#llx was freed before the flush was acknowledged",
			(unsigned long long)pfn);
}

static void check_all_stale(const struct soft_cpu *sc, const struct flush *f)
{
	for (unsigned i = 0; i < LEAF_SLOTS && f->whole; i++)
		check_stale(&sc->leaf[i], false);
	for (unsigned i = 0; i < f->n && !f->whole; i++) {
		const struct cached *c = &sc->leaf[(f->pages[i] >> PAGE_SHIFT) % LEAF_SLOTS];

		if (c->tag == f->pages[i] >> PAGE_SHIFT)
			check_stale(c, false);
	}
	for (unsigned l = 2; l <= 4; l++) {
		for (unsigned i = 0; i < UPPER_SLOTS; i++)
			check_stale(&sc->upper[l][i], true);
	}
}

static void flush_self(void *arg)
{
	const struct flush *f = arg;
	struct soft_cpu *sc = soft_self();

	check_all_stale(sc, f);
	if (f->whole) {
		drop_all(sc);
		count(&softmmu_stat.whole_flushes);
		return;
	}
	for (unsigned i = 0; i < f->n; i++) {
		drop_page(sc, f->pages[i]);
		count(&softmmu_stat.page_flushes);
	}
}

void tlb_shootdown(struct pmap *pm, cpuset_t set, const vaddr_t *pages, unsigned n, bool whole)
{
	struct flush f = {pages, n, whole};

	(void)pm;
	count(&softmmu_stat.shootdowns);
	if (set == (cpuset_t)1 << cpu_id()) {
		irqflags_t irq = irq_save();

		flush_self(&f);
		irq_restore(irq);
		return;
	}
	/* Who waits for others holds no spinning lock: they may need it to get to answer. */
	rank_assert_none_from(RANK_SPINNING);
	cpu_call(set, flush_self, &f);
}

static void verify_leaf(const struct pmap *pm, const struct cached *c, unsigned cpu)
{
	vaddr_t va = c->tag << PAGE_SHIFT;
	struct pmap_entry e;

	if (va >= USER_MAX)
		return;
	e = pmap_query(pm, va);
	if (!e.present || e.pfn != c->frame >> PAGE_SHIFT)
		panic("CPU %u caches a translation of %#llx that is gone", cpu,
			(unsigned long long)va);
	if (((c->rights & PTE_W) && !(e.rights & VM_WRITE)) ||
		(!(c->rights & PTE_NX) && !(e.rights & VM_EXEC)))
		panic("CPU %u caches rights of %#llx that were taken away", cpu,
			(unsigned long long)va);
}

void softmmu_verify(const struct pmap *pm)
{
	struct cpu *self = this_cpu();

	cpuset_for_each (i, cpu_online_set()) {
		struct soft_cpu *sc = &soft_cpus[i];
		irqflags_t irq;

		host_enter_cpu(i);
		irq = irq_save();
		for (unsigned k = 0; sc->root == pm->root && k < LEAF_SLOTS; k++) {
			if (sc->leaf[k].valid)
				verify_leaf(pm, &sc->leaf[k], i);
		}
		irq_restore(irq);
		host_enter_cpu(self->id);
	}
}

/* --- the kernel's table ---------------------------------------------------------------------- */

void host_kernel_table_init(void)
{
	struct page *root = page_table_alloc(0);
	uint64_t *e = page_virt(root);

	for (unsigned i = PT_ENTRIES / 2; i < PT_ENTRIES; i++) {
		struct page *pg = page_table_alloc(0);

		e[i] = page_phys(pg) | PTE_P | PTE_W | PTE_A;
	}
	pmap_kernel_root = page_phys(root);
}
