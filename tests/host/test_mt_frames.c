/* Frames and slab from several CPUs at once: nothing is lost, nothing is handed out twice. */
#include "cmocka_host.h"
#include "lib/list.h"
#include "mm/buddy.h"
#include "mm/physmap.h"
#include "mm/slab.h"

#define CPUS   4
#define ROUNDS 1500

static struct slab_cache *cache;
static uint32_t mixed; /* objects that crossed from one CPU to another */
static void *handed[64];

static uint64_t settle(void)
{
	slab_reap();
	buddy_drain();
	return buddy_free_frames();
}

static void frames_loop(void *arg)
{
	struct host_rng r = {cpu_id() * 77 + 13};
	struct page *held[32] = {0};
	unsigned order[32];

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned k = host_rand(&r) % 32;

		if (held[k]) {
			mt_must(*(uint32_t *)page_virt(held[k]) == cpu_id() * 1000 + k);
			page_free(held[k], order[k]);
			held[k] = NULL;
			continue;
		}
		order[k] = host_rand(&r) % 8 ? 0 : host_rand(&r) % 4;
		held[k] = page_alloc(order[k], 0);
		mt_must(held[k] != NULL);
		*(uint32_t *)page_virt(held[k]) = cpu_id() * 1000 + k;
		if (i % 500 == 0)
			buddy_drain();
	}
	for (unsigned k = 0; k < 32; k++) {
		if (held[k])
			page_free(held[k], order[k]);
	}
}

static void slab_loop(void *arg)
{
	struct host_rng r = {cpu_id() * 91 + 7};

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned k = host_rand(&r) % 64;
		uint64_t *obj = slab_alloc(cache, 0);
		void *other;

		mt_must(obj != NULL);
		obj[0] = cpu_id();
		obj[5] = i;
		other = __atomic_exchange_n(&handed[k], obj, __ATOMIC_ACQ_REL);
		if (other) {
			if (*(uint64_t *)other != cpu_id())
				__atomic_fetch_add(&mixed, 1, __ATOMIC_RELAXED);
			slab_free(cache, other);
		}
		kfree(kmalloc(host_rand(&r) % 3000, 0));
		if (i % 700 == 0)
			slab_reap();
	}
}

static void shares_loop(void *arg)
{
	struct page **pages = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		page_share(pages[i % 8]);
		page_pin(pages[i % 8]);
		mt_must(!page_unshare(pages[i % 8]));
		mt_must(!page_unpin(pages[i % 8]));
	}
}

static struct page *last_page;
static uint32_t freed;

static void drop_share(void *arg)
{
	(void)arg;
	if (cpu_id() % 2 ? page_unshare(last_page) : page_unpin(last_page))
		__atomic_fetch_add(&freed, 1, __ATOMIC_RELAXED);
}

static void frames_from_all_cpus(void **state)
{
	uint64_t before = settle();

	(void)state;
	host_run_cpus(1, CPUS, frames_loop, NULL);
	assert_int_equal(settle(), before);
}

static void objects_from_all_cpus(void **state)
{
	uint64_t before = settle();

	(void)state;
	cache = slab_cache_create("mt", 48, 8, NULL);
	host_run_cpus(1, CPUS, slab_loop, NULL);
	for (unsigned i = 0; i < 64; i++) {
		if (handed[i])
			slab_free(cache, handed[i]);
	}
	slab_cache_destroy(cache);
	assert_true(mixed > 0);
	settle();
	/* The cache's own descriptor stays for the next cache: one slab of it at most. */
	assert_in_range(before - settle(), 0, 8);
}

static void shares_and_pins_are_exact(void **state)
{
	struct page *pages[8];

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		pages[i] = page_alloc(0, 0);
		page_pin(pages[i]);
	}
	host_run_cpus(1, CPUS, shares_loop, pages);
	for (unsigned i = 0; i < 8; i++)
		assert_true(page_unpin(pages[i]));
}

static void the_last_of_two_counts_frees_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		last_page = page_alloc(0, 0);
		page_share(last_page);
		page_pin(last_page);
		freed = 0;
		host_run_cpus(1, 2, drop_share, NULL);
		assert_int_equal(freed, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_from_all_cpus),
		cmocka_unit_test(objects_from_all_cpus),
		cmocka_unit_test(shares_and_pins_are_exact),
		cmocka_unit_test(the_last_of_two_counts_frees_once),
	};

	host_machine_start(64ul << 20, CPUS + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
