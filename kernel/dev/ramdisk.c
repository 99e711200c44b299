/*
 * /dev/ram0: the boot module (initrd) as a block device, in the frames where the boot loader put
 * it. They are reserved memory with a place in the direct map; a request is a copy between them and
 * the frames of its mdl, complete before submit returns. Writes of different threads to different
 * sectors need no lock; the cache never writes one page twice at a time.
 */
#include "dev/block.h"
#include "fs/inode.h"
#include "klog.h"
#include "lib/string.h"
#include "mm/physmap.h"

#define RAMDISK_MAJOR 1

static struct block_device ramdisk;

static void ramdisk_submit(struct block_device *bd, struct block_request *rq)
{
	char *at = (char *)bd->priv + (rq->sector << SECTOR_SHIFT);

	if (rq->op == BLOCK_READ)
		mdl_write(rq->mdl, at, rq->mdl->size, 0);
	else if (rq->op == BLOCK_WRITE)
		mdl_read(rq->mdl, at, rq->mdl->size, 0);
	rq->status = 0;
	rq->done(rq);
}

static const struct block_ops ramdisk_ops = {.submit = ramdisk_submit};

void ramdisk_init(paddr_t base, uint64_t len)
{
	int err;

	if (len < SECTOR_SIZE)
		return;
	str_copy(ramdisk.name, "ram0", sizeof(ramdisk.name));
	ramdisk.devno = MKDEV(RAMDISK_MAJOR, 0);
	ramdisk.nsectors = len >> SECTOR_SHIFT;
	ramdisk.ops = &ramdisk_ops;
	ramdisk.priv = phys_to_virt(base);
	err = block_register(&ramdisk);
	if (err)
		klog_err("ram0: cannot be registered: error %d", -err);
}
