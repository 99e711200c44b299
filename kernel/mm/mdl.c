/*
 * mdl: pinned byte runs of frames.
 *
 * A list holds one pin for each frame that it touches, taken either through a context (mdl_add:
 * faulted in, made exclusive when private, counted in ctx->pins) or directly (mdl_add_page). One
 * list does not mix the two. Runs that continue each other in physical memory are one segment, so
 * the pins of a segment are those of all frames from its first to its last byte.
 *
 * A list belongs to one thread at a time; no locks. The context stays until the list is dropped.
 */
#include "mm/mdl.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/access.h"
#include "mm/cache.h"
#include "mm/physmap.h"
#include "mm/slab.h"

void mdl_init(mdl_t *mdl, mdl_t *prev)
{
	memset(mdl, 0, sizeof(*mdl));
	mdl->segs = mdl->small_segs;
	mdl->capacity = MDL_SEGS_SMALL_MAX;
	if (prev)
		prev->next = mdl;
}

static void frame_unpin(mdl_t *mdl, pfn_t pfn)
{
	struct page *pg = page_from_pfn(pfn);

	if (mdl->write)
		cache_mark_dirty(pg);
	if (mdl->ctx)
		mm_unpin_page(mdl->ctx, pg);
	else
		page_unpin(pg);
}

/* Frames that the bytes [offset, offset + size) of a segment touch. */
static uint64_t seg_frames(uint32_t offset, uint64_t size)
{
	return page_count(offset + size);
}

static void mdl_unpin_all(mdl_t *mdl)
{
	for (uint32_t i = 0; i < mdl->amount; i++) {
		const mdl_seg_t *s = &mdl->segs[i];

		for (uint64_t k = 0; k < seg_frames(s->offset, s->size); k++)
			frame_unpin(mdl, s->pfn + k);
	}
}

void mdl_deinit(mdl_t *mdl)
{
	if (!mdl)
		return;
	mdl_unpin_all(mdl);
	if (mdl->segs != mdl->small_segs)
		kfree(mdl->segs);
	if (mdl->ctx)
		mm_drop_context(mdl->ctx);
	mdl_init(mdl, NULL);
}

void mdl_free_chain(mdl_t *mdl, void (*free_fn)(mdl_t *))
{
	while (mdl) {
		mdl_t *next = mdl->next;

		mdl_deinit(mdl);
		if (free_fn)
			free_fn(mdl);
		mdl = next;
	}
}

/*
 * Frames that are listed directly are BUSY or under write-back, and locks of a file system may be
 * held: who waited for memory then would wait for pages that he has himself.
 */
static int mdl_grow(mdl_t *mdl)
{
	uint32_t capacity = mdl->capacity * 2;
	mdl_seg_t *segs = kmalloc(capacity * sizeof(*segs), mdl->ctx ? 0 : ALLOC_NORECLAIM);

	if (!segs)
		return -ENOMEM;
	memcpy(segs, mdl->segs, mdl->amount * sizeof(*segs));
	if (mdl->segs != mdl->small_segs)
		kfree(mdl->segs);
	mdl->segs = segs;
	mdl->capacity = capacity;
	return 0;
}

/*
 * Append bytes of one frame, whose pin becomes the list's. A run that continues at the next frame
 * grows the last segment; one that continues inside a frame is a segment of its own, so that each
 * pin is found by the sums over the segments.
 */
static int mdl_append(mdl_t *mdl, pfn_t pfn, uint32_t offset, uint32_t size)
{
	mdl_seg_t *last = mdl->amount ? &mdl->segs[mdl->amount - 1] : NULL;
	int err;

	assert(size && offset + size <= PAGE_SIZE);
	if (last && offset == 0 && IS_ALIGNED(last->offset + last->size, PAGE_SIZE) &&
		last->pfn + ((last->offset + last->size) >> PAGE_SHIFT) == pfn) {
		last->size += size;
		mdl->size += size;
		return 0;
	}
	if (mdl->amount == mdl->capacity) {
		err = mdl_grow(mdl);
		if (err)
			return err;
	}
	mdl->segs[mdl->amount++] = (mdl_seg_t){.pfn = pfn, .offset = offset, .size = size};
	mdl->size += size;
	return 0;
}

int mdl_add_page(mdl_t *mdl, struct page *pg, uint32_t offset, uint32_t size)
{
	int err;

	assert(!mdl->ctx);
	page_pin(pg);
	err = mdl_append(mdl, page_pfn(pg), offset, size);
	if (err)
		page_unpin(pg);
	return err;
}

/* Back to the state with `amount` segments, the last of which had last_size bytes. */
static void mdl_cut(mdl_t *mdl, uint32_t amount, uint64_t last_size, uint64_t size)
{
	bool write = mdl->write;

	mdl->write = false; /* no I/O was done: nothing is dirty */
	for (uint32_t i = amount ? amount - 1 : 0; i < mdl->amount; i++) {
		const mdl_seg_t *s = &mdl->segs[i];
		uint64_t keep = i < amount ? seg_frames(s->offset, last_size) : 0;

		for (uint64_t k = keep; k < seg_frames(s->offset, s->size); k++)
			frame_unpin(mdl, s->pfn + k);
	}
	mdl->write = write;
	mdl->amount = amount;
	mdl->size = size;
	if (amount)
		mdl->segs[amount - 1].size = last_size;
}

static int mdl_add_user_page(mdl_t *mdl, vaddr_t va, uint32_t n, bool write)
{
	struct page *pg;
	int err = mm_pin_page(mdl->ctx, va, write ? VM_WRITE : VM_READ, &pg);

	if (err)
		return err == -ENOMEM || err == -EINTR ? err : -EFAULT;
	err = mdl_append(mdl, page_pfn(pg), va & PAGE_MASK, n);
	if (err)
		mm_unpin_page(mdl->ctx, pg);
	return err;
}

/* The list is one of ctx's memory from here on. */
static void mdl_bind(mdl_t *mdl, struct mm_context *ctx, bool write)
{
	if (mdl->ctx) {
		assert(mdl->ctx == ctx && mdl->write == write);
		return;
	}
	assert(mdl->amount == 0);
	mm_hold_context(ctx);
	mdl->ctx = ctx;
	mdl->write = write;
}

/* A list that got nothing may be one of anything again. */
static void mdl_unbind_empty(mdl_t *mdl)
{
	if (mdl->amount)
		return;
	mm_drop_context(mdl->ctx);
	mdl->ctx = NULL;
}

/* Append page by page up to the first that cannot be had, whose error is *err. Bytes appended. */
static size_t mdl_gather(mdl_t *mdl, vaddr_t va, size_t size, int *err)
{
	size_t done = 0;

	*err = 0;
	while (done < size) {
		vaddr_t at = va + done;
		uint32_t n = (uint32_t)MIN(size - done, PAGE_SIZE - (at & PAGE_MASK));

		*err = at < USER_MAX ? mdl_add_user_page(mdl, at, n, mdl->write) : -EFAULT;
		if (*err)
			break;
		done += n;
	}
	return done;
}

ssize_t mdl_add_some(mdl_t *mdl, struct mm_context *ctx, vaddr_t va, size_t size, bool write)
{
	size_t done;
	int err;

	if (size == 0)
		return -EINVAL;
	if (va + size < va)
		return -EOVERFLOW;
	mdl_bind(mdl, ctx, write);
	done = mdl_gather(mdl, va, size, &err);
	mdl_unbind_empty(mdl);
	return done ? (ssize_t)done : err;
}

int mdl_add(mdl_t *mdl, struct mm_context *ctx, vaddr_t va, size_t size, bool write)
{
	uint32_t amount = mdl->amount;
	uint64_t last_size = amount ? mdl->segs[amount - 1].size : 0, old_size = mdl->size;
	int err;

	if (size == 0)
		return -EINVAL;
	if (va + size < va)
		return -EOVERFLOW;
	if (va + size > USER_MAX)
		return -EFAULT;
	mdl_bind(mdl, ctx, write);
	mdl_gather(mdl, va, size, &err);
	if (err)
		mdl_cut(mdl, amount, last_size, old_size);
	mdl_unbind_empty(mdl);
	return err;
}

int mdl_from_region(
	mdl_t *mdl, mdl_t *prev, struct mm_context *ctx, vaddr_t va, size_t size, bool write)
{
	int err;

	mdl_init(mdl, NULL);
	err = mdl_add(mdl, ctx, va, size, write);
	if (err)
		mdl_deinit(mdl);
	else if (prev)
		prev->next = mdl;
	return err;
}

/* The cursor at byte offset; past the end: at the end. */
static mdl_iter_t mdl_seek(const mdl_t *mdl, uint64_t offset)
{
	mdl_iter_t iter = MDL_ITER_CREATE(mdl);

	while (iter.seg < mdl->amount && offset >= mdl->segs[iter.seg].size)
		offset -= mdl->segs[iter.seg++].size;
	iter.offset = offset;
	return iter;
}

/* Move bytes between the list and a buffer; to_list says which way. */
static size_t mdl_copy(const mdl_t *mdl, char *buf, size_t count, size_t offset, bool to_list)
{
	mdl_iter_t iter = mdl_seek(mdl, offset);
	size_t done = 0, n;
	char *p;

	while ((p = mdl_iter_run(&iter, count - done, &n))) {
		if (to_list)
			memcpy(p, buf + done, n);
		else
			memcpy(buf + done, p, n);
		done += n;
	}
	return done;
}

size_t mdl_read(const mdl_t *mdl, void *buf, size_t count, size_t offset)
{
	return mdl_copy(mdl, buf, count, offset, false);
}

size_t mdl_write(const mdl_t *mdl, const void *buf, size_t count, size_t offset)
{
	return mdl_copy(mdl, (char *)buf, count, offset, true);
}

void *mdl_iter_run(mdl_iter_t *iter, size_t max, size_t *n)
{
	const mdl_t *mdl = iter->mdl;
	const mdl_seg_t *s;
	char *at;

	while (iter->seg < mdl->amount && iter->offset >= mdl->segs[iter->seg].size) {
		iter->seg++;
		iter->offset = 0;
	}
	if (iter->seg >= mdl->amount || !max)
		return NULL;
	s = &mdl->segs[iter->seg];
	/* A segment is one run of the direct map. */
	at = (char *)phys_to_virt((s->pfn << PAGE_SHIFT) + s->offset) + iter->offset;
	*n = MIN(s->size - iter->offset, max);
	iter->offset += *n;
	return at;
}

bool mdl_iter_next(mdl_iter_t *iter, uint8_t *byte)
{
	size_t n;
	const uint8_t *at = mdl_iter_run(iter, 1, &n);

	if (at)
		*byte = *at;
	return at;
}
