/*
 * O_DIRECT: between a device and the memory of the caller, past the page cache.
 *
 * A step pins a piece of the caller's memory, as a chain of lists with a request each: one for each
 * run on the device, as long as the device takes. All requests of a step are under way at once;
 * then the chain is dropped. The memory may be unmapped and the process may fork meanwhile: the
 * pins keep the frames, and fork gives the child copies of them (mdl.c, access.c).
 *
 * Coherence with the cache. The caller has written back what was dirty, so a read finds the newest
 * bytes on the device. Before a write it also dropped the clean pages; those that could not be
 * (they are pinned, or locked in memory), and those that a reader or a mapping brought in with the
 * old bytes while the write was under way, get the new bytes here afterwards. They count as dirty
 * then:
 *
 *	write-back of such a page		direct write
 *	takes the page's old bytes
 *						new bytes on the device
 *	old bytes on the device
 *						new bytes into the page, dirty
 *	writes the page once more
 *
 * A page that comes later than that is read from the device after the write.
 */
#include "fs/direct.h"

#include "dev/block.h"
#include "dev/block_wait.h"
#include "lib/assert.h"
#include "mm/cache.h"
#include "mm/slab.h"
#include "sched/sched.h"

/* So much memory is pinned at a time. */
#define STEP_BYTES (1ul << 20)

/* One request: a node of the step's chain. */
struct direct_io {
	mdl_t mdl;
	struct block_request rq;
};

struct direct_step {
	const struct direct_target *t;
	bool write;
	mdl_t *first, *last; /* chain of direct_io.mdl */
	uint64_t size;	     /* bytes in it */
	uint64_t hole;	     /* bytes of a hole behind it */
	int error;	     /* why it is not longer, or 0 */
	uint32_t pending;    /* (a) requests under way */
};

int direct_check(const struct uio *u, uint64_t pos)
{
	struct uio at = *u;

	if (pos % SECTOR_SIZE)
		return -EINVAL;
	while (at.left) {
		size_t len;
		uaddr_t user = uio_user_range(&at, &len);

		len = MIN(len, at.left);
		if (user % SECTOR_SIZE || len % SECTOR_SIZE)
			return -EINVAL;
		uio_advance(&at, len);
	}
	return 0;
}

static struct direct_io *io_of(mdl_t *mdl)
{
	return container_of(mdl, struct direct_io, mdl);
}

static void io_free(mdl_t *mdl)
{
	kfree(io_of(mdl));
}

static void io_done(struct block_request *rq)
{
	struct direct_step *s = rq->cookie;
	struct waitqueue *wq = block_waitqueue(&s->pending);

	/* The step may be gone as soon as the count is down. */
	if (__atomic_sub_fetch(&s->pending, 1, __ATOMIC_ACQ_REL) == 0)
		wake_all(wq);
}

/* How much of len bytes from va on one request of the device can take, whatever the frames are. */
static size_t request_bytes(const struct block_device *bd, uaddr_t va, size_t len)
{
	if (!bd->max_segs)
		return len;
	return MIN(len, bd->max_segs * PAGE_SIZE - (va & PAGE_MASK));
}

/* Add a request to the chain. Bytes, or -errno. */
static ssize_t step_add(struct direct_step *s, uaddr_t va, size_t len, uint64_t sector)
{
	struct direct_io *io = kmalloc(sizeof(*io), 0);
	ssize_t got;

	if (!io)
		return -ENOMEM;
	mdl_init(&io->mdl, NULL);
	got = mdl_add_some(&io->mdl, thread_current()->ctx, va, len, !s->write);
	if (got <= 0) {
		kfree(io);
		return got == -ENOMEM || got == -EINTR ? got : -EFAULT;
	}
	io->rq = (struct block_request){
		.op = s->write ? BLOCK_WRITE : BLOCK_READ,
		.sector = sector,
		.mdl = &io->mdl,
		.done = io_done,
		.cookie = s,
	};
	if (s->last)
		s->last->next = &io->mdl;
	else
		s->first = &io->mdl;
	s->last = &io->mdl;
	s->size += (uint64_t)got;
	return got;
}

/* Pin and map as much as a step takes of n bytes at pos. */
static void step_gather(struct direct_step *s, const struct uio *u, uint64_t pos, uint64_t n)
{
	struct uio at = *u;

	n = MIN(n, STEP_BYTES);
	while (s->size < n) {
		struct direct_run run;
		size_t len;
		uaddr_t va = uio_user_range(&at, &len);
		ssize_t got;

		len = MIN(len, n - s->size);
		s->error = s->t->map(s->t, pos + s->size, len, s->write, &run);
		if (s->error)
			return;
		len = MIN(len, run.len);
		if (run.hole) {
			s->hole = len;
			return;
		}
		len = request_bytes(s->t->bd, va, len);
		got = step_add(s, va, len, run.sector);
		if (got < 0) {
			s->error = (int)got;
			return;
		}
		uio_advance(&at, (size_t)got);
		if ((size_t)got < len)
			return; /* the next step says why */
	}
}

static void step_run(struct direct_step *s)
{
	/* One more, so that it does not reach zero before all are counted. */
	s->pending = 1;
	for (mdl_t *m = s->first; m; m = m->next) {
		__atomic_add_fetch(&s->pending, 1, __ATOMIC_RELAXED);
		block_submit(s->t->bd, &io_of(m)->rq);
	}
	if (__atomic_sub_fetch(&s->pending, 1, __ATOMIC_ACQ_REL))
		wait_event(block_waitqueue(&s->pending), LOAD_ACQUIRE(s->pending) == 0);
}

/* What was written, at off, into the pages of the cache that are there all the same. */
static void refresh_pages(const struct direct_target *t, const mdl_t *mdl, uint64_t off)
{
	for (uint64_t done = 0, n; done < mdl->size; done += n) {
		uint32_t in_page = (off + done) & PAGE_MASK;
		struct page *pg;

		n = MIN(PAGE_SIZE - in_page, mdl->size - done);
		pg = cache_get_present(t->vo, (off + done) >> PAGE_SHIFT);
		if (!pg)
			continue;
		mdl_read(mdl, (char *)page_virt(pg) + in_page, n, done);
		t->changed(pg, in_page, (uint32_t)n);
		cache_put(pg);
	}
}

/* The bytes up to the first request that failed; its error if it is the first one. */
static ssize_t step_result(struct direct_step *s, uint64_t pos)
{
	uint64_t good = 0;

	for (mdl_t *m = s->first; m; m = m->next) {
		int err = io_of(m)->rq.status;

		if (err)
			return good ? (ssize_t)good : err;
		if (s->write)
			refresh_pages(s->t, m, pos + good);
		good += m->size;
	}
	return (ssize_t)good;
}

/* Bytes moved; 0: a write stands in front of a hole; -errno. */
static ssize_t transfer_step(
	const struct direct_target *t, const struct uio *u, uint64_t pos, uint64_t n, bool write)
{
	struct direct_step s = {.t = t, .write = write};
	ssize_t moved;

	step_gather(&s, u, pos, n);
	if (s.first) {
		step_run(&s);
		moved = step_result(&s, pos);
		mdl_free_chain(s.first, io_free);
		return moved;
	}
	if (s.error)
		return s.error;
	if (!write) {
		struct uio at = *u;
		size_t zeroed = s.hole - uio_zero(&at, s.hole);

		return zeroed ? (ssize_t)zeroed : -EFAULT;
	}
	return 0;
}

static ssize_t transfer(
	const struct direct_target *t, struct uio *u, uint64_t *pos, uint64_t n, bool write)
{
	ssize_t total = 0;

	assert(n % SECTOR_SIZE == 0 && n <= u->left);
	while (n) {
		ssize_t moved = transfer_step(t, u, *pos, n, write);

		if (moved < 0)
			return total ? total : moved;
		if (!moved)
			break;
		uio_advance(u, (size_t)moved);
		*pos += (uint64_t)moved;
		n -= (uint64_t)moved;
		total += moved;
		if (*pos % SECTOR_SIZE)
			break; /* zeroing met a page that cannot be had */
		cond_resched();
	}
	return total;
}

ssize_t direct_read(const struct direct_target *t, struct uio *u, uint64_t *pos, uint64_t n)
{
	return transfer(t, u, pos, n, false);
}

ssize_t direct_write(const struct direct_target *t, struct uio *u, uint64_t *pos, uint64_t n)
{
	return transfer(t, u, pos, n, true);
}
