#include "pager.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cpu.h"
#include "host.h"
#include "mm/cache.h"

uint8_t host_pager_byte(uint64_t page, uint64_t offset)
{
	return (uint8_t)(page * 31 + offset * 7 + (offset >> 8));
}

static void add(uint64_t *c, uint64_t n)
{
	__atomic_fetch_add(c, n, __ATOMIC_SEQ_CST);
}

static bool countdown(unsigned *n)
{
	unsigned old = __atomic_load_n(n, __ATOMIC_SEQ_CST);

	while (old) {
		if (__atomic_compare_exchange_n(
			    n, &old, old - 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return old == 1;
	}
	return false;
}

static void be_late(struct host_pager *p)
{
	static uint64_t seed = 88172645463325252ull;
	struct host_rng r = {
		__atomic_add_fetch(&seed, 0x9e3779b97f4a7c15ull, __ATOMIC_RELAXED) | 1};

	add(&p->inside, 1);
	while (__atomic_load_n(&p->hold, __ATOMIC_SEQ_CST))
		usleep(100);
	if (p->delay_us)
		usleep((unsigned)(host_rand(&r) % p->delay_us));
}

static int pager_fill(struct vm_object *vo, struct page **pages, unsigned n)
{
	struct host_pager *p = vo->owner;
	int err = 0;

	rank_assert_none_from(RANK_CONTEXT);
	be_late(p);
	add(&p->fills, 1);
	if (countdown(&p->fail_fill_in))
		err = -EIO;
	for (unsigned i = 0; i < n && !err; i++) {
		if (pages[i]->index != pages[0]->index + i)
			abort();
		memcpy(page_virt(pages[i]), p->store + pages[i]->index * PAGE_SIZE, PAGE_SIZE);
		add(&p->pages_in, 1);
	}
	add(&p->inside, -1ull);
	return err;
}

/* What a device does: the page may be written, or its tail cleared, while it is read. */
__attribute__((no_sanitize("thread"))) static void device_copy(char *to, const char *from)
{
	for (size_t k = 0; k < PAGE_SIZE; k++)
		to[k] = from[k];
}

static int pager_write(struct vm_object *vo, struct page **pages, unsigned n)
{
	struct host_pager *p = vo->owner;
	int err = 0;

	rank_assert_none_from(RANK_CONTEXT);
	be_late(p);
	add(&p->writes, 1);
	if (countdown(&p->fail_write_in))
		err = -EIO;
	for (unsigned i = 0; i < n && !err; i++) {
		device_copy((char *)p->store + pages[i]->index * PAGE_SIZE, page_virt(pages[i]));
		add(&p->pages_out, 1);
	}
	add(&p->inside, -1ull);
	return err;
}

static const struct vm_object_ops pager_ops = {.fill = pager_fill, .write = pager_write};

void host_pager_init(struct host_pager *p, uint64_t npages, uint64_t size)
{
	memset(p, 0, sizeof(*p));
	p->npages = npages;
	p->store = malloc(npages * PAGE_SIZE);
	for (uint64_t i = 0; i < npages * PAGE_SIZE; i++)
		p->store[i] = host_pager_byte(i / PAGE_SIZE, i % PAGE_SIZE);
	p->vo = vm_object_create_file("pager", size, &pager_ops, p);
}

void host_pager_destroy(struct host_pager *p)
{
	cache_discard(p->vo);
	vm_object_put(p->vo);
	free(p->store);
}
