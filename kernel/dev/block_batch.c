/*
 * Batches of block I/O: runs of bytes that follow each other on the device become one request.
 *
 * A batch belongs to one thread. Its requests run at once; `pending` counts them plus one for the
 * batch itself, so that it reaches zero only after finish began to wait. The first request is part
 * of the batch, hence a batch makes progress without memory: when no further one can be allocated
 * it waits for those under way and uses the embedded one again.
 */
#include "dev/block.h"
#include "dev/block_wait.h"
#include "lib/assert.h"
#include "mm/slab.h"

/*
 * One request moves at most this much, so that a long run is under way while the rest is gathered.
 */
#define BATCH_REQUEST_MAX (1024u * 1024u)

void block_batch_begin(struct block_batch *b, struct block_device *bd, enum block_op op)
{
	b->bd = bd;
	b->op = op;
	b->pending = 0;
	b->status = 0;
	list_init(&b->ios);
	b->cur = NULL;
	b->next_sector = 0;
	b->first_used = false;
}

static void batch_done(struct block_request *rq)
{
	struct block_batch *b = rq->cookie;
	struct waitqueue *wq = block_waitqueue(&b->pending);

	/* The batch may be gone as soon as the count is down. */
	if (__atomic_sub_fetch(&b->pending, 1, __ATOMIC_ACQ_REL) == 0)
		wake_all(wq);
}

static void batch_submit_cur(struct block_batch *b)
{
	struct block_io *io = b->cur;

	if (!io)
		return;
	b->cur = NULL;
	io->rq.mdl = &io->mdl;
	io->rq.op = b->op;
	io->rq.done = batch_done;
	io->rq.cookie = b;
	list_add_tail(&b->ios, &io->link);
	__atomic_add_fetch(&b->pending, 1, __ATOMIC_RELAXED);
	block_submit(b->bd, &io->rq);
}

/* Wait for everything submitted; take over the first error; free the requests. */
static void batch_drain(struct block_batch *b)
{
	struct list *n;

	if (LOAD_ACQUIRE(b->pending))
		wait_event(block_waitqueue(&b->pending), LOAD_ACQUIRE(b->pending) == 0);
	while ((n = list_pop(&b->ios))) {
		struct block_io *io = list_entry(n, struct block_io, link);

		if (io->rq.status && !b->status)
			b->status = io->rq.status;
		mdl_deinit(&io->mdl);
		if (io == &b->first)
			b->first_used = false;
		else
			kfree(io);
	}
}

static struct block_io *batch_new_io(struct block_batch *b, uint64_t sector)
{
	struct block_io *io = NULL;

	if (b->first_used)
		io = kmalloc(sizeof(*io), ALLOC_NORECLAIM);
	if (!io) {
		if (b->first_used)
			batch_drain(b);
		io = &b->first;
		b->first_used = true;
	}
	mdl_init(&io->mdl, NULL);
	io->rq = (struct block_request){.sector = sector};
	b->next_sector = sector;
	b->cur = io;
	return io;
}

void block_batch_add(
	struct block_batch *b, uint64_t sector, struct page *pg, uint32_t offset, uint32_t len)
{
	struct block_io *io = b->cur;

	assert(len && len % SECTOR_SIZE == 0 && offset + len <= PAGE_SIZE);
	if (io && (sector != b->next_sector || io->mdl.size + len > BATCH_REQUEST_MAX ||
			  (b->bd->max_segs && io->mdl.amount >= b->bd->max_segs))) {
		batch_submit_cur(b);
		io = NULL;
	}
	if (!io)
		io = batch_new_io(b, sector);
	if (mdl_add_page(&io->mdl, pg, offset, len)) {
		int err;

		/* No memory for a longer list; the segments inside an empty one always do. */
		assert(io->mdl.amount > 0);
		batch_submit_cur(b);
		io = batch_new_io(b, sector);
		err = mdl_add_page(&io->mdl, pg, offset, len);
		assert(!err);
	}
	b->next_sector = sector + (len >> SECTOR_SHIFT);
}

int block_batch_finish(struct block_batch *b)
{
	batch_submit_cur(b);
	batch_drain(b);
	return b->status;
}
