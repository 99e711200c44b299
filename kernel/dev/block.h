/*
 * Block devices. All I/O is a request with an mdl, so that drivers move data straight to and from
 * the frames. A device's vm_object caches its metadata blocks and what /dev/NAME reads and writes.
 */
#ifndef DEV_BLOCK_H
#define DEV_BLOCK_H

#include "lib/list.h"
#include "mm/mdl.h"
#include "mm/object.h"

#define SECTOR_SIZE  512u
#define SECTOR_SHIFT 9

enum block_op { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

struct block_device;

struct block_request {
	enum block_op op;
	uint64_t sector; /* first 512-byte sector */
	mdl_t *mdl;	 /* size: a multiple of 512; NULL for FLUSH */
	int status;	 /* 0 or -EIO, valid when done */
	/* Called once, in any context also an interrupt: flips bits and wakes, no more. */
	void (*done)(struct block_request *rq);
	void *cookie;
	struct list link; /* driver's queue */
};

struct block_ops {
	/* Queue the request; done() follows, perhaps before this returns. May sleep for a free
	 * slot. */
	void (*submit)(struct block_device *bd, struct block_request *rq);
};

struct block_device {
	char name[16];	/* "ram0", "vda" */
	uint32_t devno; /* Linux's makedev(major, minor) */
	uint64_t nsectors;
	bool read_only;
	const struct block_ops *ops;
	void *priv;
	struct vm_object *object; /* metadata and raw access cache */
	struct list link;
};

int __must_check block_register(struct block_device *bd); /* makes the object and /dev/NAME */
struct block_device *block_find(const char *name);	  /* "ram0" or "/dev/ram0" */
struct block_device *block_find_devno(uint32_t devno);
/* Submit and wait. 0, -EIO, -EINVAL (outside the device), -EROFS. */
int __must_check block_submit_wait(struct block_device *bd, struct block_request *rq);
/* Submit without waiting, after the same checks; done() is called in every case. */
void block_submit(struct block_device *bd, struct block_request *rq);
/* Flush the device's write cache. */
int __must_check block_flush(struct block_device *bd);
/* Iterate for /proc/partitions. */
struct block_device *block_nth(unsigned n);

void ramdisk_init(paddr_t base, uint64_t len); /* /dev/ram0 over the boot module */
void pci_init(void);			       /* find devices, probe drivers */
void virtio_blk_init(void);

#endif
