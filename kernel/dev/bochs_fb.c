/*
 * /dev/fb0: the linear frame buffer of the standard adapter of QEMU and Bochs (PCI 1234:1111), as
 * Linux's programs use one: mmap, read, write, and the ioctls that describe it.
 *
 * The text console keeps the screen while nobody has the device open. The first open switches to
 * graphics, the last close (a mapping counts) back to the text as it was: the pixels begin behind
 * the 256 KiB of the adapter's memory that hold text and font, the registers are saved, and the
 * terminal writes into a shadow meanwhile.
 *
 * The memory is an object in place, the same for all who map it: never allocated, never freed, no
 * rights beyond read and write, mapped write-combining.
 *
 * Source: the programming interface of Bochs' VBE (qemu, docs/specs/standard-vga.txt).
 */
#include "abi/fb.h"
#include "abi/fcntl.h"
#include "dev/console.h"
#include "dev/mem.h"
#include "dev/pci.h"
#include "dev/vga.h"
#include "fs/devfs/devfs.h"
#include "fs/file.h"
#include "klog.h"
#include "lib/string.h"
#include "mm/kva.h"
#include "mm/mmap.h"
#include "sched/sched.h"
#include "sync/mutex.h"
#include "usercopy.h"

#define BOCHS_VENDOR 0x1234
#define BOCHS_DEVICE 0x1111

#define DISPI_INDEX 0x1ceu
#define DISPI_DATA  0x1cfu
enum {
	DISPI_ID,
	DISPI_XRES,
	DISPI_YRES,
	DISPI_BPP,
	DISPI_ENABLE,
	DISPI_Y_OFFSET = 9,
	DISPI_MEMORY_64K = 10,
};
#define DISPI_ID_MIN	  0xb0c4u /* with its memory's size */
#define DISPI_ID_MAX	  0xb0cfu
#define DISPI_ON	  0x01u
#define DISPI_LINEAR	  0x40u
#define DISPI_KEEP_MEMORY 0x80u

#define FB_MAJOR 29u

#define TEXT_MEMORY 0x40000u /* four planes of 64 KiB */
#define BYTES_PIXEL 4u

static struct {
	unsigned xres, yres, line; /* line: bytes */
	paddr_t base;		   /* of the first pixel */
	uint64_t size;
	struct vm_object *object;
	struct mutex lock; /* opening and closing: rank 35 */
	unsigned users;	   /* (lock) open files */
	char *window;	   /* (lock) mapped while there are users */
	/* (lock) What the adapter showed before. */
	struct vga_state text;
	unsigned dispi[DISPI_ENABLE + 1];
} fb;

static void dispi_write(unsigned index, unsigned v)
{
	port_out16(DISPI_INDEX, (uint16_t)index);
	port_out16(DISPI_DATA, (uint16_t)v);
}

static unsigned dispi_read(unsigned index)
{
	port_out16(DISPI_INDEX, (uint16_t)index);
	return port_in16(DISPI_DATA);
}

/* The adapter's mode; enable: DISPI_ON and more. */
static void set_mode(unsigned xres, unsigned yres, unsigned bpp, unsigned enable)
{
	dispi_write(DISPI_ENABLE, 0);
	dispi_write(DISPI_XRES, xres);
	dispi_write(DISPI_YRES, yres);
	dispi_write(DISPI_BPP, bpp);
	dispi_write(DISPI_ENABLE, enable | DISPI_KEEP_MEMORY);
}

static void graphics_on(void)
{
	irqflags_t flags;

	memset(fb.window, 0, fb.size);
	console_hide();
	flags = klog_hold_consoles();
	vga_save(&fb.text);
	for (unsigned i = DISPI_XRES; i <= DISPI_ENABLE; i++)
		fb.dispi[i] = dispi_read(i);
	set_mode(fb.xres, fb.yres, BYTES_PIXEL * 8, DISPI_ON | DISPI_LINEAR);
	dispi_write(DISPI_Y_OFFSET, (unsigned)ALIGN_UP(TEXT_MEMORY, fb.line) / fb.line);
	klog_release_consoles(flags);
}

static void graphics_off(void)
{
	irqflags_t flags = klog_hold_consoles();

	dispi_write(DISPI_ENABLE, 0);
	/* The boot loader may have left graphics. */
	if (fb.dispi[DISPI_ENABLE] & DISPI_ON)
		set_mode(fb.dispi[DISPI_XRES], fb.dispi[DISPI_YRES], fb.dispi[DISPI_BPP],
			fb.dispi[DISPI_ENABLE]);
	else
		vga_restore(&fb.text);
	klog_release_consoles(flags);
	console_show();
}

static int fb_open(struct inode *inode, struct file *f)
{
	int err = 0;

	(void)inode;
	(void)f;
	mutex_lock(&fb.lock);
	if (!fb.users) {
		fb.window = kva_map_device(fb.base, fb.size, VM_WRITE_COMBINE);
		if (fb.window)
			graphics_on();
		else
			err = -ENOMEM;
	}
	if (!err)
		fb.users++;
	mutex_unlock(&fb.lock);
	return err;
}

static void fb_release(struct file *f)
{
	(void)f;
	mutex_lock(&fb.lock);
	if (!--fb.users) {
		graphics_off();
		kva_unmap_device(fb.window, fb.size);
		fb.window = NULL;
	}
	mutex_unlock(&fb.lock);
}

/* The window stays while the file is open. */
static ssize_t fb_rw(struct uio *u, uint64_t *pos, bool write)
{
	ssize_t done = 0;

	while (u->left && *pos < fb.size) {
		size_t n = MIN(u->left, fb.size - *pos), missed;

		n = MIN(n, PAGE_SIZE);
		missed = write ? uio_copy_from(u, fb.window + *pos, n)
			       : uio_copy_to(u, fb.window + *pos, n);
		*pos += n - missed;
		done += (ssize_t)(n - missed);
		if (missed)
			return done ? done : -EFAULT;
		cond_resched();
	}
	return done;
}

static ssize_t fb_read(struct file *f, struct uio *u, uint64_t *pos)
{
	(void)f;
	return fb_rw(u, pos, false);
}

static ssize_t fb_write(struct file *f, struct uio *u, uint64_t *pos)
{
	ssize_t done;

	(void)f;
	if (*pos > fb.size)
		return -EFBIG;
	done = fb_rw(u, pos, true);
	return !done && u->left ? -ENOSPC : done;
}

static int64_t fb_llseek(struct file *f, int64_t off, int whence)
{
	int64_t base = 0, pos;

	if (whence == SEEK_CUR)
		base = (int64_t)f->pos;
	else if (whence == SEEK_END)
		base = (int64_t)fb.size;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(base, off, &pos) || pos < 0)
		return -EINVAL;
	f->pos = (uint64_t)pos;
	return pos;
}

static struct fb_var_screeninfo var_info(void)
{
	return (struct fb_var_screeninfo){
		.xres = fb.xres,
		.yres = fb.yres,
		.xres_virtual = fb.xres,
		.yres_virtual = fb.yres,
		.bits_per_pixel = BYTES_PIXEL * 8,
		.red = {.offset = 16, .length = 8},
		.green = {.offset = 8, .length = 8},
		.blue = {.offset = 0, .length = 8},
		.height = UINT32_MAX,
		.width = UINT32_MAX,
	};
}

static struct fb_fix_screeninfo fix_info(void)
{
	return (struct fb_fix_screeninfo){
		.id = "bochs",
		.smem_start = fb.base,
		.smem_len = (uint32_t)fb.size,
		.type = FB_TYPE_PACKED_PIXELS,
		.visual = FB_VISUAL_TRUECOLOR,
		.line_length = fb.line,
		.accel = FB_ACCEL_NONE,
	};
}

/* There is one mode: it may be asked for. */
static int put_var(uaddr_t arg)
{
	struct fb_var_screeninfo is = var_info(), want;
	int err = copy_from_user(&want, arg, sizeof(want));

	if (err)
		return err;
	if (want.xres != is.xres || want.yres != is.yres || want.xres_virtual > is.xres ||
		want.yres_virtual > is.yres || want.bits_per_pixel != is.bits_per_pixel ||
		want.xoffset || want.yoffset)
		return -EINVAL;
	return copy_to_user(arg, &is, sizeof(is));
}

static long fb_ioctl(struct file *f, unsigned cmd, uaddr_t arg)
{
	struct fb_var_screeninfo var;
	struct fb_fix_screeninfo fix;

	(void)f;
	switch (cmd) {
	case FBIOGET_VSCREENINFO:
		var = var_info();
		return copy_to_user(arg, &var, sizeof(var));
	case FBIOGET_FSCREENINFO:
		fix = fix_info();
		return copy_to_user(arg, &fix, sizeof(fix));
	case FBIOPUT_VSCREENINFO:
		return put_var(arg);
	case FBIOPAN_DISPLAY:
		if (copy_from_user(&var, arg, sizeof(var)))
			return -EFAULT;
		return var.xoffset || var.yoffset ? -EINVAL : 0;
	default:
		return -ENOTTY;
	}
}

static int fb_mmap(struct file *f, struct mm_map_request *rq)
{
	uint64_t end = ALIGN_UP(fb.size, PAGE_SIZE), len = ALIGN_UP(rq->len, PAGE_SIZE);

	(void)f;
	if (!(rq->map_flags & MM_MAP_SHARED) || rq->offset > end || len > end - rq->offset)
		return -EINVAL;
	rq->kind = MM_AREA_MAP;
	rq->content = VMAP_DEVICE;
	rq->object = fb.object;
	rq->vmflags |= VM_WRITE_COMBINE;
	return 0;
}

static const struct file_ops fb_ops = {
	.open = fb_open,
	.release = fb_release,
	.read = fb_read,
	.write = fb_write,
	.llseek = fb_llseek,
	.ioctl = fb_ioctl,
	.mmap = fb_mmap,
};

/* The largest mode that fits behind the text. */
static bool choose_mode(uint64_t memory)
{
	static const struct {
		unsigned xres, yres;
	} modes[] = {{1024, 768}, {800, 600}, {640, 480}};

	for (unsigned i = 0; i < ARRAY_SIZE(modes); i++) {
		fb.xres = modes[i].xres;
		fb.yres = modes[i].yres;
		fb.line = fb.xres * BYTES_PIXEL;
		fb.size = (uint64_t)fb.line * fb.yres;
		if (ALIGN_UP(TEXT_MEMORY, fb.line) + fb.size <= memory)
			return true;
	}
	return false;
}

static struct pci_device *find_adapter(void)
{
	struct pci_device *pd;

	for (unsigned i = 0; (pd = pci_nth(i)); i++)
		if (!pd->claimed && pd->vendor == BOCHS_VENDOR && pd->device == BOCHS_DEVICE &&
			pd->bars[0].len && !pd->bars[0].io)
			return pd;
	return NULL;
}

void bochs_fb_init(void)
{
	struct pci_device *pd = find_adapter();
	uint64_t memory;
	unsigned id;
	int err;

	if (!pd)
		return;
	id = dispi_read(DISPI_ID);
	if (id < DISPI_ID_MIN || id > DISPI_ID_MAX)
		return;
	memory = MIN(pd->bars[0].len, (uint64_t)dispi_read(DISPI_MEMORY_64K) << 16);
	if (!choose_mode(memory))
		return;
	fb.base = pd->bars[0].base + ALIGN_UP(TEXT_MEMORY, fb.line);
	mutex_init(&fb.lock, RANK_FS_META, "frame buffer");
	fb.object = vm_object_create_in_place("fb0", fb.base, fb.size, VM_READ | VM_WRITE);
	if (IS_ERR(fb.object))
		return;
	err = devfs_register("fb0", S_IFCHR | 0660, MKDEV(FB_MAJOR, 0), &fb_ops, NULL);
	if (err) {
		vm_object_put(fb.object);
		return;
	}
	pd->claimed = true;
	klog_info("fb0: %ux%u, 32 bits a pixel", fb.xres, fb.yres);
}
