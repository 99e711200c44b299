/* Write-back by its thread, the flusher, and by others; who waits for it, and for how much. */
#include "mt_env.h"

#include "mm/object_pages.h"
#include "mm/tune.h"

static const struct mm_tune defaults = {
	.overcommit_ratio = 50,
	.dirty_ratio = 20,
	.dirty_background_ratio = 10,
	.dirty_writeback_centisecs = 1,
	.max_map_count = 65530,
};

/* The flusher reads it at any time. */
static void set_tune(unsigned centisecs, unsigned background_ratio, unsigned ratio)
{
	WRITE_ONCE(mm_tune.dirty_writeback_centisecs, centisecs);
	WRITE_ONCE(mm_tune.dirty_background_ratio, background_ratio);
	WRITE_ONCE(mm_tune.dirty_ratio, ratio);
}

#define LONG 100000 /* centiseconds: nobody waits for that */

static void reset_tune(void)
{
	set_tune(1, defaults.dirty_background_ratio, defaults.dirty_ratio);
}

static int begin(void **state)
{
	reset_tune();
	return env_begin(state);
}

/* The flusher may hold the last reference to an object: until it waits for work again. */
static int end(void **state)
{
	reset_tune();
	mt_until_sleeps(HOST_KTHREAD_CPU);
	return env_end(state);
}

static uint64_t value(const uint64_t *count)
{
	return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

static void until(const uint64_t *count, uint64_t want)
{
	while (value(count) < want)
		sched_yield();
}

static void set_hold(struct host_pager *p, bool on)
{
	__atomic_store_n(&p->hold, on, __ATOMIC_SEQ_CST);
}

static void fail_write(struct host_pager *p, unsigned in)
{
	__atomic_store_n(&p->fail_write_in, in, __ATOMIC_SEQ_CST);
}

/*
 * The flusher
 */

static void the_flusher_writes_what_is_dirty_by_itself(void **state)
{
	static struct host_pager p;

	(void)state;
	host_pager_init(&p, 64, PG(64));
	env_make_dirty(p.vo, 3);
	until(&p.pages_out, 1);
	/* At once when there is too much of it. */
	set_tune(LONG, 0, defaults.dirty_ratio);
	env_make_dirty(p.vo, 4);
	until(&p.pages_out, 2);
	/* What could not be written stays dirty and is written later. */
	reset_tune();
	fail_write(&p, 1);
	env_make_dirty(p.vo, 5);
	until(&p.pages_out, 3);
	host_pager_destroy(&p);
}

static void what_could_not_be_written_waits_for_its_time_however_much_it_is(void **state)
{
	static struct host_pager p;

	(void)state;
	host_pager_init(&p, 64, PG(64));
	set_tune(LONG, 0, 100);
	fail_write(&p, 1);
	env_make_dirty(p.vo, 3);
	until(&p.writes, 1);
	mt_until_sleeps(HOST_KTHREAD_CPU);
	assert_int_equal(value(&p.writes), 1);
	/* Who needs it written now asks. */
	set_tune(LONG, 0, 0);
	writeback_throttle();
	assert_int_equal(value(&p.pages_out), 1);
	host_pager_destroy(&p);
}

static void who_makes_pages_dirty_waits_while_there_are_too_many(void **state)
{
	static struct host_pager p;

	(void)state;
	host_pager_init(&p, 64, PG(64));
	writeback_throttle();
	p.delay_us = 2000;
	set_tune(LONG, defaults.dirty_background_ratio, 0);
	writeback_throttle(); /* nothing is dirty */
	env_make_dirty(p.vo, 1);
	env_make_dirty(p.vo, 2);
	writeback_throttle();
	assert_int_equal(value(&p.pages_out), 2);
	host_pager_destroy(&p);
}

/* What cannot be written, and who is being killed, is not waited for. */
static void throttling_ends_when_nothing_comes_of_it(void **state)
{
	static struct host_pager p;

	(void)state;
	host_pager_init(&p, 64, PG(64));
	set_tune(LONG, defaults.dirty_background_ratio, 0);
	fail_write(&p, 1);
	env_make_dirty(p.vo, 1);
	writeback_throttle();
	assert_true(value(&p.writes) >= 1);
	env_make_dirty(p.vo, 2);
	set_hold(&p, true);
	host_set_killed(true);
	writeback_throttle();
	host_set_killed(false);
	set_hold(&p, false);
	reset_tune();
	until(&p.pages_out, 1);
	host_pager_destroy(&p);
}

/*
 * A round that is under way when somebody begins to wait may be past what he waits for: that it
 * wrote nothing says nothing.
 */

static struct host_pager stuck, fine;

static void wait_or_let_go(void *arg)
{
	(void)arg;
	if (cpu_id() == 1) {
		writeback_throttle();
		mt_must(value(&fine.pages_out) == 1);
		return;
	}
	mt_until_sleeps(1);
	set_hold(&stuck, false);
	until(&fine.inside, 1);
	set_hold(&fine, false);
}

static void a_round_under_way_does_not_say_that_nothing_can_be_written(void **state)
{
	(void)state;
	host_pager_init(&stuck, 64, PG(64));
	host_pager_init(&fine, 64, PG(64));
	set_tune(LONG, 100, 100);
	env_make_dirty(stuck.vo, 1);
	set_hold(&stuck, true);
	fail_write(&stuck, 1);
	set_tune(LONG, 0, 0);
	writeback_notify();
	until(&stuck.inside, 1);
	/* It has counted what it writes in this round, one object; the write will fail. */
	set_tune(LONG, defaults.dirty_background_ratio, 0);
	env_make_dirty(fine.vo, 1);
	set_hold(&fine, true);
	host_run_cpus(1, 2, wait_or_let_go, NULL);
	assert_int_equal(value(&stuck.pages_out), 1);
	assert_int_equal(object_dirty_total(), 0);
	host_pager_destroy(&fine);
	host_pager_destroy(&stuck);
}

/* Nothing is dirty any more, but somebody else writes: that is waited for. */

static void write_or_throttle(void *arg)
{
	(void)arg;
	switch (cpu_id()) {
	case 1:
		mt_must(cache_write_back(stuck.vo, 0, UINT64_MAX) == 0);
		break;
	case 2:
		until(&stuck.inside, 1);
		writeback_throttle();
		mt_must(value(&stuck.pages_out) >= 1);
		break;
	default:
		mt_until_sleeps(2);
		/* The flusher was woken for it, and finds nothing. */
		mt_until_sleeps(HOST_KTHREAD_CPU);
		set_hold(&stuck, false);
	}
}

static void who_waits_for_progress_waits_for_what_others_write(void **state)
{
	(void)state;
	host_pager_init(&stuck, 64, PG(64));
	set_tune(LONG, defaults.dirty_background_ratio, 0);
	env_make_dirty(stuck.vo, 1);
	stuck.hold = true;
	host_run_cpus(1, 3, write_or_throttle, NULL);
	host_pager_destroy(&stuck);
}

/*
 * By who asks
 */

static void unlinked_files_and_those_without_a_store_are_not_written(void **state)
{
	static struct host_pager p;
	struct vm_object *shm = vm_object_create("shm", PG(2), VM_RIGHTS);

	(void)state;
	host_pager_init(&p, 64, PG(64));
	set_tune(LONG, defaults.dirty_background_ratio, defaults.dirty_ratio);
	p.vo->vo_flags |= VMO_UNLINKED;
	env_make_dirty(p.vo, 1);
	assert_int_equal(cache_write_back(p.vo, 0, UINT64_MAX), 0);
	assert_int_equal(value(&p.writes), 0);
	assert_int_equal(cache_write_back(shm, 0, UINT64_MAX), 0);
	/* An object that goes with dirty pages takes them along. */
	host_pager_destroy(&p);
	assert_int_equal(object_dirty_total(), 0);
	vm_object_put(shm);
}

static void write_back_of_a_range_stops_at_its_end(void **state)
{
	static struct host_pager p;

	(void)state;
	host_pager_init(&p, 64, PG(64));
	set_tune(LONG, defaults.dirty_background_ratio, defaults.dirty_ratio);
	for (unsigned i = 0; i < 50; i++)
		env_make_dirty(p.vo, i);
	env_make_dirty(p.vo, 60);
	assert_int_equal(cache_write_back(p.vo, 2, 41), 0);
	assert_int_equal(value(&p.pages_out), 40);
	assert_int_equal(value(&p.writes), 2); /* no more than 32 pages each */
	p.fail_write_in = 2;
	assert_int_equal(cache_write_back(p.vo, 0, UINT64_MAX), -EIO);
	assert_int_equal(cache_sync_all(), 0);
	assert_int_equal(p.vo->ndirty, 0);
	p.fail_write_in = 1;
	env_make_dirty(p.vo, 1);
	assert_int_equal(cache_sync_all(), -EIO);
	host_pager_destroy(&p);
}

/* A second request for a page that is under write-back waits for the first and writes it again. */
static struct host_pager held;
static uint32_t changed;

static void write_change_write(void *arg)
{
	(void)arg;
	switch (cpu_id()) {
	case 1:
		mt_must(cache_write_back(held.vo, 0, UINT64_MAX) == 0);
		/* Who was told that all is written can rely on it. */
		mt_must(value(&held.pages_out) >= 1);
		break;
	case 2:
		until(&held.inside, 1);
		env_make_dirty(held.vo, 1);
		mt_set(&changed);
		mt_until_sleeps(3);
		set_hold(&held, false);
		break;
	default:
		mt_until(&changed);
		mt_must(cache_write_back(held.vo, 0, UINT64_MAX) == 0);
		mt_must(value(&held.pages_out) >= 2);
	}
}

static void a_page_that_changes_during_its_write_is_written_again(void **state)
{
	(void)state;
	host_pager_init(&held, 64, PG(64));
	set_tune(LONG, defaults.dirty_background_ratio, defaults.dirty_ratio);
	env_make_dirty(held.vo, 1);
	held.hold = true;
	changed = 0;
	host_run_cpus(1, 3, write_change_write, NULL);
	assert_int_equal(value(&held.pages_out), 2);
	assert_int_equal(held.vo->ndirty, 0);
	host_pager_destroy(&held);
}

/*
 * Who finds nothing dirty waits for what others write all the same: afterwards it is on the disk.
 */
static uint32_t passed_by;

static void write_or_wait(void *arg)
{
	(void)arg;
	if (cpu_id() == 3) {
		mt_until(&passed_by);
		mt_until_sleeps(2);
		set_hold(&held, false);
		return;
	}
	if (cpu_id() == 2) {
		/* Of another range there is nothing to wait for. */
		until(&held.inside, 1);
		mt_must(cache_write_back(held.vo, 5, 9) == 0);
		mt_must(value(&held.pages_out) == 0);
		mt_set(&passed_by);
	}
	mt_must(cache_write_back(held.vo, 0, UINT64_MAX) == 0);
	mt_must(value(&held.pages_out) >= 2);
}

static void a_write_back_waits_for_that_of_others(void **state)
{
	struct page *pg;

	(void)state;
	host_pager_init(&held, 64, PG(64));
	set_tune(LONG, defaults.dirty_background_ratio, defaults.dirty_ratio);
	for (unsigned i = 0; i < 16; i += 3) {
		assert_int_equal(cache_get(held.vo, i, 0, &pg), 0);
		cache_put(pg);
	}
	env_make_dirty(held.vo, 3);
	env_make_dirty(held.vo, 4);
	held.hold = true;
	passed_by = 0;
	host_run_cpus(1, 3, write_or_wait, NULL);
	host_pager_destroy(&held);
}

/* When that fails the one who waited tries by himself: the error went to the other. */
static void fail_or_follow(void *arg)
{
	(void)arg;
	switch (cpu_id()) {
	case 1:
		mt_must(cache_write_back(held.vo, 0, UINT64_MAX) == -EIO);
		break;
	case 2:
		until(&held.inside, 1);
		mt_must(cache_write_back(held.vo, 0, UINT64_MAX) == 0);
		mt_must(value(&held.pages_out) == 1);
		break;
	default:
		mt_until_sleeps(2);
		set_hold(&held, false);
	}
}

static void a_write_back_that_others_fail_is_tried_again(void **state)
{
	(void)state;
	host_pager_init(&held, 64, PG(64));
	set_tune(LONG, defaults.dirty_background_ratio, defaults.dirty_ratio);
	env_make_dirty(held.vo, 3);
	held.fail_write_in = 1;
	held.hold = true;
	host_run_cpus(1, 3, fail_or_follow, NULL);
	assert_int_equal(held.vo->ndirty, 0);
	host_pager_destroy(&held);
}

/*
 * So nobody who looks at the counts takes for written what is not, at whatever step of it he does.
 */
static unsigned looks;

static void look_at_counts(void)
{
	if (value(&held.writes))
		return;
	looks++;
	mt_must(READ_ONCE(held.vo->ndirty) || READ_ONCE(held.vo->nwriting));
	mt_must(object_dirty_total() || writeback_pages());
}

static void a_page_is_dirty_or_under_write_back_until_it_is_written(void **state)
{
	(void)state;
	host_pager_init(&held, 64, PG(64));
	set_tune(LONG, defaults.dirty_background_ratio, defaults.dirty_ratio);
	env_make_dirty(held.vo, 1);
	looks = 0;
	host_set_step(look_at_counts);
	mt_must(cache_write_back(held.vo, 0, UINT64_MAX) == 0);
	host_set_step(NULL);
	assert_true(looks > 10);
	host_pager_destroy(&held);
}

#define writeback_test(fn) cmocka_unit_test_setup_teardown(fn, begin, end)

static int machine(void **state)
{
	mm_tune = defaults;
	env_machine(state);
	cache_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		writeback_test(the_flusher_writes_what_is_dirty_by_itself),
		writeback_test(what_could_not_be_written_waits_for_its_time_however_much_it_is),
		writeback_test(who_makes_pages_dirty_waits_while_there_are_too_many),
		writeback_test(throttling_ends_when_nothing_comes_of_it),
		writeback_test(a_round_under_way_does_not_say_that_nothing_can_be_written),
		writeback_test(who_waits_for_progress_waits_for_what_others_write),
		writeback_test(unlinked_files_and_those_without_a_store_are_not_written),
		writeback_test(write_back_of_a_range_stops_at_its_end),
		writeback_test(a_page_that_changes_during_its_write_is_written_again),
		writeback_test(a_write_back_waits_for_that_of_others),
		writeback_test(a_write_back_that_others_fail_is_tried_again),
		writeback_test(a_page_is_dirty_or_under_write_back_until_it_is_written),
	};

	return cmocka_run_group_tests_name("writeback", tests, machine, NULL);
}
