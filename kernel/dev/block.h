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
	unsigned max_segs; /* most mdl segments in one request; 0: any number */
	const struct block_ops *ops;
	void *priv;
	struct vm_object *object; /* metadata and raw access cache */
	struct list link;
};

/* Makes the object and /dev/NAME. 0, -EINVAL, -EEXIST, -ENOMEM. */
int __must_check block_register(struct block_device *bd);
struct block_device *block_find(const char *name); /* "ram0" or "/dev/ram0" */
struct block_device *block_find_devno(uint32_t devno);
/* Submit and wait. 0, -EIO, -EINVAL (outside the device), -EROFS. */
int __must_check block_submit_wait(struct block_device *bd, struct block_request *rq);
/* Submit without waiting, after the same checks; done() is called in every case. */
void block_submit(struct block_device *bd, struct block_request *rq);
/* Flush the device's write cache. */
int __must_check block_flush(struct block_device *bd);
/* Iterate for /proc/partitions. */
struct block_device *block_nth(unsigned n);

/*
 * Pages of a device's object: page.aux has a dirty bit for each of the 8 sectors, because blocks of
 * a file system may be smaller than a page and the neighbours may belong to files that have pages
 * of their own. Only dirty sectors are written. Set by whoever changes the page, after the change;
 * consumed by the write-back.
 * => pg pinned, a page of bd->object
 */
void block_page_dirty(struct page *pg, uint32_t offset, uint32_t len);
/* A page got with CACHE_NOFILL, wholly overwritten by the caller: no sector is dirty yet. */
void block_page_reset(struct page *pg);
/*
 * The bytes are free blocks from now on: never write them, and wait until a write under way is
 * over, so that it cannot overtake the next owner's. May sleep.
 */
void block_page_forget(struct page *pg, uint32_t offset, uint32_t len);

/*
 * A batch moves byte runs of pages to or from a device with as few requests as possible: what
 * continues on the device goes into one request; requests are all under way at once. Begin, add,
 * finish by one thread, nothing shared. Never fails for lack of memory: the first request is
 * embedded.
 */
struct block_io {
	struct block_request rq;
	mdl_t mdl;
	struct list link;
};

struct block_batch {
	struct block_device *bd;
	enum block_op op;
	uint32_t pending; /* (a) requests under way */
	int status;	  /* first error */
	struct list ios;  /* submitted ones, in order */
	struct block_io *cur;
	uint64_t next_sector; /* where cur ends */
	struct block_io first;
	bool first_used;
};
void block_batch_begin(struct block_batch *b, struct block_device *bd, enum block_op op);
/* len: a multiple of 512. pg stays pinned by the caller until finish. May sleep. */
void block_batch_add(
	struct block_batch *b, uint64_t sector, struct page *pg, uint32_t offset, uint32_t len);
/* Submit what is left, wait for all: 0 or the first error. */
int __must_check block_batch_finish(struct block_batch *b);

/* The file_ops of /dev/NAME and the object's ops (block_file.c, block_cache.c). */
struct file_ops;
extern const struct file_ops block_file_ops;
extern const struct vm_object_ops block_object_ops;

void ramdisk_init(paddr_t base, uint64_t len); /* /dev/ram0 over the boot module */
void pci_init(void);			       /* find devices */
void virtio_blk_init(void);		       /* probe all virtio disks: vda, vdb, ... */

#endif
