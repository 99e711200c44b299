/*
 * Block devices: the registry, and the way of a request.
 *
 * A request is checked here against the device (range, direction, size), then handed to the driver,
 * which calls done() once, perhaps in an interrupt. Who waits does so on one of a few static wait
 * queues chosen by the address of the flag: done() stores the flag first and wakes second, and the
 * waiter's memory may be gone in between, so the queue must not live in it.
 *
 * The registry only grows; devices are added at boot. Its spinlock (78) guards the list.
 */
#include "dev/block.h"

#include "dev/block_wait.h"
#include "fs/devfs/devfs.h"
#include "fs/inode.h"
#include "klog.h"
#include "lib/assert.h"
#include "lib/string.h"

static struct spinlock registry_lock = SPINLOCK_INIT(RANK_FILES, "block devices");
static struct list registry = {&registry, &registry};

#define WAIT_QUEUES 16
static struct waitqueue wait_queues[WAIT_QUEUES];
static bool wait_queues_ready;

static void wait_queues_init(void)
{
	if (wait_queues_ready)
		return;
	for (unsigned i = 0; i < WAIT_QUEUES; i++)
		waitqueue_init(&wait_queues[i]);
	wait_queues_ready = true;
}

struct waitqueue *block_waitqueue(const void *key)
{
	return &wait_queues[((uintptr_t)key >> 4) % WAIT_QUEUES];
}

int block_register(struct block_device *bd)
{
	int err;

	if (!bd->nsectors || bd->nsectors > (uint64_t)INT64_MAX >> SECTOR_SHIFT)
		return -EINVAL;
	wait_queues_init();
	bd->object = vm_object_create_file(
		bd->name, bd->nsectors << SECTOR_SHIFT, &block_object_ops, bd);
	if (IS_ERR(bd->object))
		return (int)PTR_ERR(bd->object);
	bd->object->vo_flags |= VMO_DEVICE_META;

	err = devfs_register(bd->name, S_IFBLK | 0600, bd->devno, &block_file_ops, bd);
	if (err) {
		vm_object_put(bd->object);
		bd->object = NULL;
		return err;
	}
	spin_lock(&registry_lock);
	list_add_tail(&registry, &bd->link);
	spin_unlock(&registry_lock);
	klog_info("%s: %llu KiB%s", bd->name, (unsigned long long)(bd->nsectors / 2),
		bd->read_only ? ", read-only" : "");
	return 0;
}

struct block_device *block_find(const char *name)
{
	struct block_device *bd, *found = NULL;

	if (!strncmp(name, "/dev/", 5))
		name += 5;
	spin_lock(&registry_lock);
	list_for_each_entry (bd, &registry, link)
		if (!strcmp(bd->name, name))
			found = bd;
	spin_unlock(&registry_lock);
	return found;
}

struct block_device *block_find_devno(uint32_t devno)
{
	struct block_device *bd, *found = NULL;

	spin_lock(&registry_lock);
	list_for_each_entry (bd, &registry, link)
		if (bd->devno == devno)
			found = bd;
	spin_unlock(&registry_lock);
	return found;
}

struct block_device *block_nth(unsigned n)
{
	struct block_device *bd, *found = NULL;

	spin_lock(&registry_lock);
	list_for_each_entry (bd, &registry, link)
		if (!found && n-- == 0)
			found = bd;
	spin_unlock(&registry_lock);
	return found;
}

/* Is the request one that the device can be given? 0, -EINVAL, -EROFS. */
static int request_check(const struct block_device *bd, const struct block_request *rq)
{
	uint64_t count;

	if (rq->op == BLOCK_FLUSH)
		return rq->mdl ? -EINVAL : 0;
	if (!rq->mdl || !rq->mdl->size || rq->mdl->size % SECTOR_SIZE)
		return -EINVAL;
	if (bd->max_segs && rq->mdl->amount > bd->max_segs)
		return -EINVAL;
	count = rq->mdl->size >> SECTOR_SHIFT;
	if (rq->sector >= bd->nsectors || count > bd->nsectors - rq->sector)
		return -EINVAL;
	if (rq->op == BLOCK_WRITE && bd->read_only)
		return -EROFS;
	return 0;
}

void block_submit(struct block_device *bd, struct block_request *rq)
{
	int err = request_check(bd, rq);

	if (err) {
		rq->status = err;
		rq->done(rq);
		return;
	}
	bd->ops->submit(bd, rq);
}

static void submit_wait_done(struct block_request *rq)
{
	uint32_t *done = rq->cookie;
	struct waitqueue *wq = block_waitqueue(done);

	STORE_RELEASE(*done, 1);
	wake_all(wq);
}

int block_submit_wait(struct block_device *bd, struct block_request *rq)
{
	uint32_t done = 0;

	rq->done = submit_wait_done;
	rq->cookie = &done;
	block_submit(bd, rq);
	if (!LOAD_ACQUIRE(done))
		wait_event(block_waitqueue(&done), LOAD_ACQUIRE(done));
	return rq->status;
}

int block_flush(struct block_device *bd)
{
	struct block_request rq = {.op = BLOCK_FLUSH};

	return block_submit_wait(bd, &rq);
}
