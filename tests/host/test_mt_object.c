/* Mappings of files and shared memory beside truncate, write-back and reclaim, on several CPUs. */
#include "mt_env.h"

#include "mm/object_pages.h"

#define CPUS   3
#define PAGES  64
#define ROUNDS 120

static struct host_pager pager;
static vaddr_t shared, copied;

static void begin(unsigned delay_us)
{
	host_pager_init(&pager, PAGES, PG(PAGES));
	pager.delay_us = delay_us;
	shared = mt_map_object(pager.vo, 0, PAGES, RW, true);
	copied = mt_map_object(pager.vo, 0, PAGES, RW, false);
}

static void end(void)
{
	assert_int_equal(munmap(ctx, shared, PG(PAGES)), 0);
	assert_int_equal(munmap(ctx, copied, PG(PAGES)), 0);
	host_pager_destroy(&pager);
}

/*
 * Truncate
 */

/*
 * Bytes of the file at offset 9 of each page are what the pager has, or 0 once the page was cut
 * off. Byte 1 of a private page is the thread's own, and gone after a cut.
 */
static void fault_in_all_ways(void)
{
	struct host_rng r = {cpu_id() * 7919};

	env_load(ctx);
	while (mt_running()) {
		unsigned page = host_rand(&r) % PAGES;
		vaddr_t va = (host_rand(&r) & 1 ? shared : copied) + PG(page);
		int v;

		if (host_rand(&r) & 1) {
			v = mt_load(ctx, va + 9);
			mt_must(v == -ENXIO || v == 0 || v == host_pager_byte(page, 9));
		} else {
			v = mt_store(ctx, va + cpu_id(), 0x80 | cpu_id());
			mt_must(v == -ENXIO || v == 0);
		}
	}
	env_load(NULL);
}

static void nothing_past(unsigned pages)
{
	for (unsigned i = pages; i < PAGES; i += 3) {
		mt_must(mt_load(ctx, shared + PG(i)) == -ENXIO);
		mt_must(mt_load(ctx, copied + PG(i)) == -ENXIO);
		mt_must(mt_store(ctx, copied + PG(i), 1) == -ENXIO);
	}
}

static void cut_and_grow(void)
{
	struct host_rng r = {31};

	env_load(ctx);
	for (unsigned n = 0; n < ROUNDS; n++) {
		unsigned pages = host_rand(&r) % PAGES;

		cache_truncate(pager.vo, PG(pages));
		nothing_past(pages);
		memset(pager.store + PG(pages), 0, PG(PAGES - pages));
		cache_truncate(pager.vo, PG(PAGES));
		/* What was cut off does not come back, whoever had it. */
		for (unsigned i = pages; i < PAGES; i += 5) {
			mt_must(mt_load(ctx, shared + PG(i) + 9) == 0);
			mt_must(mt_load(ctx, copied + PG(i) + 9) == 0);
		}
	}
	env_load(NULL);
	mt_end();
}

static void truncate_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		cut_and_grow();
	else
		fault_in_all_ways();
}

static void faults_beside_truncate_see_the_file_or_its_end(void **state)
{
	(void)state;
	begin(100);
	mt_run(CPUS, truncate_roles, NULL);
	end();
}

/* The same with memory that has no file behind it. */

static struct vm_object *object;

static void store_and_load_shared(void)
{
	env_load(ctx);
	for (unsigned n = 0; mt_running(); n++) {
		int err = mt_store(ctx, shared + PG(n % PAGES) + cpu_id(), 1);

		mt_must(err == 0 || err == -ENXIO);
	}
	env_load(NULL);
}

static void cut_and_grow_object(void)
{
	env_load(ctx);
	for (unsigned n = 0; n < ROUNDS; n++) {
		unsigned pages = n * 13 % PAGES;

		cache_truncate(object, PG(pages));
		for (unsigned i = pages; i < PAGES; i += 3)
			mt_must(mt_load(ctx, shared + PG(i)) == -ENXIO);
		cache_truncate(object, PG(PAGES));
		for (unsigned i = pages; i < PAGES; i += 3)
			mt_must(mt_load(ctx, shared + PG(i)) == 0);
	}
	env_load(NULL);
	mt_end();
}

static void object_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		cut_and_grow_object();
	else
		store_and_load_shared();
}

static void faults_beside_truncate_of_shared_memory(void **state)
{
	(void)state;
	object = vm_object_create("zero", PG(PAGES), VM_RIGHTS);
	shared = mt_map_object(object, 0, PAGES, RW, true);
	mt_run(CPUS, object_roles, NULL);
	assert_int_equal(munmap(ctx, shared, PG(PAGES)), 0);
	vm_object_put(object);
}

/*
 * Write-back
 */

static void write_numbers(void)
{
	unsigned n;

	env_load(ctx);
	for (n = 0; mt_running(); n++)
		mt_must(mt_store(ctx, shared + PG(n % PAGES) + cpu_id(), n / PAGES) == 0);
	env_load(NULL);
}

static void write_back_and_drop(void)
{
	env_load(ctx);
	for (unsigned n = 0; n < ROUNDS; n++) {
		mt_must(cache_write_back(pager.vo, 0, UINT64_MAX) == 0);
		if (n % 4 == 0)
			cache_drop_clean(pager.vo);
	}
	env_load(NULL);
	mt_end();
}

static void write_back_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		write_back_and_drop();
	else
		write_numbers();
}

/* Whatever was stored while its page was written is written the next time. */
static void no_store_beside_write_back_is_lost(void **state)
{
	(void)state;
	begin(50);
	mt_run(CPUS, write_back_roles, NULL);
	assert_int_equal(cache_write_back(pager.vo, 0, UINT64_MAX), 0);
	assert_int_equal(pager.vo->ndirty, 0);
	for (unsigned i = 0; i < PAGES; i++) {
		for (unsigned k = 2; k <= CPUS; k++)
			assert_int_equal(env_read(shared + PG(i) + k), pager.store[PG(i) + k]);
	}
	end();
}

/*
 * Reclaim
 */

static void read_and_copy(void)
{
	struct host_rng r = {cpu_id() * 31337};

	env_load(ctx);
	while (mt_running()) {
		unsigned page = host_rand(&r) % PAGES;

		mt_must(mt_load(ctx, shared + PG(page) + 9) == host_pager_byte(page, 9));
		mt_must(mt_store(ctx, copied + PG(page) + cpu_id(), cpu_id()) == 0);
		mt_must(mt_load(ctx, copied + PG(page) + 9) == host_pager_byte(page, 9));
	}
	env_load(NULL);
}

static void take_pages_back(void)
{
	uint64_t dropped = 0;

	env_load(ctx);
	for (unsigned n = 0; dropped < 10 * PAGES; n++) {
		uint64_t max = 1 + n % 40, left = max;

		(void)cache_sweep(pager.vo, &left, !(n & 1));
		dropped += max - left;
		/* Private pages go back to the file's. */
		if (n % 8 == 0)
			mt_map_object(pager.vo, copied, PAGES / 2, RW, false);
	}
	env_load(NULL);
	mt_end();
}

static void reclaim_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		take_pages_back();
	else
		read_and_copy();
}

static void faults_beside_reclaim_find_the_page_again(void **state)
{
	(void)state;
	begin(20);
	mt_run(CPUS, reclaim_roles, NULL);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(env_read(copied + PG(i) + 9), host_pager_byte(i, 9));
	end();
}

/* A fill that fails is a bus error for who waits for it, and the page can be read afterwards. */

static uint32_t failures;

static void read_all(void *arg)
{
	(void)arg;
	env_load(ctx);
	for (unsigned i = 0; i < PAGES; i++) {
		int v = mt_load(ctx, copied + PG(i) + 9);

		if (v == -EIO)
			__atomic_fetch_add(&failures, 1, __ATOMIC_RELAXED);
		else
			mt_must(v == host_pager_byte(i, 9));
	}
	env_load(NULL);
}

static void a_page_that_cannot_be_read_is_a_bus_error(void **state)
{
	(void)state;
	begin(100);
	failures = 0;
	pager.fail_fill_in = 3;
	mt_run(CPUS, read_all, NULL);
	assert_in_range(failures, 1, CPUS);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(env_read(copied + PG(i) + 9), host_pager_byte(i, 9));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(faults_beside_truncate_see_the_file_or_its_end),
		env_test(faults_beside_truncate_of_shared_memory),
		env_test(no_store_beside_write_back_is_lost),
		env_test(faults_beside_reclaim_find_the_page_again),
		env_test(a_page_that_cannot_be_read_is_a_bus_error),
	};

	return cmocka_run_group_tests(tests, env_machine, NULL);
}
