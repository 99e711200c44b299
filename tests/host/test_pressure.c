/*
 * When memory runs short: reclaim, shrinkers, the end of a process, promises of memory that are
 * refused.
 */
#include "mm_env.h"

#include <sched.h>

#include "abi/mman.h"
#include "hoard.h"
#include "mm/commit.h"
#include "mm/object_pages.h"
#include "mm/oom.h"
#include "mm/paging.h"
#include "mm/reclaim.h"
#include "mm/tune.h"
#include "pager.h"
#include "sched/clock.h"

#define AT 0x40000000ul

static const struct mm_tune defaults = {
	.overcommit_ratio = 50,
	.dirty_ratio = 20,
	.dirty_background_ratio = 10,
	.dirty_writeback_centisecs = 1,
	.max_map_count = 65530,
};

static int begin(void **state)
{
	mm_tune = defaults;
	return env_begin(state);
}

static int end(void **state)
{
	mm_set_oom_handler(NULL);
	buddy_set_reclaim(NULL);
	/* The flusher may hold the last reference to an object. */
	while (!host_sleeps(HOST_KTHREAD_CPU))
		sched_yield();
	mm_tune = defaults;
	return env_end(state);
}

/*
 * Reclaim
 */

#define BIG 1200 /* more pages than the stock of clean ones that stays */

static void read_all(struct host_pager *p, unsigned n)
{
	struct page *pg;

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(cache_get(p->vo, i, CACHE_READAHEAD, &pg), 0);
		cache_put(pg);
	}
}

static void used_pages_go_when_the_others_are_not_enough(void **state)
{
	static struct host_pager p;
	uint64_t freed;

	(void)state;
	host_pager_init(&p, BIG, PG(BIG));
	read_all(&p, BIG);
	read_all(&p, BIG); /* all were used again */
	freed = reclaim_clean(100);
	assert_true(freed >= 100);
	assert_int_equal(p.vo->npages, BIG - freed);
	assert_int_equal(reclaim_clean(0), 0);
	/* The stock stays. */
	while (reclaim_clean(100))
		;
	assert_true(p.vo->npages > 0);
	host_pager_destroy(&p);
}

static void mapped_pages_are_unmapped_and_locked_ones_stay(void **state)
{
	static struct host_pager p;
	struct mm_map_request rq = {.kind = MM_AREA_FILE,
		.vaddr = AT,
		.len = PG(8),
		.vmflags = VM_READ,
		.map_flags = MM_MAP_FIXED,
		.object = NULL,
		.offset = PG(4)};
	vaddr_t va;

	(void)state;
	host_pager_init(&p, 64, PG(64));
	rq.object = p.vo;
	read_all(&p, 64);
	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	rq.vaddr = 2 * AT;
	rq.offset = PG(32);
	rq.len = PG(4);
	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	assert_int_equal(env_read(AT + PG(1)), host_pager_byte(5, 0));
	assert_int_equal(env_read(2 * AT), host_pager_byte(32, 0));
	assert_int_equal(mm_lock_range(ctx, AT, PG(8), true, true), 0);
	assert_int_equal(cache_drop_clean(p.vo), 64 - 8);
	assert_true(pmap_query(&ctx->pmap, AT + PG(1)).present);
	assert_false(pmap_query(&ctx->pmap, 2 * AT).present);
	assert_int_equal(munmap(ctx, AT, PG(8)), 0);
	assert_int_equal(munmap(ctx, 2 * AT, PG(8)), 0);
	host_pager_destroy(&p);
}

/*
 * A use through a mapping is seen, too: by the fault that follows when the hand has taken the
 * translation.
 */
static void mapped_pages_that_are_used_stay(void **state)
{
	static struct host_pager p;
	struct mm_map_request rq = {.kind = MM_AREA_FILE,
		.vaddr = AT,
		.len = PG(64),
		.vmflags = VM_READ,
		.map_flags = MM_MAP_FIXED};
	uint64_t want = 100;
	vaddr_t va;

	(void)state;
	host_pager_init(&p, 64, PG(64));
	rq.object = p.vo;
	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	/* So far from each other that no fault enters the next. */
	for (unsigned i = 0; i < 64; i += 16)
		assert_int_equal(env_read(AT + PG(i)), host_pager_byte(i, 0));
	while (!cache_sweep(p.vo, &want, true))
		;
	for (unsigned i = 0; i < 64; i += 16)
		assert_int_equal(cache_count_resident(p.vo, i, i), 1);
	assert_false(pmap_query(&ctx->pmap, AT + PG(16)).present);
	assert_int_equal(env_read(AT + PG(16)), host_pager_byte(16, 0));
	want = 100;
	while (!cache_sweep(p.vo, &want, true))
		;
	for (unsigned i = 0; i < 64; i += 16)
		assert_int_equal(cache_count_resident(p.vo, i, i), i == 16);
	assert_int_equal(munmap(ctx, AT, PG(64)), 0);
	host_pager_destroy(&p);
}

static unsigned shrunk, shrink_gives = 16;

static uint64_t shrink(void)
{
	shrunk++;
	return hoard_give(shrink_gives);
}

static uint64_t shrink_nothing(void)
{
	return 0;
}

static void shrinkers_are_asked_when_no_clean_page_is_left(void **state)
{
	struct page *pg;

	(void)state;
	reclaim_init();
	reclaim_add_shrinker(shrink_nothing);
	reclaim_add_shrinker(shrink);
	hoard_all(0);
	pg = page_alloc(0, 0);
	assert_non_null(pg);
	assert_true(shrunk > 0);
	page_free(pg, 0);
	hoard_give_all();
	/* Frames come free, but no large block: that is not tried for ever. */
	hoard_all(0);
	shrink_gives = 1;
	assert_null(page_alloc(4, 0));
	shrink_gives = 0;
	hoard_all(0);
	assert_null(page_alloc(0, 0));
	hoard_give_all();
}

static void dirty_pages_are_written_to_become_free(void **state)
{
	static struct host_pager p;
	struct page *pg;

	(void)state;
	host_pager_init(&p, BIG, PG(BIG));
	mm_tune.dirty_writeback_centisecs = 100000;
	mm_tune.dirty_background_ratio = mm_tune.dirty_ratio = 100;
	read_all(&p, BIG);
	for (unsigned i = 0; i < BIG; i++)
		env_make_dirty(p.vo, i);
	reclaim_init();
	hoard_all(0);
	pg = page_alloc(0, 0);
	assert_non_null(pg);
	assert_true(p.pages_out > 0);
	page_free(pg, 0);
	hoard_give_all();
	host_pager_destroy(&p);
}

/*
 * Clean when reclaim has looked in vain, by somebody else, and nothing dirty is left to wait for.
 */
static struct host_pager others;

static uint64_t write_meanwhile(void)
{
	if (others.vo && cache_write_back(others.vo, 0, UINT64_MAX))
		abort();
	return 0;
}

static int end_nobody(void)
{
	abort();
}

static void pages_that_others_make_clean_meanwhile_become_free(void **state)
{
	struct page *pg;

	(void)state;
	host_pager_init(&others, BIG, PG(BIG));
	mm_tune.dirty_writeback_centisecs = 100000;
	mm_tune.dirty_background_ratio = mm_tune.dirty_ratio = 100;
	read_all(&others, BIG);
	for (unsigned i = 0; i < BIG; i++)
		env_make_dirty(others.vo, i);
	reclaim_init();
	reclaim_add_shrinker(write_meanwhile);
	mm_set_oom_handler(end_nobody);
	hoard_all(0);
	pg = page_alloc(0, 0);
	assert_non_null(pg);
	page_free(pg, 0);
	hoard_give_all();
	host_pager_destroy(&others);
	others.vo = NULL;
}

/*
 * Out of memory
 */

static int answer;
static unsigned asked;

static int oom(void)
{
	asked++;
	if (answer == 0 && !hoard_give(8))
		return -ENOMEM;
	return answer;
}

static void a_process_is_ended_when_nothing_else_helps(void **state)
{
	struct page *pg;

	(void)state;
	mm_set_oom_handler(oom);
	hoard_all(0);
	/* For single frames only. */
	assert_null(page_alloc(1, 0));
	assert_int_equal(asked, 0);
	answer = 0;
	pg = page_alloc(0, 0);
	assert_non_null(pg);
	assert_int_equal(asked, 1);
	list_add(&hoard, &pg->link);
	hoard_all(0);
	answer = -ENOMEM;
	assert_null(page_alloc(0, 0));
	/* Who is ended itself gets at the reserve, to come to its end. */
	answer = -EINTR;
	pg = page_alloc(0, 0);
	assert_non_null(pg);
	page_free(pg, 0);
	hoard_give_all();
	mm_set_oom_handler(NULL);
	hoard_all(0);
	assert_null(page_alloc(0, 0));
	hoard_give_all();
}

/* What the context costs without any page: tables and vmaps. */
static uint64_t base_score(void)
{
	return OOM_SCORE_PAGE * ctx->pmap.tables +
	       OOM_SCORE_PAGE * ctx->nvmaps * sizeof(struct vmap) / PAGE_SIZE;
}

static void the_score_is_what_the_end_would_free(void **state)
{
	struct mm_map_request shm = {.kind = MM_AREA_NORMAL,
		.vaddr = 2 * AT,
		.len = PG(8),
		.vmflags = RW,
		.map_flags = MM_MAP_SHARED | MM_MAP_FIXED};
	struct vm_object *file = env_file(PG(8));
	struct mm_context *child;
	vaddr_t va;

	(void)state;
	env_map_at(AT, PG(600), RW);
	assert_int_equal(mm_oom_score(ctx), base_score());
	for (unsigned i = 0; i < 600; i++)
		env_write(AT + PG(i), 1);
	assert_int_equal(mm_oom_score(ctx), base_score() + 600 * OOM_SCORE_PAGE);
	/* Pages that a child has too come free by the end of both. */
	child = mm_fork_context(ctx);
	assert_int_equal(mm_oom_score(ctx), base_score() + 600);
	env_write(AT + PG(5), 2);
	assert_int_equal(mm_oom_score(ctx), base_score() + 601);
	mm_put_context(child);
	mm_clear_context(ctx);
	/* So does shared memory by the end of all who map it. */
	assert_int_equal(mm_map(ctx, &shm, &va), 0);
	for (unsigned i = 0; i < 4; i++)
		env_write(va + PG(i), 1);
	assert_int_equal(mm_oom_score(ctx), base_score() + 4 * OOM_SCORE_PAGE);
	child = mm_fork_context(ctx);
	assert_int_equal(mm_oom_score(ctx), base_score() + 4 * OOM_SCORE_PAGE / 2);
	mm_put_context(child);
	mm_clear_context(ctx);
	/* Pages of files are no reason. */
	shm.kind = MM_AREA_FILE;
	shm.object = file;
	assert_int_equal(mm_map(ctx, &shm, &va), 0);
	env_write(va, 1);
	assert_int_equal(mm_oom_score(ctx), base_score());
	mm_clear_context(ctx);
	env_file_end(file);
}

static struct mm_context *victim;

static void end_or_wait(void *arg)
{
	bool *was_gone = arg;

	if (cpu_id() == 1) {
		while (!host_sleeps(2))
			sched_yield();
		mm_put_context(victim);
	} else {
		*was_gone = mm_oom_wait_gone(victim, OOM_LOOKS);
		mm_drop_context(victim);
	}
}

static void a_reaped_context_has_no_memory_and_no_faults(void **state)
{
	bool gone = false;
	uint64_t free_before;

	(void)state;
	victim = ctx;
	env_map_at(AT, PG(600), RW);
	env_map_at(2 * AT, PG(3), RW);
	for (unsigned i = 0; i < 600; i++)
		env_write(AT + PG(i), 1);
	free_before = env_free_frames();
	mm_oom_reap(ctx);
	assert_true(env_free_frames() >= free_before + 600);
	assert_int_equal(env_read(AT), -EINTR);
	assert_int_equal(PTR_ERR(mm_fork_context(ctx)), -EINTR);
	env_load(NULL);
	mm_hold_context(victim);
	assert_false(mm_oom_wait_gone(victim, 1));
	assert_false(mm_oom_wait_leaving(OOM_LOOKS)); /* there is none */
	host_run_cpus(1, 2, end_or_wait, &gone);
	assert_true(gone);
	ctx = mm_create_context();
}

/*
 * Promises
 */

static void promises_are_kept_in_the_strict_mode(void **state)
{
	struct mm_map_request shm = {
		.kind = MM_AREA_NORMAL, .len = 0, .vmflags = RW, .map_flags = MM_MAP_SHARED};
	uint64_t most, total = commit_total();
	struct mm_context *child;
	vaddr_t va, out;

	(void)state;
	mm_tune.overcommit_memory = OVERCOMMIT_NEVER;
	most = commit_limit() - total;
	assert_int_equal(mmap_anonymous(ctx, 0, PG(most + 1), RW, 0, &va), -ENOMEM);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(most + 1), RW | VM_NORESERVE, 0, &va), -ENOMEM);
	shm.len = PG(most + 1);
	assert_int_equal(mm_map(ctx, &shm, &va), -ENOMEM);
	assert_int_equal(commit_total(), total);
	/* What can never be written is not counted until it can. */
	assert_int_equal(mmap_anonymous(ctx, AT, PG(most + 1), VM_READ, MM_MAP_FIXED, &va), 0);
	assert_int_equal(vm_protect(ctx, AT, PG(most + 1), RW, false), -ENOMEM);
	assert_int_equal(munmap(ctx, AT + PG(most - 10), PG(11)), 0);
	assert_int_equal(vm_protect(ctx, AT, PG(most - 10), RW, false), 0);
	assert_int_equal(commit_total(), total + most - 10);
	assert_int_equal(vm_protect(ctx, AT, PG(most - 10), VM_READ, false), 0);
	assert_int_equal(vm_protect(ctx, AT, PG(most - 10), RW, false), 0);
	child = mm_fork_context(ctx);
	assert_int_equal(PTR_ERR(child), -ENOMEM);
	ctx->brk_start = ctx->brk = 2 * AT;
	assert_int_equal(mm_brk(ctx, 2 * AT + PG(11)), 2 * AT);
	assert_int_equal(mm_brk(ctx, 2 * AT + PG(2)), 2 * AT + PG(2));
	env_map_at(3 * AT, PG(2), RW | VM_GROWSDOWN);
	assert_int_equal(env_write(3 * AT - PG(7), 1), -EFAULT);
	assert_int_equal(env_write(3 * AT - PG(2), 1), 0);
	assert_int_equal(mmap_anonymous(ctx, 4 * AT, PG(2), RW, MM_MAP_FIXED, &va), 0);
	assert_int_equal(mm_remap(ctx, va, PG(2), PG(9), MREMAP_MAYMOVE, 0, &out), -ENOMEM);
	assert_int_equal(mm_remap(ctx, va, PG(2), PG(4), MREMAP_MAYMOVE, 0, &out), 0);
	assert_int_equal(commit_total(), commit_limit());
	mm_clear_context(ctx);
	assert_int_equal(commit_total(), total);
}

static void promises_are_made_in_the_others(void **state)
{
	uint64_t all = buddy_total_frames(), total = commit_total();
	vaddr_t va;

	(void)state;
	/* Obvious nonsense is refused, unless it is said not to be reserved. */
	assert_int_equal(mmap_anonymous(ctx, 0, PG(all + 1), RW, 0, &va), -ENOMEM);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(all + 1), RW | VM_NORESERVE, 0, &va), 0);
	assert_int_equal(commit_total(), total);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(all), RW, 0, &va), 0);
	assert_int_equal(mmap_anonymous(ctx, 0, PG(all), RW, 0, &va), 0);
	assert_int_equal(commit_total(), total + 2 * all);
	mm_tune.overcommit_memory = OVERCOMMIT_ALWAYS;
	assert_int_equal(mmap_anonymous(ctx, 0, PG(2 * all), RW, 0, &va), 0);
}

/* A fault that waits for the file system to prepare a page says why it could not. */
static int writable_answer;

static int make_writable(struct vm_object *vo, pgidx_t idx)
{
	(void)vo;
	(void)idx;
	return writable_answer;
}

static void a_page_that_cannot_be_made_writable_is_a_bus_error(void **state)
{
	static const int answers[][2] = {
		{-ENOSPC, -EIO}, {-ENOMEM, -ENOMEM}, {-EINTR, -EINTR}, {0, 0}};
	struct vm_object_ops ops = env_file_ops;
	struct vm_object *vo;
	struct mm_map_request rq = {.kind = MM_AREA_FILE,
		.vaddr = AT,
		.len = PG(2),
		.vmflags = RW,
		.map_flags = MM_MAP_SHARED | MM_MAP_FIXED};
	vaddr_t va;

	(void)state;
	mm_tune.dirty_writeback_centisecs = 100000;
	ops.make_writable = make_writable;
	vo = rq.object = vm_object_create_file("file", PG(2), &ops, NULL);
	assert_int_equal(mm_map(ctx, &rq, &va), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
		writable_answer = answers[i][0];
		assert_int_equal(env_write(AT + PG(i % 2), 1), answers[i][1]);
	}
	mm_clear_context(ctx);
	cache_discard(vo);
	vm_object_put(vo);
}

#define pressure_test(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static int machine(void **state)
{
	env_machine(state);
	cache_init();
	buddy_set_reclaim(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		pressure_test(used_pages_go_when_the_others_are_not_enough),
		pressure_test(mapped_pages_are_unmapped_and_locked_ones_stay),
		pressure_test(pages_that_others_make_clean_meanwhile_become_free),
		pressure_test(mapped_pages_that_are_used_stay),
		pressure_test(shrinkers_are_asked_when_no_clean_page_is_left),
		pressure_test(dirty_pages_are_written_to_become_free),
		pressure_test(a_process_is_ended_when_nothing_else_helps),
		pressure_test(the_score_is_what_the_end_would_free),
		pressure_test(a_reaped_context_has_no_memory_and_no_faults),
		pressure_test(promises_are_kept_in_the_strict_mode),
		pressure_test(promises_are_made_in_the_others),
		pressure_test(a_page_that_cannot_be_made_writable_is_a_bus_error),
	};

	return cmocka_run_group_tests_name("pressure", tests, machine, NULL);
}
