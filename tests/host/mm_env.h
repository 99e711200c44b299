/* One address space on the soft MMU for the tests of kernel/mm: a user's loads and stores. */
#ifndef MM_ENV_H
#define MM_ENV_H

#include "cmocka_host.h"

#include "mm/access.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/cow.h"
#include "mm/fault.h"
#include "mm/mmap.h"
#include "mm/paging.h"
#include "mm/slab.h"
#include "mm/stats.h"
#include "mm/verify.h"
#include "softmmu.h"

#define RW    (VM_READ | VM_WRITE)
#define PG(n) ((uint64_t)(n)*PAGE_SIZE)

static struct mm_context *ctx;
static uint64_t env_frames;

static __maybe_unused void env_load(struct mm_context *c)
{
	pmap_load(c ? &c->pmap : NULL);
}

static uint64_t env_free_frames(void)
{
	pmap_drain();
	slab_reap();
	buddy_drain();
	return buddy_free_frames();
}

static __maybe_unused int env_machine(void **state)
{
	(void)state;
	host_machine_start(64ul << 20, 2);
	mm_init();
	return 0;
}

static __maybe_unused int env_begin(void **state)
{
	(void)state;
	env_frames = env_free_frames();
	ctx = mm_create_context();
	env_load(ctx);
	return 0;
}

static void env_verify(struct mm_context *c)
{
	rw_write_lock(&c->mm_lock);
	mm_verify_context(c);
	rw_write_unlock(&c->mm_lock);
}

/* Every test gives back all that it took. */
static __maybe_unused int env_end(void **state)
{
	(void)state;
	alloc_fail_nth(0);
	env_verify(ctx);
	env_load(NULL);
	mm_put_context(ctx);
	assert_int_equal(env_free_frames(), env_frames);
	return 0;
}

/* One access of user mode with the faults that it takes: 0 or the fault's error. */
static int env_access(vaddr_t va, uint8_t *b, vm_flags_t access)
{
	for (unsigned i = 0; i < 4; i++) {
		int err;

		if (softmmu_access(va, b, 1, access) == MMU_OK)
			return 0;
		err = mm_handle_fault(ctx, va, access);
		if (err)
			return err;
	}
	return -ELOOP;
}

static __maybe_unused int env_read(vaddr_t va)
{
	uint8_t b = 0;
	int err = env_access(va, &b, VM_READ);

	return err ? err : b;
}

static __maybe_unused int env_write(vaddr_t va, uint8_t b)
{
	return env_access(va, &b, VM_WRITE);
}

/* The same in another context. */
static __maybe_unused int env_read_in(struct mm_context *c, vaddr_t va)
{
	struct mm_context *old = ctx;
	int res;

	ctx = c;
	env_load(c);
	res = env_read(va);
	ctx = old;
	env_load(old);
	return res;
}

static __maybe_unused int env_write_in(struct mm_context *c, vaddr_t va, uint8_t b)
{
	struct mm_context *old = ctx;
	int res;

	ctx = c;
	env_load(c);
	res = env_write(va, b);
	ctx = old;
	env_load(old);
	return res;
}

static __maybe_unused vaddr_t env_map(uint64_t len, vm_flags_t flags)
{
	vaddr_t va = 0;

	assert_int_equal(mmap_anonymous(ctx, 0, len, flags, 0, &va), 0);
	return va;
}

static __maybe_unused vaddr_t env_map_at(vaddr_t at, uint64_t len, vm_flags_t flags)
{
	vaddr_t va = 0;

	assert_int_equal(mmap_anonymous(ctx, at, len, flags, MM_MAP_FIXED, &va), 0);
	assert_int_equal(va, at);
	return va;
}

/* A file of `bytes` whose byte at offset o is file_byte(o). */
static uint8_t file_byte(uint64_t off)
{
	return 1 + off / PAGE_SIZE * 7 + off % PAGE_SIZE;
}

static int env_fill(struct vm_object *vo, struct page **pages, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t *to = page_virt(pages[i]);

		for (unsigned k = 0; k < PAGE_SIZE; k++) {
			uint64_t off = PG(pages[i]->index) + k;

			to[k] = off < vo->vo_size ? file_byte(off) : 0;
		}
	}
	return 0;
}

static int env_write_pages(struct vm_object *vo, struct page **pages, unsigned n)
{
	(void)vo;
	(void)pages;
	(void)n;
	return 0;
}

static const struct vm_object_ops env_file_ops = {
	.fill = env_fill,
	.write = env_write_pages,
};

static __maybe_unused struct vm_object *env_file(uint64_t bytes)
{
	struct vm_object *vo = vm_object_create_file("file", bytes, &env_file_ops, NULL);

	assert_false(IS_ERR(vo));
	return vo;
}

static __maybe_unused void env_file_end(struct vm_object *vo)
{
	cache_discard(vo);
	vm_object_put(vo);
}

static __maybe_unused void env_make_dirty(struct vm_object *vo, pgidx_t idx)
{
	struct page *pg;

	assert_int_equal(cache_get(vo, idx, 0, &pg), 0);
	cache_mark_dirty(pg);
	cache_put(pg);
}

static __maybe_unused unsigned env_vmaps(void)
{
	return ctx->nvmaps;
}

#define env_test(fn) cmocka_unit_test_setup_teardown(fn, env_begin, env_end)

#endif
