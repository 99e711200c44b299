/*
 * One page table, several CPUs, each with the caches of a real one: threads read and write through
 * the soft MMU and resolve their faults under the context's lock (read), while another lowers and
 * removes ranges under it (write). Every page holds a number that only grows; whoever holds the
 * lock for writing after a lower sees it stand still.
 */
#include "cmocka_host.h"
#include <sched.h>
#include "mm/buddy.h"
#include "mm/page.h"
#include "mm/physmap.h"
#include "mm/pmap.h"
#include "mm/slab.h"
#include "softmmu.h"
#include "sync/rwlock.h"

#define CPUS	  3
#define PAGES	  256
#define SNAPSHOTS 300

static struct pmap pm;
static struct rwlock lock;
static struct page *frames[PAGES];
static uint32_t stop;

static vaddr_t va_of(unsigned i)
{
	/* Half of them astride a 2 MiB border, half 1 GiB away. */
	return (i < PAGES / 2 ? 0x1c0000 : 0x40000000) + (vaddr_t)i * PAGE_SIZE;
}

static void resolve(unsigned i, bool write)
{
	struct pmap_stock st = {0};
	struct pmap_cursor c;
	struct pmap_entry e;
	int err;

	for (;;) {
		rw_read_lock(&lock);
		err = pmap_open(
			&c, &pm, va_of(i), PMAP_OPEN_ALLOC | (write ? PMAP_OPEN_WRITE : 0), &st);
		if (!err)
			break;
		rw_read_unlock(&lock);
		if (pmap_stock_fill(&st))
			abort();
	}
	e = pmap_get(&c, va_of(i));
	if (!e.present || (write && !(e.rights & VM_WRITE)))
		pmap_set(&c, va_of(i), page_pfn(frames[i]), VM_READ | (write ? VM_WRITE : 0));
	pmap_close(&c);
	rw_read_unlock(&lock);
	pmap_stock_drop(&st);
}

static void touch(unsigned i, bool write, uint8_t v)
{
	uint8_t *slot = &v;

	while (softmmu_access(va_of(i) + cpu_id(), slot, 1, write ? VM_WRITE : VM_READ) != MMU_OK)
		resolve(i, write);
}

static void user_loop(void *arg)
{
	struct host_rng r = {cpu_id() * 1234567 + 1};

	(void)arg;
	pmap_load(&pm);
	softmmu_set_forget(100, cpu_id());
	for (unsigned n = 0; !__atomic_load_n(&stop, __ATOMIC_SEQ_CST); n++)
		touch(host_rand(&r) % PAGES, host_rand(&r) & 1, (uint8_t)n);
	pmap_load(NULL);
}

/* All bytes of all frames as they are now. */
static uint64_t checksum(unsigned from, unsigned to)
{
	uint64_t sum = 0;

	for (unsigned i = from; i < to; i++) {
		const uint8_t *p = page_virt(frames[i]);

		for (unsigned k = 0; k < 8; k++)
			sum = sum * 31 + __atomic_load_n(&p[k], __ATOMIC_RELAXED);
	}
	return sum;
}

static void snapshot_loop(void)
{
	struct host_rng r = {4242};

	for (unsigned n = 0; n < SNAPSHOTS; n++) {
		bool half = host_rand(&r) & 1;
		unsigned from = half ? PAGES / 2 : 0, to = half ? PAGES : PAGES / 2;
		vaddr_t start = va_of(from), last = va_of(to - 1) + PAGE_SIZE;
		struct tlb_batch tb;
		uint64_t sum;

		rw_write_lock(&lock);
		tlb_batch_init(&tb, &pm);
		switch (host_rand(&r) % 4) {
		case 0:
			pmap_remove(&pm, start, last, &tb);
			pmap_free_tables(
				&pm, ALIGN_DOWN(start, 1ul << 21), ALIGN_UP(last, 1ul << 21), &tb);
			break;
		case 1:
			pmap_lower(&pm, start, last, &tb);
			break;
		case 2: /* as fork does: the whole run, at the highest levels */
			pmap_lower(&pm, 0, USER_MAX, &tb);
			break;
		default:
			pmap_remove_all(&pm, &tb);
			break;
		}
		tlb_batch_finish(&tb);
		softmmu_verify(&pm);
		sum = checksum(from, to);
		for (unsigned k = 0; k < 5; k++)
			sched_yield();
		mt_must(checksum(from, to) == sum);
		rw_write_unlock(&lock);
		sched_yield();
	}
	__atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
}

static void threads_fault_while_rights_are_taken(void *arg)
{
	if (cpu_id() == CPUS + 1)
		snapshot_loop();
	else
		user_loop(arg);
}

static void nothing_is_written_after_the_acknowledgement(void **state)
{
	struct tlb_batch tb;

	(void)state;
	assert_int_equal(pmap_create(&pm), 0);
	rw_init(&lock, RANK_CONTEXT, "context");
	for (unsigned i = 0; i < PAGES; i++)
		frames[i] = page_alloc(0, ALLOC_ZERO);
	host_run_cpus(1, CPUS + 1, threads_fault_while_rights_are_taken, NULL);
	assert_int_equal(pm.active, 0);
	tlb_batch_init(&tb, &pm);
	pmap_remove_all(&pm, &tb);
	tlb_batch_finish(&tb);
	assert_int_equal(pm.tables, 1);
	pmap_destroy(&pm);
	for (unsigned i = 0; i < PAGES; i++)
		page_free(frames[i], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_written_after_the_acknowledgement),
	};

	host_machine_start(64ul << 20, CPUS + 2);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
