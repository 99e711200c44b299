/*
 * /dev/mem: the physical address space as a file, with the rule of Linux's STRICT_DEVMEM: no byte
 * of RAM is read, written or mapped (EPERM), whoever uses it; what is left are the windows of
 * devices and the tables of the firmware. A window is uncached, the firmware's memory is memory.
 *
 * An area is mapped by its physical start, as an object in place of its own: nothing is allocated,
 * counted or freed.
 */
#include "dev/mem.h"

#include "abi/fcntl.h"
#include "boot_info.h"
#include "cpu.h"
#include "fs/devfs/devfs.h"
#include "fs/file.h"
#include "lib/assert.h"
#include "mm/kva.h"
#include "mm/mmap.h"
#include "sched/sched.h"

#define MEM_MAJOR 1u
#define MEM_MINOR 1u

/* Does any byte of [pa, pa + len) lie in a range of that kind? */
static bool touches(paddr_t pa, uint64_t len, enum boot_range_type type)
{
	for (unsigned i = 0; i < boot_info.nranges; i++) {
		const struct boot_range *r = &boot_info.ranges[i];
		/* Frames are handed out whole. */
		paddr_t base = ALIGN_DOWN(r->base, PAGE_SIZE);
		paddr_t end = ALIGN_UP(r->base + r->len, PAGE_SIZE);

		if (r->type == type && pa < end && base < pa + len)
			return true;
	}
	return false;
}

/* May the range be used, and how? 0 and *cache, -EINVAL: no such addresses, -EPERM: RAM. */
static int window_check(paddr_t pa, uint64_t len, vm_flags_t *cache)
{
	uint64_t limit = 1ull << cpu_phys_bits();

	if (pa >= limit || len > limit - pa)
		return -EINVAL;
	if (touches(pa, len, BOOT_RAM_USABLE) || touches(pa, len, BOOT_RAM_BAD))
		return -EPERM;
	*cache = VM_CACHE_DISABLED;
	if (touches(pa, len, BOOT_RAM_ACPI) || touches(pa, len, BOOT_RAM_NVS))
		*cache = 0;
	return 0;
}

static ssize_t mem_rw(struct uio *u, uint64_t *pos, bool write)
{
	ssize_t done = 0;

	while (u->left) {
		size_t in_page = *pos & PAGE_MASK, n = MIN(u->left, PAGE_SIZE - in_page), missed;
		vm_flags_t cache;
		char *window;
		int err = window_check(ALIGN_DOWN(*pos, PAGE_SIZE), PAGE_SIZE, &cache);

		if (err == -EINVAL)
			err = -EFAULT; /* no such address, says mem(4) */
		if (err)
			return done ? done : err;
		window = kva_map_device(ALIGN_DOWN(*pos, PAGE_SIZE), PAGE_SIZE, cache);
		if (!window)
			return done ? done : -ENOMEM;
		missed = write ? uio_copy_from(u, window + in_page, n)
			       : uio_copy_to(u, window + in_page, n);
		kva_unmap_device(window, PAGE_SIZE);
		*pos += n - missed;
		done += (ssize_t)(n - missed);
		if (missed)
			return done ? done : -EFAULT;
		cond_resched();
	}
	return done;
}

static ssize_t mem_read(struct file *f, struct uio *u, uint64_t *pos)
{
	(void)f;
	return mem_rw(u, pos, false);
}

static ssize_t mem_write(struct file *f, struct uio *u, uint64_t *pos)
{
	(void)f;
	return mem_rw(u, pos, true);
}

static int64_t mem_llseek(struct file *f, int64_t off, int whence)
{
	int64_t pos = off;

	if (whence == SEEK_CUR && __builtin_add_overflow((int64_t)f->pos, off, &pos))
		return -EOVERFLOW;
	if ((whence != SEEK_SET && whence != SEEK_CUR) || pos < 0)
		return -EINVAL;
	f->pos = (uint64_t)pos;
	return pos;
}

static int mem_mmap(struct file *f, struct mm_map_request *rq)
{
	vm_flags_t cache;
	int err;

	(void)f;
	/* There is no copy of a device's register. */
	if (!(rq->map_flags & MM_MAP_SHARED))
		return -EINVAL;
	err = window_check(rq->offset, ALIGN_UP(rq->len, PAGE_SIZE), &cache);
	if (err)
		return err;
	rq->kind = MM_AREA_MAP;
	rq->content = VMAP_DEVICE;
	rq->pa = rq->offset;
	rq->offset = 0;
	rq->vmflags |= cache;
	return 0;
}

void mem_device_init(void)
{
	static const struct file_ops ops = {
		.read = mem_read, .write = mem_write, .llseek = mem_llseek, .mmap = mem_mmap};
	int err = devfs_register("mem", S_IFCHR | 0640, MKDEV(MEM_MAJOR, MEM_MINOR), &ops, NULL);

	assert(!err);
}
