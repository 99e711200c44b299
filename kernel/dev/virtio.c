/*
 * Virtio over PCI. Two register layouts, one set of calls:
 *
 *	modern  capabilities point to windows of memory (common, notify, isr, device)
 *	older   ports of the first window; the queue is told by page number, its size is fixed
 *
 * A queue's memory is laid out as the older devices want it: descriptors, available ring, then, on
 * a page of its own, the used ring.
 *
 * Memory order with the device (x86: stores are seen in order, so that a compiler barrier is enough
 * between them; between publishing avail->idx and reading used->flags a full fence is needed):
 *
 *	driver                               device
 *	descriptors, ring[idx]               reads idx
 *	idx + 1                              reads ring, descriptors
 *	fence; flags say no notify? else     writes used ring, then used idx
 *	  doorbell
 */
#include "dev/virtio.h"

#include "klog.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/dmabuf.h"
#include "mm/slab.h"

#define VIRTIO_DEVICE_OLD_FIRST 0x1000
#define VIRTIO_DEVICE_OLD_LAST	0x103f
#define VIRTIO_DEVICE_LAST	0x107f

/* Status bits. */
#define STATUS_ACKNOWLEDGE 0x01
#define STATUS_DRIVER	   0x02
#define STATUS_DRIVER_OK   0x04
#define STATUS_FEATURES_OK 0x08
#define STATUS_FAILED	   0x80

/* Capability of a modern device. */
#define CAP_TYPE       3
#define CAP_BAR	       4
#define CAP_OFFSET     8
#define CAP_LENGTH     12
#define CAP_MULTIPLIER 16
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE };

/* Common configuration. */
#define COMMON_DEVICE_FEATURE_SELECT 0
#define COMMON_DEVICE_FEATURE	     4
#define COMMON_DRIVER_FEATURE_SELECT 8
#define COMMON_DRIVER_FEATURE	     12
#define COMMON_MSIX_CONFIG	     16
#define COMMON_STATUS		     20
#define COMMON_QUEUE_SELECT	     22
#define COMMON_QUEUE_SIZE	     24
#define COMMON_QUEUE_VECTOR	     26
#define COMMON_QUEUE_ENABLE	     28
#define COMMON_QUEUE_NOTIFY_OFF	     30
#define COMMON_QUEUE_DESC	     32
#define COMMON_QUEUE_AVAIL	     40
#define COMMON_QUEUE_USED	     48
#define COMMON_LENGTH		     56

/* Ports of an older device. */
#define OLD_DEVICE_FEATURES 0
#define OLD_DRIVER_FEATURES 4
#define OLD_QUEUE_PFN	    8
#define OLD_QUEUE_SIZE	    12
#define OLD_QUEUE_SELECT    14
#define OLD_QUEUE_NOTIFY    16
#define OLD_STATUS	    18
#define OLD_ISR		    19
#define OLD_CONFIG_VECTOR   20
#define OLD_QUEUE_VECTOR    22
#define OLD_CONFIG	    20
#define OLD_CONFIG_MSIX	    24

#define NO_VECTOR 0xffff

#define DESC_NEXT      1
#define DESC_WRITE     2
#define DESC_INDIRECT  4
#define USED_NO_NOTIFY 1

#define RESET_POLLS 100000

static uint8_t common8(struct virtio_device *vd, unsigned off)
{
	return *(volatile uint8_t *)(vd->common + off);
}
static uint16_t common16(struct virtio_device *vd, unsigned off)
{
	return *(volatile uint16_t *)(vd->common + off);
}
static uint32_t common32(struct virtio_device *vd, unsigned off)
{
	return *(volatile uint32_t *)(vd->common + off);
}
static void common_set8(struct virtio_device *vd, unsigned off, uint8_t v)
{
	*(volatile uint8_t *)(vd->common + off) = v;
}
static void common_set16(struct virtio_device *vd, unsigned off, uint16_t v)
{
	*(volatile uint16_t *)(vd->common + off) = v;
}
static void common_set32(struct virtio_device *vd, unsigned off, uint32_t v)
{
	*(volatile uint32_t *)(vd->common + off) = v;
}
static void common_set64(struct virtio_device *vd, unsigned off, uint64_t v)
{
	common_set32(vd, off, (uint32_t)v);
	common_set32(vd, off + 4, (uint32_t)(v >> 32));
}

static uint8_t status_get(struct virtio_device *vd)
{
	return vd->modern ? common8(vd, COMMON_STATUS) : port_in8(vd->io + OLD_STATUS);
}

static void status_set(struct virtio_device *vd, uint8_t v)
{
	if (vd->modern)
		common_set8(vd, COMMON_STATUS, v);
	else
		port_out8(vd->io + OLD_STATUS, v);
}

static void status_add(struct virtio_device *vd, uint8_t bits)
{
	status_set(vd, status_get(vd) | bits);
}

/* The windows that the vendor capabilities point to; the first of each type counts. */
static bool map_modern(struct virtio_device *vd)
{
	struct pci_device *pd = vd->pci;
	unsigned cap = 0;

	while ((cap = pci_find_capability(pd, PCI_CAP_VENDOR, cap))) {
		uint8_t type = pci_read8(pd, cap + CAP_TYPE), bar = pci_read8(pd, cap + CAP_BAR);
		uint32_t off = pci_read32(pd, cap + CAP_OFFSET);
		uint32_t len = pci_read32(pd, cap + CAP_LENGTH);

		if (type == CAP_COMMON && !vd->common && len >= COMMON_LENGTH) {
			vd->common = pci_map_bar(pd, bar, off, len);
		} else if (type == CAP_ISR && !vd->isr) {
			vd->isr = pci_map_bar(pd, bar, off, len);
		} else if (type == CAP_DEVICE && !vd->config) {
			vd->config = pci_map_bar(pd, bar, off, len);
			vd->config_len = len;
		} else if (type == CAP_NOTIFY && !vd->notify) {
			vd->notify = pci_map_bar(pd, bar, off, len);
			vd->notify_len = len;
			vd->notify_multiplier = pci_read32(pd, cap + CAP_MULTIPLIER);
		}
	}
	return vd->common && vd->isr && vd->config && vd->notify;
}

int virtio_open(struct virtio_device *vd, struct pci_device *pd)
{
	*vd = (struct virtio_device){.pci = pd};
	if (pd->vendor != VIRTIO_VENDOR || pd->device < VIRTIO_DEVICE_OLD_FIRST ||
		pd->device > VIRTIO_DEVICE_LAST)
		return -ENODEV;
	pci_enable(pd);
	vd->modern = map_modern(vd);
	if (!vd->modern) {
		if (pd->device > VIRTIO_DEVICE_OLD_LAST || !pd->bars[0].io || !pd->bars[0].len)
			return -ENODEV;
		vd->io = (uint16_t)pd->bars[0].base;
	}
	status_set(vd, 0);
	for (unsigned i = 0; i < RESET_POLLS && status_get(vd); i++)
		cpu_relax();
	if (status_get(vd))
		return -ENODEV;
	status_add(vd, STATUS_ACKNOWLEDGE);
	status_add(vd, STATUS_DRIVER);
	return 0;
}

static uint64_t features_offered(struct virtio_device *vd)
{
	uint64_t f;

	if (!vd->modern)
		return port_in32(vd->io + OLD_DEVICE_FEATURES);
	common_set32(vd, COMMON_DEVICE_FEATURE_SELECT, 0);
	f = common32(vd, COMMON_DEVICE_FEATURE);
	common_set32(vd, COMMON_DEVICE_FEATURE_SELECT, 1);
	return f | (uint64_t)common32(vd, COMMON_DEVICE_FEATURE) << 32;
}

int virtio_negotiate(struct virtio_device *vd, uint64_t wanted)
{
	uint64_t f = features_offered(vd) & (wanted | VIRTIO_F_VERSION_1);

	vd->features = f;
	if (!vd->modern) {
		port_out32(vd->io + OLD_DRIVER_FEATURES, (uint32_t)f);
		return 0;
	}
	if (!(f & VIRTIO_F_VERSION_1))
		return -ENODEV;
	common_set32(vd, COMMON_DRIVER_FEATURE_SELECT, 0);
	common_set32(vd, COMMON_DRIVER_FEATURE, (uint32_t)f);
	common_set32(vd, COMMON_DRIVER_FEATURE_SELECT, 1);
	common_set32(vd, COMMON_DRIVER_FEATURE, (uint32_t)(f >> 32));
	status_add(vd, STATUS_FEATURES_OK);
	return status_get(vd) & STATUS_FEATURES_OK ? 0 : -ENODEV;
}

int virtio_setup_irq(struct virtio_device *vd, irq_handler_fn fn, void *cookie)
{
	int err = pci_msix_setup(vd->pci, 0, fn, cookie);

	if (!err) {
		vd->msix = true;
		if (vd->modern)
			common_set16(vd, COMMON_MSIX_CONFIG, NO_VECTOR);
		else
			port_out16(vd->io + OLD_CONFIG_VECTOR, NO_VECTOR);
		return 0;
	}
	return pci_intx_setup(vd->pci, fn, cookie);
}

bool virtio_irq_pending(struct virtio_device *vd)
{
	if (vd->msix)
		return true;
	return (vd->modern ? *vd->isr : port_in8(vd->io + OLD_ISR)) & 1;
}

void virtio_config_read(struct virtio_device *vd, unsigned off, void *buf, size_t n)
{
	uint8_t *out = buf;

	for (size_t i = 0; i < n; i++) {
		unsigned at = off + (unsigned)i;

		if (!vd->modern)
			out[i] = port_in8((
				uint16_t)(vd->io + at + (vd->msix ? OLD_CONFIG_MSIX : OLD_CONFIG)));
		else
			out[i] = at < vd->config_len ? vd->config[at] : 0;
	}
}

static size_t used_offset(unsigned size)
{
	return ALIGN_UP(
		size * sizeof(struct virtq_desc) + (3 + size) * sizeof(uint16_t), PAGE_SIZE);
}

/* Memory for `size` entries, all descriptors free. 0 or -ENOMEM. */
static int queue_memory(struct virtqueue *q)
{
	size_t used_at = used_offset(q->size);
	char *mem;

	q->memory_len = used_at + 3 * sizeof(uint16_t) + q->size * 8;
	q->cookies = kzalloc(q->size * sizeof(void *), 0);
	mem = q->cookies ? dmabuf_allocate(q->memory_len, 0, &q->memory_pa) : NULL;
	if (!mem) {
		kfree(q->cookies);
		q->cookies = NULL;
		return -ENOMEM;
	}
	q->memory = mem;
	q->desc = (volatile struct virtq_desc *)mem;
	q->avail = (volatile uint16_t *)(mem + q->size * sizeof(struct virtq_desc));
	q->used = (volatile uint16_t *)(mem + used_at);
	for (unsigned i = 0; i < q->size; i++)
		q->desc[i].next = (uint16_t)(i + 1);
	q->free = 0;
	q->nfree = q->size;
	return 0;
}

/* Tell a modern device where the queue is. 0 or -ENODEV. */
static int queue_enable_modern(struct virtqueue *q)
{
	struct virtio_device *vd = q->vd;
	uint64_t at = (uint64_t)common16(vd, COMMON_QUEUE_NOTIFY_OFF) * vd->notify_multiplier;

	if (at + sizeof(uint16_t) > vd->notify_len)
		return -ENODEV;
	q->doorbell = vd->notify + at;
	common_set16(vd, COMMON_QUEUE_SIZE, (uint16_t)q->size);
	common_set64(vd, COMMON_QUEUE_DESC, q->memory_pa);
	common_set64(vd, COMMON_QUEUE_AVAIL, q->memory_pa + q->size * sizeof(struct virtq_desc));
	common_set64(vd, COMMON_QUEUE_USED, q->memory_pa + used_offset(q->size));
	common_set16(vd, COMMON_QUEUE_VECTOR, vd->msix ? 0 : NO_VECTOR);
	if (vd->msix && common16(vd, COMMON_QUEUE_VECTOR) != 0)
		return -ENODEV;
	common_set16(vd, COMMON_QUEUE_ENABLE, 1);
	return 0;
}

static int queue_enable_old(struct virtqueue *q)
{
	struct virtio_device *vd = q->vd;

	port_out32(vd->io + OLD_QUEUE_PFN, (uint32_t)(q->memory_pa >> PAGE_SHIFT));
	if (!vd->msix)
		return 0;
	port_out16(vd->io + OLD_QUEUE_VECTOR, 0);
	return port_in16(vd->io + OLD_QUEUE_VECTOR) == 0 ? 0 : -ENODEV;
}

int virtqueue_create(
	struct virtio_device *vd, unsigned index, unsigned size_max, struct virtqueue *q)
{
	unsigned size;
	int err;

	*q = (struct virtqueue){.vd = vd, .index = index};
	if (vd->modern) {
		common_set16(vd, COMMON_QUEUE_SELECT, (uint16_t)index);
		size = MIN((unsigned)common16(vd, COMMON_QUEUE_SIZE), size_max);
	} else {
		port_out16(vd->io + OLD_QUEUE_SELECT, (uint16_t)index);
		size = port_in16(vd->io + OLD_QUEUE_SIZE);
	}
	if (!size || (size & (size - 1)))
		return -ENODEV;
	q->size = size;
	err = queue_memory(q);
	if (err)
		return err;
	return vd->modern ? queue_enable_modern(q) : queue_enable_old(q);
}

void virtio_start(struct virtio_device *vd)
{
	status_add(vd, STATUS_DRIVER_OK);
}

void virtio_fail(struct virtio_device *vd, struct virtqueue *q)
{
	status_set(vd, 0);
	status_add(vd, STATUS_FAILED);
	if (!q->memory)
		return;
	dmabuf_free(q->memory, q->memory_len, 0, q->memory_pa);
	kfree(q->cookies);
	q->memory = NULL;
}

static void desc_set(volatile struct virtq_desc *d, const struct virtq_buf *b, uint16_t flags)
{
	d->addr = b->addr;
	d->len = b->len;
	d->flags = (uint16_t)(flags | (b->device_writes ? DESC_WRITE : 0));
}

/* The chain through the free descriptors. Returns the first one that is still free. */
static unsigned add_chain(struct virtqueue *q, const struct virtq_buf *bufs, unsigned n)
{
	unsigned d = q->free;

	for (unsigned i = 0; i < n; i++) {
		desc_set(&q->desc[d], &bufs[i], i + 1 < n ? DESC_NEXT : 0);
		d = q->desc[d].next;
	}
	return d;
}

static unsigned add_indirect(struct virtqueue *q, const struct virtq_buf *bufs, unsigned n,
	struct virtq_desc *table, paddr_t table_pa)
{
	volatile struct virtq_desc *d = &q->desc[q->free];

	for (unsigned i = 0; i < n; i++) {
		desc_set(&table[i], &bufs[i], i + 1 < n ? DESC_NEXT : 0);
		table[i].next = (uint16_t)(i + 1);
	}
	d->addr = table_pa;
	d->len = n * (uint32_t)sizeof(struct virtq_desc);
	d->flags = DESC_INDIRECT;
	return d->next;
}

int virtqueue_add(struct virtqueue *q, const struct virtq_buf *bufs, unsigned n,
	struct virtq_desc *table, paddr_t table_pa, void *cookie)
{
	unsigned head = q->free, takes = table ? 1 : n;
	uint16_t idx;

	assert(n && cookie);
	if (q->nfree < takes)
		return -ENOSPC;
	q->free = table ? add_indirect(q, bufs, n, table, table_pa) : add_chain(q, bufs, n);
	q->nfree -= takes;
	q->cookies[head] = cookie;
	idx = q->avail[1];
	q->avail[2 + idx % q->size] = (uint16_t)head;
	atomic_thread_fence(memory_order_release);
	q->avail[1] = (uint16_t)(idx + 1);
	return 0;
}

void virtqueue_kick(struct virtqueue *q)
{
	struct virtio_device *vd = q->vd;

	atomic_thread_fence(memory_order_seq_cst);
	if (q->used[0] & USED_NO_NOTIFY)
		return;
	if (vd->modern)
		*(volatile uint16_t *)q->doorbell = (uint16_t)q->index;
	else
		port_out16(vd->io + OLD_QUEUE_NOTIFY, (uint16_t)q->index);
}

/* The descriptors of a finished chain are free again. */
static void free_chain(struct virtqueue *q, unsigned head)
{
	unsigned last = head, n = 1;

	/* The device does not write descriptors; the bound is for one that misbehaves. */
	while ((q->desc[last].flags & DESC_NEXT) && n < q->size) {
		last = q->desc[last].next;
		n++;
	}
	q->desc[last].next = (uint16_t)q->free;
	q->free = head;
	q->nfree += n;
}

void *virtqueue_take(struct virtqueue *q)
{
	volatile uint32_t *ring = (volatile uint32_t *)(q->used + 2);

	while (q->used[1] != q->last_used) {
		uint32_t head;
		void *cookie;

		atomic_thread_fence(memory_order_acquire);
		head = ring[(q->last_used % q->size) * 2];
		q->last_used++;
		cookie = head < q->size ? q->cookies[head] : NULL;
		if (!cookie) {
			klog_err("virtio: the device returned a buffer that it was not given");
			continue;
		}
		q->cookies[head] = NULL;
		free_chain(q, head);
		return cookie;
	}
	return NULL;
}
