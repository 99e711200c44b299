/*
 * Faults of several CPUs beside madvise, brk, the growth of a stack, forced writes, pins,
 * statistics, the end. Beside munmap, mprotect, mremap: test_mt_fault.c.
 */
#include "mt_env.h"

#include "abi/mman.h"
#include "mm/access.h"
#include "mm/oom.h"
#include "mm/paging.h"
#include "mm/usage.h"

#define CPUS   3
#define RANGE  40
#define EDITS  200
#define OTHERS 0xee
#define AT     0x40000000ul

static vaddr_t area;
static struct host_pager pager;

/*
 * madvise
 */

static void store_everywhere(void)
{
	struct host_rng r = {cpu_id() + 77};

	env_load(ctx);
	while (mt_running()) {
		vaddr_t va = area + PG(host_rand(&r) % RANGE) + cpu_id();
		int v = host_rand(&r) & 1 ? mt_store(ctx, va, OTHERS) : mt_load(ctx, va);

		mt_must(v == 0 || v == OTHERS);
	}
	env_load(NULL);
}

/* What was dropped reads as zero, or as what the others stored since; my own byte is gone. */
static void drop_pages(void)
{
	struct host_rng r = {4711};

	env_load(ctx);
	for (unsigned n = 0; n < EDITS; n++) {
		unsigned first = host_rand(&r) % RANGE, len = 1 + host_rand(&r) % (RANGE - first);
		vaddr_t va = area + PG(first);

		mt_must(mt_store(ctx, va + 9, 1) == 0);
		mt_must(mm_advise(ctx, va, PG(len), n & 1 ? MADV_DONTNEED : MADV_FREE) == 0);
		mt_must(mt_load(ctx, va + 9) == 0);
	}
	env_load(NULL);
	mt_end();
}

static void dontneed_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		drop_pages();
	else
		store_everywhere();
}

static void stores_beside_dontneed(void **state)
{
	(void)state;
	area = env_map_at(AT - PG(RANGE / 2), PG(RANGE), RW);
	mt_run(CPUS, dontneed_roles, NULL);
}

/*
 * Dirty COW: a forced write breaks the sharing, the copy is dropped, the write must not meet the
 * file.
 */
static void force_writes(void)
{
	env_load(ctx);
	for (unsigned n = 0; mt_running(); n++) {
		uint8_t b = OTHERS;

		mt_must(mm_access(ctx, area + PG(n % RANGE) + cpu_id(), &b, 1, true, true) == 1);
	}
	env_load(NULL);
}

static void drop_copies(void)
{
	env_load(ctx);
	for (unsigned n = 0; n < 4 * EDITS; n++)
		mt_must(mm_advise(ctx, area, PG(RANGE), MADV_DONTNEED) == 0);
	env_load(NULL);
	mt_end();
}

static void force_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		drop_copies();
	else
		force_writes();
}

static void forced_writes_beside_dontneed_never_reach_the_file(void **state)
{
	(void)state;
	host_pager_init(&pager, RANGE, PG(RANGE));
	area = mt_map_object(pager.vo, 0, RANGE, VM_READ, false);
	mt_run(CPUS, force_roles, NULL);
	assert_int_equal(pager.vo->ndirty, 0);
	assert_int_equal(mm_advise(ctx, area, PG(RANGE), MADV_DONTNEED), 0);
	for (unsigned i = 0; i < RANGE; i++) {
		for (unsigned k = 2; k <= CPUS; k++)
			assert_int_equal(env_read(area + PG(i) + k), host_pager_byte(i, k));
	}
	assert_int_equal(munmap(ctx, area, PG(RANGE)), 0);
	host_pager_destroy(&pager);
}

/*
 * Areas that grow
 */

static struct mt_barrier gate;

static void grow_the_stack(void *arg)
{
	vaddr_t *low = arg;

	env_load(ctx);
	for (unsigned n = 1; n < 100; n++) {
		vaddr_t va = *low - PG(n) + cpu_id();

		mt_meet(&gate, CPUS);
		mt_must(mt_store(ctx, va, cpu_id()) == 0);
		mt_must(mt_load(ctx, va) == (int)cpu_id());
	}
	env_load(NULL);
}

static void a_stack_that_several_threads_grow(void **state)
{
	vaddr_t low = env_map_at(AT, PG(2), RW | VM_GROWSDOWN);

	(void)state;
	mt_run(CPUS, grow_the_stack, &low);
	assert_int_equal(env_vmaps(), 1);
	assert_int_equal(ctx->stack_pages, 2 + 99);
	for (unsigned n = 1; n < 100; n++) {
		for (unsigned k = 1; k <= CPUS; k++)
			assert_int_equal(env_read(low - PG(n) + k), k);
	}
}

static void grow_and_shrink_the_heap(void)
{
	struct host_rng r = {99};

	env_load(ctx);
	for (unsigned n = 0; n < EDITS; n++) {
		vaddr_t end = AT + PG(1 + host_rand(&r) % RANGE);

		mt_must(mm_brk(ctx, end) == end);
		mt_must(mt_load(ctx, end) == -EFAULT);
		mt_must(mt_store(ctx, end - PG(1) + 9, 1) == 0);
		mt_must(mm_brk(ctx, end - PG(1)) == end - PG(1));
		mt_must(mm_brk(ctx, end) == end);
		mt_must(mt_load(ctx, end - PG(1) + 9) == 0);
	}
	env_load(NULL);
	mt_end();
}

static void heap_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		grow_and_shrink_the_heap();
	else
		mt_store_about(AT, RANGE, OTHERS, -EFAULT);
}

static void stores_beside_the_break(void **state)
{
	(void)state;
	ctx->brk_start = ctx->brk = AT;
	mt_run(CPUS, heap_roles, NULL);
}

/* A part that moves and grows gets its slots copied into a tree of their own meanwhile. */
static void move_a_part_that_grows(void)
{
	vaddr_t out;

	env_load(ctx);
	for (unsigned n = 0; n < EDITS / 4; n++) {
		vaddr_t from = area + PG(10), to = 2 * AT + PG(n % 3 * 512);

		mt_must(mm_remap(ctx, from, PG(10), PG(20), MREMAP_MAYMOVE | MREMAP_FIXED, to,
				&out) == 0);
		mt_must(mt_load(ctx, to + PG(15)) == 0);
		mt_must(mt_load(ctx, from) == -EFAULT);
		mt_must(mm_remap(ctx, to, PG(20), PG(10), MREMAP_MAYMOVE | MREMAP_FIXED, from,
				&out) == 0);
		mt_must(mt_load(ctx, area + PG(20) + cpu_id()) == 0);
	}
	env_load(NULL);
	mt_end();
}

static void remap_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		move_a_part_that_grows();
	else
		mt_store_about(area, RANGE, OTHERS, -EFAULT);
}

static void stores_beside_mremap_that_grows(void **state)
{
	(void)state;
	area = env_map_at(AT, PG(RANGE), RW);
	mt_run(CPUS, remap_roles, NULL);
}

/*
 * Pins beside fork: what I/O writes is the parent's alone from the fork on.
 */

/* What a device does: fork may copy the page at the same time. */
__attribute__((no_sanitize("thread"))) static void device_store(struct page *pg, uint8_t b)
{
	*((volatile uint8_t *)page_virt(pg) + cpu_id()) = b;
}

static void pin_and_write(void)
{
	env_load(ctx);
	for (unsigned n = 0; mt_running(); n++) {
		vaddr_t va = area + PG(n % RANGE);
		struct page *pg;

		mt_must(mm_pin_page(ctx, va, VM_WRITE, &pg) == 0);
		device_store(pg, OTHERS);
		mt_must(mt_load(ctx, va + cpu_id()) == OTHERS);
		device_store(pg, 0);
		mm_unpin_page(ctx, pg);
	}
	env_load(NULL);
}

static void fork_and_watch(void)
{
	for (unsigned n = 0; n < EDITS / 4; n++) {
		struct mm_context *child = mm_fork_context(ctx);
		uint8_t was[RANGE][CPUS + 1];

		mt_must(!IS_ERR(child));
		env_load(child);
		for (unsigned i = 0; i < RANGE; i++) {
			for (unsigned k = 2; k <= CPUS; k++)
				was[i][k] = mt_load(child, area + PG(i) + k);
		}
		sched_yield();
		for (unsigned i = 0; i < RANGE; i++) {
			for (unsigned k = 2; k <= CPUS; k++)
				mt_must(mt_load(child, area + PG(i) + k) == was[i][k]);
		}
		env_load(NULL);
		mm_put_context(child);
	}
	mt_end();
}

static void pin_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		fork_and_watch();
	else
		pin_and_write();
}

static void pins_beside_fork(void **state)
{
	(void)state;
	area = env_map_at(AT - PG(RANGE / 2), PG(RANGE), RW);
	mt_run(CPUS, pin_roles, NULL);
	assert_int_equal(ctx->pins, 0);
}

/*
 * Truncate beside processes that come and go with private copies of the file
 */

static void come_and_go(void)
{
	for (unsigned n = 0; mt_running(); n++) {
		struct mm_context *child = mm_fork_context(ctx);

		mt_must(!IS_ERR(child));
		env_load(child);
		for (unsigned i = n % 3; i < RANGE; i += 3) {
			int v = mt_store(child, area + PG(i) + cpu_id(), OTHERS);

			mt_must(v == 0 || v == -ENXIO);
		}
		env_load(NULL);
		mm_put_context(child);
	}
}

static void cut_and_grow(void)
{
	env_load(ctx);
	for (unsigned n = 0; n < EDITS / 2; n++) {
		unsigned pages = n * 7 % RANGE;

		cache_truncate(pager.vo, PG(pages));
		mt_must(mt_load(ctx, area + PG(pages)) == -ENXIO);
		memset(pager.store + PG(pages), 0, PG(RANGE - pages));
		cache_truncate(pager.vo, PG(RANGE));
		mt_must(mt_load(ctx, area + PG(RANGE - 1) + 9) == 0);
	}
	env_load(NULL);
	mt_end();
}

static void come_and_go_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		cut_and_grow();
	else
		come_and_go();
}

static void truncate_beside_processes_that_come_and_go(void **state)
{
	(void)state;
	host_pager_init(&pager, RANGE, PG(RANGE));
	area = mt_map_object(pager.vo, 0, RANGE, RW, false);
	mt_run(CPUS, come_and_go_roles, NULL);
	assert_int_equal(munmap(ctx, area, PG(RANGE)), 0);
	host_pager_destroy(&pager);
}

/*
 * Statistics
 */

static int take_vec(void *cookie, const uint8_t *vec, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*(unsigned *)cookie += vec[i];
	return 0;
}

static void ask_for_everything(void)
{
	while (mt_running()) {
		struct mm_usage u = {0};
		struct mm_page_info info;
		struct mm_rss rss;
		struct vmap *vm;
		unsigned resident = 0;
		paddr_t pa;

		mm_context_rss(ctx, &rss);
		mt_must(rss.anon <= RANGE);
		mt_must(mm_oom_score(ctx) <= 4 * RANGE);
		rw_read_lock(&ctx->mm_lock);
		for (vm = vmap_first(ctx); vm; vm = vmap_next(vm))
			mm_vmap_usage_locked(vm, &u);
		for (unsigned i = 0; i < RANGE; i += 3)
			mm_page_info_locked(ctx, area + PG(i), &info);
		rw_read_unlock(&ctx->mm_lock);
		mt_must(u.rss <= RANGE);
		(void)!mm_incore(ctx, area, PG(RANGE), take_vec, &resident);
		mt_must(resident <= RANGE);
		(void)!mm_get_phys_addr(ctx, area, &pa);
	}
}

static void statistics_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		drop_pages();
	else if (cpu_id() == 2)
		ask_for_everything();
	else
		store_everywhere();
}

static void statistics_beside_faults_and_edits(void **state)
{
	(void)state;
	area = env_map_at(AT - PG(RANGE / 2), PG(RANGE), RW);
	mt_run(CPUS, statistics_roles, NULL);
}

/*
 * The end of a process that memory is taken from at once
 */

static struct mm_context *victim;
static uint32_t stores; /* (a) done in victim */

static void reap_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1) {
		while (__atomic_load_n(&stores, __ATOMIC_SEQ_CST) < 100)
			sched_yield();
		mm_oom_reap(victim);
		return;
	}
	env_load(victim);
	for (unsigned n = 0;; n++) {
		int v = mt_store(victim, area + PG(n % RANGE), 1);

		if (v == -EINTR)
			break;
		mt_must(v == 0);
		__atomic_fetch_add(&stores, 1, __ATOMIC_SEQ_CST);
		if (n % 16 == 0)
			(void)!mm_advise(victim, area, PG(RANGE / 2), MADV_DONTNEED);
	}
	env_load(NULL);
}

static void no_fault_after_its_memory_was_taken(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 20; n++) {
		victim = mm_create_context();
		stores = 0;
		assert_int_equal(mmap_anonymous(victim, AT, PG(RANGE), RW, MM_MAP_FIXED, &area), 0);
		mt_run(CPUS, reap_roles, NULL);
		assert_int_equal(mm_oom_score(victim) <= 2 * (victim->pmap.tables + 1), 1);
		mm_put_context(victim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(stores_beside_dontneed),
		env_test(forced_writes_beside_dontneed_never_reach_the_file),
		env_test(a_stack_that_several_threads_grow),
		env_test(stores_beside_the_break),
		env_test(stores_beside_mremap_that_grows),
		env_test(pins_beside_fork),
		env_test(truncate_beside_processes_that_come_and_go),
		env_test(statistics_beside_faults_and_edits),
		env_test(no_fault_after_its_memory_was_taken),
	};

	return cmocka_run_group_tests_name("fault beside", tests, env_machine, NULL);
}
