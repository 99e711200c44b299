/*
 * Virtio disks: /dev/vda, vdb, ...
 *
 * The segments of a request's mdl go into descriptors as they are; in front of them a header,
 * behind them a status byte, both in the memory of a slot. A slot per request under way; with
 * indirect descriptors each slot has a table of its own and takes one entry of the queue. Requests
 * that find no slot wait in a list and are started by the interrupt that frees one: submit never
 * sleeps.
 *
 * vb->lock (91, interrupts off) guards queue, slots and list; done() is called without it.
 *
 * Source: VIRTIO 1.1, section 5.2.
 */
#include "dev/block.h"
#include "dev/virtio.h"
#include "fs/inode.h"
#include "klog.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/dmabuf.h"
#include "mm/slab.h"

#define VIRTIO_BLK_OLD	  0x1001
#define VIRTIO_BLK_MODERN 0x1042

#define BLK_F_SEG_MAX (1ull << 2)
#define BLK_F_RO      (1ull << 5)
#define BLK_F_FLUSH   (1ull << 9)

#define BLK_CONFIG_CAPACITY 0
#define BLK_CONFIG_SEG_MAX  12

enum { BLK_T_IN, BLK_T_OUT, BLK_T_FLUSH = 4 };
enum { BLK_S_OK, BLK_S_IOERR, BLK_S_UNSUPPORTED };

#define VIRTIO_BLK_MAJOR 254
#define MINORS_PER_DISK	 16
#define DISKS_MAX	 26

#define QUEUE_SIZE 128
#define SLOTS	   32
#define SEGS_MAX   62 /* with header and status: a table of 64 */

struct blk_header {
	uint32_t type, reserved;
	uint64_t sector;
};

/* What the device reads and writes of a slot: one piece of the dma memory. */
struct slot_dma {
	struct virtq_desc table[SEGS_MAX + 2];
	struct blk_header header;
	uint8_t status;
	uint8_t pad[15];
};

struct slot {
	struct block_request *rq; /* NULL: free */
	struct slot_dma *dma;
	paddr_t dma_pa;
	struct slot *next_free;
};

struct virtio_blk {
	struct virtio_device vd;
	struct virtqueue q;
	struct block_device bd;
	struct spinlock lock;
	struct slot slots[SLOTS];
	struct slot *free_slots;
	struct list waiting; /* struct block_request.link */
	void *dma;
	paddr_t dma_pa;
};

static unsigned ndisks;

static paddr_t dma_of(const struct slot *s, size_t field)
{
	return s->dma_pa + field;
}

/* Fill bufs with header, segments and status; returns how many. */
static unsigned build_bufs(struct slot *s, const struct block_request *rq, struct virtq_buf *bufs)
{
	unsigned n = 0;

	s->dma->header = (struct blk_header){
		.type = rq->op == BLOCK_READ	? BLK_T_IN
			: rq->op == BLOCK_WRITE ? BLK_T_OUT
						: BLK_T_FLUSH,
		.sector = rq->op == BLOCK_FLUSH ? 0 : rq->sector,
	};
	s->dma->status = 0xff;
	bufs[n++] = (struct virtq_buf){
		dma_of(s, offsetof(struct slot_dma, header)), sizeof(struct blk_header), false};
	for (uint32_t i = 0; rq->mdl && i < rq->mdl->amount; i++) {
		const mdl_seg_t *seg = &rq->mdl->segs[i];

		bufs[n++] = (struct virtq_buf){(seg->pfn << PAGE_SHIFT) + seg->offset,
			(uint32_t)seg->size, rq->op == BLOCK_READ};
	}
	bufs[n++] = (struct virtq_buf){dma_of(s, offsetof(struct slot_dma, status)), 1, true};
	return n;
}

/* Start a request if there is a slot and room in the queue. => lock held */
static bool start_locked(struct virtio_blk *vb, struct block_request *rq)
{
	struct virtq_buf bufs[SEGS_MAX + 2];
	struct slot *s = vb->free_slots;
	bool indirect = vb->vd.features & VIRTIO_F_INDIRECT_DESC;
	unsigned n;

	if (!s)
		return false;
	n = build_bufs(s, rq, bufs);
	if (virtqueue_add(&vb->q, bufs, n, indirect ? s->dma->table : NULL,
		    dma_of(s, offsetof(struct slot_dma, table)), s))
		return false;
	vb->free_slots = s->next_free;
	s->rq = rq;
	return true;
}

static void blk_submit(struct block_device *bd, struct block_request *rq)
{
	struct virtio_blk *vb = bd->priv;
	irqflags_t flags;

	if (rq->op == BLOCK_FLUSH && !(vb->vd.features & BLK_F_FLUSH)) {
		/* No cache that could be flushed. */
		rq->status = 0;
		rq->done(rq);
		return;
	}
	flags = spin_lock_irqsave(&vb->lock);
	if (list_empty(&vb->waiting) && start_locked(vb, rq))
		virtqueue_kick(&vb->q);
	else
		list_add_tail(&vb->waiting, &rq->link);
	spin_unlock_irqrestore(&vb->lock, flags);
}

/* Move what the device finished to `done`, start what waits. => lock held */
static void collect_locked(struct virtio_blk *vb, struct list *done)
{
	struct slot *s;
	bool kick = false;

	while ((s = virtqueue_take(&vb->q))) {
		s->rq->status = s->dma->status == BLK_S_OK ? 0 : -EIO;
		list_add_tail(done, &s->rq->link);
		s->rq = NULL;
		s->next_free = vb->free_slots;
		vb->free_slots = s;
	}
	while (!list_empty(&vb->waiting)) {
		struct block_request *rq =
			list_first_entry(&vb->waiting, struct block_request, link);

		if (!start_locked(vb, rq))
			break;
		list_remove(&rq->link);
		kick = true;
	}
	if (kick)
		virtqueue_kick(&vb->q);
}

static void blk_interrupt(void *cookie)
{
	struct virtio_blk *vb = cookie;
	struct list done, *n;

	if (!virtio_irq_pending(&vb->vd))
		return;
	list_init(&done);
	spin_lock(&vb->lock);
	collect_locked(vb, &done);
	spin_unlock(&vb->lock);
	while ((n = list_pop(&done))) {
		struct block_request *rq = list_entry(n, struct block_request, link);

		rq->done(rq);
	}
}

static const struct block_ops blk_ops = {.submit = blk_submit};

static int slots_init(struct virtio_blk *vb)
{
	vb->dma = dmabuf_allocate(SLOTS * sizeof(struct slot_dma), 0, &vb->dma_pa);
	if (!vb->dma)
		return -ENOMEM;
	for (unsigned i = 0; i < SLOTS; i++) {
		struct slot *s = &vb->slots[i];

		s->dma = (struct slot_dma *)vb->dma + i;
		s->dma_pa = vb->dma_pa + i * sizeof(struct slot_dma);
		s->next_free = vb->free_slots;
		vb->free_slots = s;
	}
	return 0;
}

/*
 * The most segments of a request: what our tables, the device and, without tables, the queue hold.
 */
static unsigned segs_limit(struct virtio_blk *vb)
{
	unsigned limit = SEGS_MAX;
	uint32_t seg_max;

	if (!(vb->vd.features & VIRTIO_F_INDIRECT_DESC))
		limit = MIN(limit, vb->q.size > 2 ? vb->q.size - 2 : 1);
	if (vb->vd.features & BLK_F_SEG_MAX) {
		virtio_config_read(&vb->vd, BLK_CONFIG_SEG_MAX, &seg_max, sizeof(seg_max));
		if (seg_max)
			limit = MIN(limit, seg_max);
	}
	return limit;
}

static int disk_start(struct virtio_blk *vb, struct pci_device *pd)
{
	uint64_t capacity;
	int err = virtio_open(&vb->vd, pd);

	if (!err)
		err = virtio_negotiate(
			&vb->vd, VIRTIO_F_INDIRECT_DESC | BLK_F_SEG_MAX | BLK_F_RO | BLK_F_FLUSH);
	if (!err)
		err = slots_init(vb);
	if (!err)
		err = virtio_setup_irq(&vb->vd, blk_interrupt, vb);
	if (!err)
		err = virtqueue_create(&vb->vd, 0, QUEUE_SIZE, &vb->q);
	if (err)
		return err;
	virtio_config_read(&vb->vd, BLK_CONFIG_CAPACITY, &capacity, sizeof(capacity));
	vb->bd.nsectors = capacity;
	vb->bd.read_only = vb->vd.features & BLK_F_RO;
	vb->bd.max_segs = segs_limit(vb);
	vb->bd.ops = &blk_ops;
	vb->bd.priv = vb;
	vb->bd.devno = MKDEV(VIRTIO_BLK_MAJOR, ndisks * MINORS_PER_DISK);
	memcpy(vb->bd.name, "vda", 4);
	vb->bd.name[2] = (char)('a' + ndisks);
	virtio_start(&vb->vd);
	return block_register(&vb->bd);
}

static void disk_probe(struct pci_device *pd)
{
	struct virtio_blk *vb = kzalloc(sizeof(*vb), 0);
	int err;

	if (!vb)
		return;
	spin_init(&vb->lock, RANK_DEVICE, "virtio disk");
	list_init(&vb->waiting);
	err = disk_start(vb, pd);
	if (!err) {
		pd->claimed = true;
		ndisks++;
		return;
	}
	/* The interrupt handler may be registered already: vb and its slots stay. */
	klog_err("virtio disk at %u:%u.%u cannot be used: error %d", pd->bus, pd->slot, pd->fn,
		-err);
	if (vb->vd.modern || vb->vd.io)
		virtio_fail(&vb->vd, &vb->q);
}

void virtio_blk_init(void)
{
	struct pci_device *pd;

	for (unsigned i = 0; (pd = pci_nth(i)) && ndisks < DISKS_MAX; i++)
		if (!pd->claimed && pd->vendor == VIRTIO_VENDOR &&
			(pd->device == VIRTIO_BLK_OLD || pd->device == VIRTIO_BLK_MODERN))
			disk_probe(pd);
}
