/*
 * Virtio over PCI: devices of version 1 and older ones through the same calls, and split queues.
 * Source: Virtual I/O Device (VIRTIO) Version 1.1, sections 2.6 (split queues) and 4.1 (PCI).
 */
#ifndef DEV_VIRTIO_H
#define DEV_VIRTIO_H

#include "dev/pci.h"

#define VIRTIO_VENDOR 0x1af4

#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_VERSION_1     (1ull << 32)

struct virtio_device {
	struct pci_device *pci;
	bool modern;
	bool msix;
	uint64_t features;	  /* agreed on */
	volatile uint8_t *common; /* modern: common configuration */
	volatile uint8_t *isr;	  /* modern */
	volatile uint8_t *config; /* modern: of the device type */
	volatile uint8_t *notify; /* modern */
	uint32_t notify_multiplier, notify_len, config_len;
	uint16_t io; /* older: first port */
};

struct virtq_desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};
_Static_assert(sizeof(struct virtq_desc) == 16, "virtio descriptor");

/* A run of bytes for the device. */
struct virtq_buf {
	paddr_t addr;
	uint32_t len;
	bool device_writes;
};

/*
 * One queue. The owner's lock guards it (the device's memory is shared with the device, in the
 * order of the barriers inside).
 */
struct virtqueue {
	struct virtio_device *vd;
	unsigned index, size; /* (c) */
	unsigned free, nfree; /* free descriptors: first, count */
	uint16_t last_used;   /* next used element to look at */
	volatile struct virtq_desc *desc;
	volatile uint16_t *avail; /* flags, idx, ring[size] */
	volatile uint16_t *used;  /* flags, idx, then size pairs of 32-bit words */
	void **cookies;		  /* by first descriptor */
	volatile void *doorbell;  /* modern */
	void *memory;
	size_t memory_len;
	paddr_t memory_pa;
};

/* Reset the device and say that there is a driver. 0, -ENODEV (not one that we can drive). */
int __must_check virtio_open(struct virtio_device *vd, struct pci_device *pd);
/* Agree on features: wanted & what it offers, in vd->features. 0 or -ENODEV. */
int __must_check virtio_negotiate(struct virtio_device *vd, uint64_t wanted);
/* All interrupts of the device call fn(cookie): by MSI-X, else by its pin. Before the queues. */
int __must_check virtio_setup_irq(struct virtio_device *vd, irq_handler_fn fn, void *cookie);
/* Did the device raise its pin? With MSI-X always true. Acknowledges. Any context. */
bool virtio_irq_pending(struct virtio_device *vd);
/* At most size_max entries (older devices: their own number). 0, -ENODEV, -ENOMEM. */
int __must_check virtqueue_create(
	struct virtio_device *vd, unsigned index, unsigned size_max, struct virtqueue *q);
/* From now on the device works. */
void virtio_start(struct virtio_device *vd);
/* Give up: reset, free the queue. */
void virtio_fail(struct virtio_device *vd, struct virtqueue *q);
/* Bytes of the configuration of the device type. */
void virtio_config_read(struct virtio_device *vd, unsigned off, void *buf, size_t n);

/*
 * Offer n runs (those that the device writes last) as one chain, or, when table is not NULL, as one
 * indirect descriptor over table (n entries at table_pa). -ENOSPC: not enough free descriptors.
 * => owner's lock held
 */
int __must_check virtqueue_add(struct virtqueue *q, const struct virtq_buf *bufs, unsigned n,
	struct virtq_desc *table, paddr_t table_pa, void *cookie);
/* Tell the device. => owner's lock held */
void virtqueue_kick(struct virtqueue *q);
/* The cookie of a chain that the device is done with, or NULL. => owner's lock held */
void *virtqueue_take(struct virtqueue *q);

#endif
