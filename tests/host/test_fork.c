/* fork: what parent and child see, what is copied, what it costs, what is left when it fails. */
#include "mm_env.h"

#include "abi/mman.h"
#include "mm/access.h"

static struct mm_context *fork_now(void)
{
	struct mm_context *child = mm_fork_context(ctx);

	assert_false(IS_ERR(child));
	return child;
}

static void drop(struct mm_context *child)
{
	env_verify(child);
	env_load(ctx);
	mm_put_context(child);
}

static void parent_and_child_see_only_their_own_writes(void **state)
{
	vaddr_t va = env_map(PG(600), RW);
	struct mm_context *child;

	(void)state;
	for (unsigned i = 0; i < 600; i++)
		env_write(va + PG(i), i % 251);
	child = fork_now();
	for (unsigned i = 0; i < 600; i += 2) {
		assert_int_equal(env_write(va + PG(i), 252), 0);
		assert_int_equal(env_write_in(child, va + PG(i + 1), 253), 0);
	}
	for (unsigned i = 0; i < 600; i++) {
		assert_int_equal(env_read(va + PG(i)), i % 2 ? i % 251 : 252);
		assert_int_equal(env_read_in(child, va + PG(i)), i % 2 ? 253 : i % 251);
	}
	drop(child);
}

static void a_sole_owner_writes_in_place(void **state)
{
	vaddr_t va = env_map(PG(64), RW);
	struct mm_context *child;
	uint64_t copies;

	(void)state;
	for (unsigned i = 0; i < 64; i++)
		env_write(va + PG(i), 1);
	child = fork_now();
	drop(child);
	copies = mm_stat_get(STAT_FAULT_COPY);
	for (unsigned i = 0; i < 64; i++)
		env_write(va + PG(i), 2);
	assert_int_equal(mm_stat_get(STAT_FAULT_COPY), copies);
}

static void rewriting_after_the_child_has_gone_takes_one_fault_a_table(void **state)
{
	vaddr_t va = env_map_at(0x40000000, PG(1024), RW);
	uint64_t faults;

	(void)state;
	for (unsigned i = 0; i < 1024; i++)
		env_write(va + PG(i), 1);
	drop(fork_now());
	faults = mm_stat_get(STAT_FAULTS);
	for (unsigned i = 0; i < 1024; i++)
		env_write(va + PG(i), 2);
	assert_int_equal(mm_stat_get(STAT_FAULTS) - faults, 2);
}

static void generations_return_every_frame(void **state)
{
	vaddr_t va = env_map(PG(100), RW);
	struct mm_context *line[5];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		env_write(va + PG(i), i);
	for (unsigned g = 0; g < 5; g++) {
		line[g] = fork_now();
		env_write(va + PG(g), 200 + g);
	}
	for (unsigned g = 0; g < 5; g++)
		assert_int_equal(env_read_in(line[g], va + PG(g)), g);
	drop(line[2]);
	drop(line[0]);
	drop(line[4]);
	drop(line[1]);
	drop(line[3]);
}

static void a_stale_write_right_does_not_survive_the_fork(void **state)
{
	vaddr_t va = env_map(PG(1), RW);
	struct mm_context *child;

	(void)state;
	env_write(va, 1);
	host_enter_cpu(1);
	env_load(ctx);
	env_write(va, 2); /* CPU 1 has the right to write cached */
	host_enter_cpu(0);
	child = fork_now();
	host_enter_cpu(1);
	env_write(va, 3);
	env_load(NULL);
	host_enter_cpu(0);
	assert_int_equal(env_read_in(child, va), 2);
	assert_int_equal(env_read(va), 3);
	drop(child);
}

static void dontfork_and_wipeonfork_hide_memory_from_the_child(void **state)
{
	vaddr_t va = env_map_at(0x40000000, PG(3), RW);
	struct mm_context *child;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		env_write(va + PG(i), 5);
	assert_int_equal(mm_advise(ctx, va + PG(1), PG(1), MADV_DONTFORK), 0);
	assert_int_equal(mm_advise(ctx, va + PG(2), PG(1), MADV_WIPEONFORK), 0);
	child = fork_now();
	assert_int_equal(env_read_in(child, va), 5);
	assert_int_equal(env_read_in(child, va + PG(1)), -EFAULT);
	assert_int_equal(env_read_in(child, va + PG(2)), 0);
	assert_int_equal(env_read(va + PG(1)), 5);
	drop(child);
}

static void a_pinned_page_stays_the_parents(void **state)
{
	vaddr_t va = env_map(PG(40), RW);
	struct mm_context *child;
	struct page *pg;

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		env_write(va + PG(i), 1);
	assert_int_equal(mm_pin_page(ctx, va + PG(7), VM_WRITE, &pg), 0);
	child = fork_now();
	((uint8_t *)page_virt(pg))[0] = 9; /* the device goes on */
	assert_int_equal(env_read(va + PG(7)), 9);
	assert_int_equal(env_read_in(child, va + PG(7)), 1);
	assert_int_equal(env_write(va + PG(7), 10), 0);
	assert_int_equal(((uint8_t *)page_virt(pg))[0], 10);
	mm_unpin_page(ctx, pg);
	drop(child);
}

static void shared_memory_is_shared_with_the_child(void **state)
{
	struct mm_context *child;
	vaddr_t va;

	(void)state;
	assert_int_equal(mmap_anonymous(ctx, 0, PG(2), RW, MM_MAP_SHARED, &va), 0);
	env_write(va, 1);
	child = fork_now();
	env_write_in(child, va, 2);
	env_write_in(child, va + PG(1), 3);
	assert_int_equal(env_read(va), 2);
	assert_int_equal(env_read(va + PG(1)), 3);
	drop(child);
}

static void a_fork_that_fails_leaves_the_parent_as_it_was(void **state)
{
	vaddr_t va = env_map(PG(50), RW);
	struct mm_context *child = NULL;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		env_write(va + PG(i), i);
	env_map_at(0x50000000, PG(4), VM_READ);
	for (unsigned n = 1; n < 200; n++) {
		alloc_fail_nth(n);
		child = mm_fork_context(ctx);
		alloc_fail_nth(0);
		for (unsigned i = 0; i < 50; i += 11) {
			assert_int_equal(env_read(va + PG(i)), i);
			assert_int_equal(env_write(va + PG(i), i), 0);
		}
		env_verify(ctx);
		if (!IS_ERR(child))
			mm_put_context(child);
		else
			assert_int_equal(PTR_ERR(child), -ENOMEM);
	}
	child = fork_now();
	drop(child);
}

static void fork_does_not_cost_by_the_page(void **state)
{
	vaddr_t va = env_map(PG(4096), RW);
	uint64_t frames;
	struct mm_context *child;

	(void)state;
	for (unsigned i = 0; i < 4096; i++)
		env_write(va + PG(i), 1);
	frames = env_free_frames();
	child = fork_now();
	assert_true(frames - env_free_frames() <= 8);
	drop(child);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(parent_and_child_see_only_their_own_writes),
		env_test(a_sole_owner_writes_in_place),
		env_test(rewriting_after_the_child_has_gone_takes_one_fault_a_table),
		env_test(generations_return_every_frame),
		env_test(a_stale_write_right_does_not_survive_the_fork),
		env_test(dontfork_and_wipeonfork_hide_memory_from_the_child),
		env_test(a_pinned_page_stays_the_parents),
		env_test(shared_memory_is_shared_with_the_child),
		env_test(a_fork_that_fails_leaves_the_parent_as_it_was),
		env_test(fork_does_not_cost_by_the_page),
	};

	return cmocka_run_group_tests_name("fork", tests, env_machine, NULL);
}
