/*
 * /proc/PID/mem: the memory of a process as a file, the position being the address; and
 * /proc/PID/pagemap: a word for each of its pages.
 *
 * mem goes through mm_access with force, as ptrace would: private pages may be read without READ
 * and written without WRITE, into a copy of the process's own; shared ones only as they may be
 * anyway. Nobody is traced here, and everybody is root: any process may be opened.
 */
#include "fs/uio.h"
#include "mm/access.h"
#include "mm/slab.h"
#include "mm/usage.h"
#include "proc/procfs_priv.h"

/* Bits of a pagemap word (Documentation/admin-guide/mm/pagemap.rst). */
#define PAGEMAP_EXCLUSIVE (1ull << 56)
#define PAGEMAP_FILE	  (1ull << 61)
#define PAGEMAP_PRESENT	  (1ull << 63)
#define PAGEMAP_CHUNK	  64

/* The address space with a reference, NULL: it has none any more. 0 or -ESRCH. */
static int context_of(const struct proc_ref *ref, struct mm_context **out)
{
	struct process *p = proc_ref_process(ref);

	if (!p)
		return -ESRCH;
	*out = process_get_context(p);
	process_put(p);
	return 0;
}

/* One step through a buffer of a page. Bytes moved or -errno. */
static ssize_t mem_step(struct mm_context *ctx, struct uio *u, uint64_t at, char *buf, bool write)
{
	size_t n = MIN(u->left, PAGE_SIZE - (at & PAGE_MASK)), missed;
	ssize_t moved;

	if (write) {
		missed = uio_copy_from(u, buf, n);
		n -= missed;
		if (!n)
			return -EFAULT;
		moved = mm_access(ctx, at, buf, n, true, true);
		return moved < 0 ? -EIO : moved;
	}
	moved = mm_access(ctx, at, buf, n, false, true);
	if (moved < 0)
		return -EIO;
	missed = uio_copy_to(u, buf, (size_t)moved);
	return missed == (size_t)moved ? -EFAULT : moved - (ssize_t)missed;
}

static ssize_t mem_rw(const struct proc_ref *ref, struct uio *u, uint64_t *pos, bool write)
{
	ssize_t done = 0, moved = 0;
	struct mm_context *ctx;
	int err = context_of(ref, &ctx);
	char *buf;

	if (err || !ctx)
		return err;
	buf = kmalloc(PAGE_SIZE, 0);
	if (!buf)
		done = -ENOMEM;
	while (buf && u->left) {
		moved = mem_step(ctx, u, *pos, buf, write);
		if (moved <= 0)
			break;
		*pos += (uint64_t)moved;
		done += moved;
	}
	kfree(buf);
	mm_put_context(ctx);
	return done || moved >= 0 ? done : moved;
}

ssize_t proc_mem_read(const struct proc_ref *ref, struct uio *u, uint64_t *pos)
{
	return mem_rw(ref, u, pos, false);
}

ssize_t proc_mem_write(const struct proc_ref *ref, struct uio *u, uint64_t *pos)
{
	return mem_rw(ref, u, pos, true);
}

static uint64_t pagemap_word(struct mm_context *ctx, vaddr_t va)
{
	struct mm_page_info info;
	uint64_t word;

	mm_page_info_locked(ctx, va, &info);
	if (!(info.flags & MM_PAGE_PRESENT))
		return 0;
	word = PAGEMAP_PRESENT | info.pfn;
	word |= info.flags & MM_PAGE_FILE ? PAGEMAP_FILE : 0;
	word |= info.flags & MM_PAGE_EXCLUSIVE ? PAGEMAP_EXCLUSIVE : 0;
	return word;
}

ssize_t proc_pagemap_read(const struct proc_ref *ref, struct uio *u, uint64_t *pos)
{
	uint64_t words[PAGEMAP_CHUNK];
	struct mm_context *ctx;
	ssize_t done = 0;
	int err;

	if (*pos % sizeof(words[0]) || u->left % sizeof(words[0]))
		return -EINVAL;
	err = context_of(ref, &ctx);
	if (err || !ctx)
		return err;
	while (u->left && *pos / sizeof(words[0]) < USER_MAX >> PAGE_SHIFT) {
		vaddr_t va = *pos / sizeof(words[0]) << PAGE_SHIFT;
		size_t n = MIN(u->left / sizeof(words[0]), (USER_MAX - va) >> PAGE_SHIFT);
		size_t bytes = MIN(n, (size_t)PAGEMAP_CHUNK) * sizeof(words[0]);

		rw_read_lock(&ctx->mm_lock);
		for (size_t i = 0; i < bytes / sizeof(words[0]); i++)
			words[i] = pagemap_word(ctx, va + (i << PAGE_SHIFT));
		rw_read_unlock(&ctx->mm_lock);
		if (uio_copy_to(u, words, bytes)) {
			err = -EFAULT;
			break;
		}
		*pos += bytes;
		done += (ssize_t)bytes;
	}
	mm_put_context(ctx);
	return done ? done : err;
}
