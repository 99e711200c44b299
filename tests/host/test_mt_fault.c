/* Faults of several CPUs on the same pages, and beside edits of their range. */
#include "mt_env.h"

#include "abi/mman.h"

#define CPUS   3
#define ROUNDS 60

static struct mt_barrier gate;
static vaddr_t area;
static struct vm_object *object;
static struct host_pager pager;

/*
 * All at the same page
 */

static void store_own_byte(void *arg)
{
	unsigned page = *(unsigned *)arg;

	env_load(ctx);
	mt_meet(&gate, CPUS);
	mt_must(mt_store(ctx, area + PG(page) + cpu_id(), cpu_id()) == 0);
	for (unsigned i = 1; i <= CPUS; i++)
		(void)mt_load(ctx, area + PG(page) + i);
	env_load(NULL);
}

static void all_store_to(unsigned page)
{
	mt_run(CPUS, store_own_byte, &page);
	for (unsigned i = 1; i <= CPUS; i++)
		assert_int_equal(env_read(area + PG(page) + i), i);
}

static void two_first_stores_to_a_zero_page_both_stay(void **state)
{
	(void)state;
	area = env_map(PG(ROUNDS), RW);
	for (unsigned i = 0; i < ROUNDS; i++) {
		/* Every other page shows the zero page first. */
		if (i & 1)
			assert_int_equal(env_read(area + PG(i)), 0);
		all_store_to(i);
		assert_int_equal(env_read(area + PG(i) + CPUS + 1), 0);
	}
}

static void two_first_stores_to_a_private_file_page_both_stay(void **state)
{
	(void)state;
	host_pager_init(&pager, ROUNDS, PG(ROUNDS));
	pager.delay_us = 300;
	area = mt_map_object(pager.vo, 0, ROUNDS, RW, false);
	for (unsigned i = 0; i < ROUNDS; i++) {
		all_store_to(i);
		assert_int_equal(env_read(area + PG(i) + 99), host_pager_byte(i, 99));
	}
	assert_int_equal(munmap(ctx, area, PG(ROUNDS)), 0);
	host_pager_destroy(&pager);
}

static void two_first_stores_to_a_shared_file_page_both_stay(void **state)
{
	(void)state;
	host_pager_init(&pager, ROUNDS, PG(ROUNDS));
	pager.delay_us = 300;
	area = mt_map_object(pager.vo, 0, ROUNDS, RW, true);
	for (unsigned i = 0; i < ROUNDS; i++) {
		all_store_to(i);
		assert_int_equal(env_read(area + PG(i) + 99), host_pager_byte(i, 99));
	}
	assert_int_equal(pager.vo->ndirty, ROUNDS);
	assert_int_equal(munmap(ctx, area, PG(ROUNDS)), 0);
	host_pager_destroy(&pager);
}

static void two_first_stores_to_shared_memory_both_stay(void **state)
{
	(void)state;
	object = vm_object_create("zero", PG(ROUNDS), VM_RIGHTS);
	area = mt_map_object(object, 0, ROUNDS, RW, true);
	for (unsigned i = 0; i < ROUNDS; i++)
		all_store_to(i);
	assert_int_equal(object->npages, ROUNDS);
	assert_int_equal(munmap(ctx, area, PG(ROUNDS)), 0);
	vm_object_put(object);
}

static void two_stores_that_break_sharing_both_stay(void **state)
{
	struct mm_context *child;

	(void)state;
	area = env_map(PG(ROUNDS), RW);
	for (unsigned i = 0; i < ROUNDS; i++)
		assert_int_equal(env_write(area + PG(i) + 99, i), 0);
	child = mm_fork_context(ctx);
	assert_false(IS_ERR(child));
	for (unsigned i = 0; i < ROUNDS; i++) {
		all_store_to(i);
		assert_int_equal(env_read(area + PG(i) + 99), i);
		assert_int_equal(env_read_in(child, area + PG(i) + 1), 0);
		assert_int_equal(env_read_in(child, area + PG(i) + 99), i);
	}
	env_verify(child);
	mm_put_context(child);
}

/*
 * munmap
 */

#define RANGE	 40
#define EDITS	 400
#define INTRUDER 0xee

/* Somebody else, who gets the frames that the unmapper lets go of. */
static void use_frames(void)
{
	struct mm_context *other = mm_create_context();

	mt_must(!IS_ERR(other));
	env_load(other);
	while (mt_running()) {
		vaddr_t va = 0;

		mt_must(mmap_anonymous(other, 0, PG(RANGE), RW, 0, &va) == 0);
		for (unsigned i = 0; i < RANGE; i++) {
			mt_must(mt_load(other, va + PG(i) + 5) == 0);
			mt_must(mt_store(other, va + PG(i) + 5, 0x11) == 0);
		}
		for (unsigned i = 0; i < RANGE; i++)
			mt_must(mt_load(other, va + PG(i) + 5) == 0x11);
		mt_must(munmap(other, va, PG(RANGE)) == 0);
	}
	env_load(NULL);
	mm_put_context(other);
}

static void store_wherever_mapped(void)
{
	struct host_rng r = {cpu_id() + 77};

	env_load(ctx);
	while (mt_running()) {
		unsigned page = host_rand(&r) % RANGE;
		int err = host_rand(&r) & 1 ? mt_store(ctx, area + PG(page) + 5, INTRUDER)
					    : mt_load(ctx, area + PG(page) + 5);

		mt_must(err == -EFAULT || err == 0 || err == INTRUDER);
	}
	env_load(NULL);
}

/* A page that was unmapped and mapped again is a fresh one. */
static void unmap_and_map(void)
{
	struct host_rng r = {4711};

	env_load(ctx);
	for (unsigned n = 0; n < EDITS; n++) {
		unsigned first = host_rand(&r) % RANGE, len = 1 + host_rand(&r) % (RANGE - first);
		vaddr_t va = area + PG(first), out;

		mt_must(munmap(ctx, va, PG(len)) == 0);
		mt_must(mt_load(ctx, va + 9) == -EFAULT);
		mt_must(mmap_anonymous(ctx, va, PG(len), RW, MM_MAP_FIXED, &out) == 0);
		mt_must(mt_load(ctx, va + 9) == 0);
		mt_must(mt_store(ctx, va + 9, 1) == 0);
	}
	env_load(NULL);
	mt_end();
}

static void munmap_roles(void *arg)
{
	(void)arg;
	switch (cpu_id()) {
	case 1:
		unmap_and_map();
		break;
	case 2:
		use_frames();
		break;
	default:
		store_wherever_mapped();
	}
}

static void stores_beside_munmap_reach_no_frame_of_others(void **state)
{
	(void)state;
	area = env_map_at(0x40000000 - PG(RANGE / 2), PG(RANGE), RW);
	mt_run(4, munmap_roles, NULL);
}

/*
 * mprotect
 */

static void count_up(void)
{
	env_load(ctx);
	for (unsigned n = 0; mt_running(); n++) {
		vaddr_t va = area + PG(n % RANGE) + cpu_id();
		int err = mt_store(ctx, va, n / RANGE);

		mt_must(err == 0 || err == -EACCES);
	}
	env_load(NULL);
}

static uint64_t sum_of_area(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < RANGE; i++) {
		for (unsigned k = 2; k < 5; k++)
			sum = sum * 31 + mt_load(ctx, area + PG(i) + k);
	}
	return sum;
}

static void forbid_and_allow(void)
{
	env_load(ctx);
	for (unsigned n = 0; n < EDITS / 4; n++) {
		uint64_t sum;

		mt_must(vm_protect(ctx, area, PG(RANGE), VM_READ, false) == 0);
		sum = sum_of_area();
		sched_yield();
		mt_must(sum_of_area() == sum);
		/* In two parts, so that the ranges split and merge. */
		mt_must(vm_protect(ctx, area, PG(n % RANGE), RW, false) == 0);
		mt_must(vm_protect(ctx, area, PG(RANGE), RW, false) == 0);
	}
	env_load(NULL);
	mt_end();
}

static void protect_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		forbid_and_allow();
	else
		count_up();
}

static void nothing_changes_after_mprotect_took_the_right(void **state)
{
	(void)state;
	area = env_map_at(0x40000000 - PG(RANGE / 2), PG(RANGE), RW);
	mt_run(CPUS, protect_roles, NULL);
	assert_int_equal(env_vmaps(), 1);
}

/*
 * mremap
 */

static vaddr_t place[2];

static void read_both_places(void)
{
	struct host_rng r = {cpu_id() + 5};

	env_load(ctx);
	while (mt_running()) {
		unsigned page = host_rand(&r) % RANGE;
		int v = mt_load(ctx, place[host_rand(&r) & 1] + PG(page));

		mt_must(v == -EFAULT || v == (int)page + 1);
	}
	env_load(NULL);
}

static void move_to_and_fro(void)
{
	vaddr_t out;

	env_load(ctx);
	for (unsigned n = 0; n < EDITS; n++) {
		vaddr_t from = place[n & 1], to = place[~n & 1];

		mt_must(mm_remap(ctx, from, PG(RANGE), PG(RANGE), MREMAP_MAYMOVE | MREMAP_FIXED, to,
				&out) == 0);
		mt_must(mt_load(ctx, from) == -EFAULT);
		for (unsigned i = 0; i < RANGE; i += 7)
			mt_must(mt_load(ctx, to + PG(i)) == (int)i + 1);
	}
	env_load(NULL);
	mt_end();
}

static void remap_roles(void *arg)
{
	(void)arg;
	if (cpu_id() == 1)
		move_to_and_fro();
	else if (cpu_id() == 2)
		use_frames();
	else
		read_both_places();
}

static void loads_beside_mremap_see_the_page_or_nothing(void **state)
{
	(void)state;
	place[0] = env_map_at(0x40000000, PG(RANGE), RW);
	place[1] = 0x50000000 + PG(3);
	for (unsigned i = 0; i < RANGE; i++)
		assert_int_equal(env_write(place[0] + PG(i), i + 1), 0);
	mt_run(4, remap_roles, NULL);
}

/*
 * The context's end
 */

static void touch_until_taken(void)
{
	env_load(ctx);
	for (unsigned n = 0; mt_running(); n++)
		(void)mt_store(ctx, area + PG(n % RANGE), 1);
	env_load(NULL);
}

static void clear_roles(void *arg)
{
	(void)arg;
	if (cpu_id() > 1) {
		touch_until_taken();
		return;
	}
	env_load(ctx);
	for (unsigned n = 0; n < EDITS / 8; n++) {
		vaddr_t out;

		mm_clear_context(ctx);
		mt_must(mt_load(ctx, area) == -EFAULT);
		mt_must(mmap_anonymous(ctx, area, PG(RANGE), RW, MM_MAP_FIXED, &out) == 0);
	}
	env_load(NULL);
	mt_end();
}

static void faults_beside_the_end_of_all_mappings(void **state)
{
	(void)state;
	area = env_map_at(0x40000000 - PG(RANGE / 2), PG(RANGE), RW);
	mt_run(CPUS, clear_roles, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(two_first_stores_to_a_zero_page_both_stay),
		env_test(two_first_stores_to_a_private_file_page_both_stay),
		env_test(two_first_stores_to_a_shared_file_page_both_stay),
		env_test(two_first_stores_to_shared_memory_both_stay),
		env_test(two_stores_that_break_sharing_both_stay),
		env_test(stores_beside_munmap_reach_no_frame_of_others),
		env_test(nothing_changes_after_mprotect_took_the_right),
		env_test(loads_beside_mremap_see_the_page_or_nothing),
		env_test(faults_beside_the_end_of_all_mappings),
	};

	return cmocka_run_group_tests(tests, env_machine, NULL);
}
