/*
 * Edits that wait for their flush, and who need not wait with them: a fault elsewhere does not, one
 * in the range does; pages of other vmaps of the same amap keep what was stored. Edits beside all
 * sorts of faults: test_mt_fault.c, test_mt_fault_beside.c.
 */
#include "mt_env.h"

#include "abi/mman.h"
#include "mm/object_pages.h"

#define RANGE 8

static vaddr_t area, elsewhere;

/*
 * One edit step by step. CPU 2 has its interrupts off, so that the flush has to wait for it.
 *
 *	CPU 1	edits `area`                     CPU 3	once the flush is under way: faults elsewhere
 *	CPU 2	answers when CPU 3 is through    CPU 4	the same in the range
 */

struct held_edit {
	int (*edit)(void);
	int (*inside)(void); /* what CPU 4 does, and must get */
	int expect;
	bool waits; /* it cannot be through before CPU 2 answers */
};

static const struct held_edit *held;
static struct vmap *edited; /* the vmap of the range */
static struct mt_barrier gate;
static uint32_t deaf, elsewhere_done, answered, inside_begun;

/*
 * CPU 2 answers no flush before the faults elsewhere are through and CPU `insider` has begun and,
 * if it has to wait, waits. Who goes on without an answer finds `answered` not set.
 */
static void be_deaf(unsigned insider, bool waits)
{
	irqflags_t irq = irq_save();

	mt_set(&deaf);
	mt_until(&elsewhere_done);
	mt_until(&inside_begun);
	if (waits)
		mt_until_sleeps(insider);
	mt_set(&answered);
	irq_restore(irq);
}

/* The edit keeps out what it must, and waits for CPU 2. */
static bool flush_is_under_way(void)
{
	return READ_ONCE(ctx->mm_lock.state) & RW_OPEN || READ_ONCE(edited->lock.state) & RW_WRITER;
}

static void held_roles(void *arg)
{
	(void)arg;
	env_load(ctx);
	mt_meet(&gate, 4);
	switch (cpu_id()) {
	case 1:
		mt_until(&deaf);
		mt_must(held->edit() == 0);
		mt_must(mt_is_set(&elsewhere_done));
		break;
	case 2:
		be_deaf(4, held->waits);
		break;
	case 3:
		while (!flush_is_under_way())
			sched_yield();
		mt_must(mt_store(ctx, elsewhere, 7) == 0);
		mt_set(&elsewhere_done);
		break;
	default:
		while (!flush_is_under_way())
			sched_yield();
		mt_set(&inside_begun);
		mt_must(held->inside() == held->expect);
		mt_must(!held->waits || mt_is_set(&answered));
		break;
	}
	mt_meet(&gate, 4);
	env_load(NULL);
}

static void run_held(const struct held_edit *h)
{
	held = h;
	area = env_map_at(0x40000000, PG(RANGE), RW);
	elsewhere = env_map_at(0x40000000 + PG(2 * RANGE), PG(RANGE), RW);
	for (unsigned i = 0; i < RANGE / 2; i++)
		assert_int_equal(env_write(area + PG(i), i + 1), 0);
	edited = vmap_find(ctx, area);
	deaf = elsewhere_done = answered = inside_begun = 0;
	mt_run(4, held_roles, NULL);
	assert_int_equal(env_read(elsewhere), 7);
	env_verify(ctx);
}

static int unmap_area(void)
{
	return munmap(ctx, area, PG(RANGE));
}

static int forbid_area(void)
{
	return vm_protect(ctx, area, PG(RANGE), VM_READ, false);
}

static int drop_area(void)
{
	return mm_advise(ctx, area, PG(RANGE), MADV_DONTNEED);
}

static int load_first(void)
{
	/* The edit has the vmap's lock already, but until here a load needs no fault. */
	while (pmap_query(&ctx->pmap, area).present)
		sched_yield();
	return mt_load(ctx, area);
}

static int load_untouched(void)
{
	return mt_load(ctx, area + PG(RANGE - 1));
}

static void a_fault_elsewhere_does_not_wait_for_the_flush_of_munmap(void **state)
{
	(void)state;
	/* CPU 4 may have an old translation of the page, but no fault succeeds. */
	run_held(&(struct held_edit){unmap_area, load_untouched, -EFAULT, false});
	assert_int_equal(env_read(area), -EFAULT);
}

static void a_fault_elsewhere_does_not_wait_for_the_flush_of_mprotect(void **state)
{
	(void)state;
	run_held(&(struct held_edit){forbid_area, load_untouched, 0, true});
	assert_int_equal(env_write(area, 9), -EACCES);
}

static void a_fault_elsewhere_does_not_wait_for_the_flush_of_dontneed(void **state)
{
	(void)state;
	run_held(&(struct held_edit){drop_area, load_first, 0, true});
	assert_int_equal(env_read(area + PG(1)), 0);
}

/*
 * Who takes translations away through an object's list has cleared the entries, and CPU 2 has not
 * answered yet: an edit or a fault that finds nothing to flush must not go on as if nobody had the
 * page.
 */

static struct vm_object *object;

static int (*meanwhile)(void);

static int drop_page(void)
{
	return mm_advise(ctx, area, PAGE_SIZE, MADV_DONTNEED);
}

static int break_sharing(void)
{
	return mt_store(ctx, area, 3);
}

static void taker_roles(void *arg)
{
	(void)arg;
	env_load(ctx);
	mt_meet(&gate, 3);
	switch (cpu_id()) {
	case 1:
		mt_until(&deaf);
		rw_write_lock(&object->lock);
		vm_object_unmap_locked(object, 0, 0, false);
		rw_write_unlock(&object->lock);
		break;
	case 2:
		be_deaf(3, true);
		break;
	default:
		mt_until(&deaf);
		while (pmap_query(&ctx->pmap, area).present)
			sched_yield();
		mt_set(&inside_begun);
		mt_must(meanwhile() == 0);
		mt_must(mt_is_set(&answered));
		break;
	}
	mt_meet(&gate, 3);
	env_load(NULL);
}

/* With the page of the slot shared by a child. */
static void run_taker(int (*fn)(void), int then)
{
	struct mm_context *child;

	object = env_file(PAGE_SIZE);
	meanwhile = fn;
	deaf = answered = inside_begun = 0;
	elsewhere_done = 1; /* there is nobody */
	area = mt_map_object(object, 0, 1, RW, false);
	assert_int_equal(env_write(area, 1), 0);
	child = mm_fork_context(ctx);
	assert_false(IS_ERR(child));
	assert_int_equal(env_read(area), 1);
	mt_run(3, taker_roles, NULL);
	assert_int_equal(env_read(area), then);
	assert_int_equal(env_read_in(child, area), 1);
	mm_put_context(child);
	assert_int_equal(munmap(ctx, area, PAGE_SIZE), 0);
	env_file_end(object);
}

static void dontneed_waits_for_who_takes_the_page_through_the_object(void **state)
{
	(void)state;
	run_taker(drop_page, file_byte(0));
}

static void a_copy_waits_for_who_takes_the_page_through_the_object(void **state)
{
	(void)state;
	run_taker(break_sharing, 3);
}

/*
 * The other way round: an edit has changed entries, and CPU 2 has not answered its flush yet. Who
 * takes a page through the object's list finds nothing to change, and CPU 2 still uses it.
 */

static int (*first_edit)(void);
static uint32_t taken;
static uint64_t flushes; /* before both */

static int truncate_object(void)
{
	cache_truncate(object, 0);
	return 0;
}

static int write_object(void)
{
	return cache_write_back(object, 0, 0);
}

static bool is_still_writable(void)
{
	return pmap_query(&ctx->pmap, area).rights & VM_WRITE;
}

/* CPU 2 answers when the other waits for it, or has not waited. */
static void use_old_translation(void)
{
	irqflags_t irq;

	mt_must(mt_store(ctx, area, 5) == 0);
	flushes = __atomic_load_n(&softmmu_stat.shootdowns, __ATOMIC_SEQ_CST);
	irq = irq_save();
	mt_set(&deaf);
	while (__atomic_load_n(&softmmu_stat.shootdowns, __ATOMIC_SEQ_CST) < flushes + 2 &&
		!mt_is_set(&taken))
		sched_yield();
	mt_set(&answered);
	irq_restore(irq);
}

static void late_taker_roles(void *arg)
{
	(void)arg;
	env_load(ctx);
	mt_meet(&gate, 3);
	switch (cpu_id()) {
	case 1:
		mt_until(&deaf);
		mt_must(first_edit() == 0);
		break;
	case 2:
		use_old_translation();
		break;
	default:
		mt_until(&deaf);
		while (is_still_writable())
			sched_yield();
		mt_must(meanwhile() == 0);
		mt_set(&taken);
		mt_must(mt_is_set(&answered));
		break;
	}
	mt_meet(&gate, 3);
	env_load(NULL);
}

static void run_late_taker(int (*edit)(void), int (*taker)(void))
{
	object = env_file(PAGE_SIZE);
	first_edit = edit;
	meanwhile = taker;
	deaf = answered = taken = 0;
	area = mt_map_object(object, 0, 1, RW, true);
	assert_int_equal(env_write(area, 1), 0);
	mt_run(3, late_taker_roles, NULL);
	assert_int_equal(munmap(ctx, area, PG(RANGE)), 0);
	env_file_end(object);
}

static int unmap_page(void)
{
	return munmap(ctx, area, PAGE_SIZE);
}

static int forbid_page(void)
{
	return vm_protect(ctx, area, PAGE_SIZE, VM_READ, false);
}

static void truncate_waits_for_the_flush_of_an_edit_before_it(void **state)
{
	(void)state;
	run_late_taker(unmap_page, truncate_object);
	run_late_taker(drop_page, truncate_object);
}

static void write_back_waits_for_the_flush_of_an_edit_before_it(void **state)
{
	(void)state;
	run_late_taker(forbid_page, write_object);
	run_late_taker(unmap_page, write_object);
}

/*
 * One handle, three vmaps: the middle is edited, the outer ones are used, by a CPU each, and clones
 * make nodes of the tree shared.
 */

#define THIRD 70 /* pages: edges inside amap leaves and inside a page table */
#define EDITS 150

static void edit_the_middle(void)
{
	struct host_rng r = {99};
	vaddr_t middle = area + PG(THIRD), out;

	env_load(ctx);
	for (unsigned n = 0; n < EDITS; n++) {
		unsigned first = host_rand(&r) % THIRD, len = 1 + host_rand(&r) % (THIRD - first);
		vaddr_t va = middle + PG(first);

		for (unsigned i = 0; i < len; i += 3)
			mt_must(mt_store(ctx, va + PG(i), 1) == 0);
		switch (host_rand(&r) % 3) {
		case 0:
			mt_must(mm_advise(ctx, va, PG(len), MADV_DONTNEED) == 0);
			break;
		case 1:
			mt_must(munmap(ctx, va, PG(len)) == 0);
			mt_must(mt_load(ctx, va) == -EFAULT);
			mt_must(mmap_anonymous(ctx, va, PG(len), RW, MM_MAP_FIXED, &out) == 0);
			break;
		default:
			mt_must(vm_protect(ctx, va, PG(len), VM_READ, false) == 0);
			mt_must(mt_store(ctx, va, 1) == -EACCES);
			mt_must(vm_protect(ctx, va, PG(len), RW, false) == 0);
			continue;
		}
		for (unsigned i = 0; i < len; i++)
			mt_must(mt_load(ctx, va + PG(i)) == 0);
	}
	env_load(NULL);
	mt_end();
}

/* Its own pages, at the outside of the handle: they hold what was stored last. */
static void use_outer(vaddr_t base)
{
	struct host_rng r = {cpu_id()};
	uint8_t have[THIRD] = {0};

	env_load(ctx);
	while (mt_running()) {
		unsigned i = host_rand(&r) % THIRD;

		mt_must(mt_load(ctx, base + PG(i)) == have[i]);
		have[i] = host_rand(&r) % 100 + 1;
		mt_must(mt_store(ctx, base + PG(i), have[i]) == 0);
		if (host_rand(&r) % 32)
			continue;
		mt_must(mm_advise(ctx, base + PG(i), PAGE_SIZE, MADV_DONTNEED) == 0);
		have[i] = 0;
	}
	for (unsigned i = 0; i < THIRD; i++)
		mt_must(mt_load(ctx, base + PG(i)) == have[i]);
	env_load(NULL);
}

static void clone_and_drop(void)
{
	while (mt_running()) {
		struct mm_context *child = mm_fork_context(ctx);

		mt_must(!IS_ERR(child));
		env_load(child);
		(void)mt_load(child, area);
		env_load(NULL);
		mm_put_context(child);
	}
}

static void thirds_roles(void *arg)
{
	(void)arg;
	switch (cpu_id()) {
	case 1:
		edit_the_middle();
		break;
	case 2:
		use_outer(area);
		break;
	case 3:
		use_outer(area + PG(2 * THIRD));
		break;
	default:
		clone_and_drop();
	}
}

static void edits_of_a_range_leave_other_vmaps_of_its_amap_alone(void **state)
{
	(void)state;
	area = env_map_at(0x40000000 - PG(THIRD + THIRD / 2), PG(3 * THIRD), RW);
	assert_int_equal(env_write(area + PG(THIRD), 1), 0);
	/* Three vmaps that do not merge. */
	assert_int_equal(mm_advise(ctx, area, PG(THIRD), MADV_DONTDUMP), 0);
	assert_int_equal(mm_advise(ctx, area + PG(2 * THIRD), PG(THIRD), MADV_DONTDUMP), 0);
	assert_int_equal(env_vmaps(), 3);
	assert_ptr_equal(vmap_first(ctx)->amap, vmap_last(ctx)->amap);
	mt_run(4, thirds_roles, NULL);
}

/*
 * Who takes pages of an object away finds their translations at each step of a merge.
 */

static struct {
	struct vm_object *vo;
	uint64_t now, at;
	bool done;
} taker;

static void take_all(void)
{
	if (++taker.now < taker.at || taker.done)
		return;
	host_enter_cpu(1);
	if (rw_write_trylock(&taker.vo->lock)) {
		taker.done = true;
		vm_object_unmap_locked(taker.vo, 0, RANGE - 1, false);
		for (unsigned i = 0; i < RANGE; i++)
			mt_must(!pmap_query(&ctx->pmap, area + PG(i)).present);
		rw_write_unlock(&taker.vo->lock);
	}
	host_enter_cpu(0);
}

static void translations_are_found_through_the_object_during_a_merge(void **state)
{
	uint64_t k = 0;

	(void)state;
	taker.vo = vm_object_create("zero", PG(RANGE), VM_RIGHTS);
	area = mt_map_object(taker.vo, 0, RANGE, RW, true);
	do {
		for (unsigned i = 0; i < RANGE; i++)
			assert_int_equal(env_write(area + PG(i), i), 0);
		assert_int_equal(vm_protect(ctx, area + PG(3), PG(2), VM_READ, false), 0);
		assert_int_equal(env_vmaps(), 3);
		taker.now = 0;
		taker.at = ++k;
		taker.done = false;
		host_set_step(take_all);
		mt_must(vm_protect(ctx, area + PG(3), PG(2), RW, false) == 0);
		host_set_step(NULL);
		assert_int_equal(env_vmaps(), 1);
		for (unsigned i = 0; i < RANGE; i++)
			assert_int_equal(env_read(area + PG(i)), i);
	} while (taker.now >= k);
	assert_true(k > 10);
	assert_int_equal(munmap(ctx, area, PG(RANGE)), 0);
	vm_object_put(taker.vo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		env_test(a_fault_elsewhere_does_not_wait_for_the_flush_of_munmap),
		env_test(a_fault_elsewhere_does_not_wait_for_the_flush_of_mprotect),
		env_test(a_fault_elsewhere_does_not_wait_for_the_flush_of_dontneed),
		env_test(dontneed_waits_for_who_takes_the_page_through_the_object),
		env_test(a_copy_waits_for_who_takes_the_page_through_the_object),
		env_test(truncate_waits_for_the_flush_of_an_edit_before_it),
		env_test(write_back_waits_for_the_flush_of_an_edit_before_it),
		env_test(edits_of_a_range_leave_other_vmaps_of_its_amap_alone),
		env_test(translations_are_found_through_the_object_during_a_merge),
	};

	return cmocka_run_group_tests(tests, env_machine, NULL);
}
