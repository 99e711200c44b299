/*
 * kmain: the order in which everything starts, one line a subsystem. The boot thread sets up what
 * needs no sleep and becomes the idle thread of its CPU; a kernel thread does the rest, which may
 * sleep, and ends in process 1 or in the kernel tests.
 */
#include "main.h"
#include "boot_info.h"
#include "context.h"
#include "cpu.h"
#include "dev/block.h"
#include "dev/mem.h"
#include "dev/random.h"
#include "dev/rtc.h"
#include "dev/tty.h"
#include "fs/devfs/devfs.h"
#include "fs/ext2/ext2.h"
#include "fs/mount.h"
#include "fs/path.h"
#include "klog.h"
#include "ktest.h"
#include "lib/err.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/context.h"
#include "mm/kva.h"
#include "mm/page.h"
#include "mm/physmap.h"
#include "mm/reclaim.h"
#include "mm/slab.h"
#include "panic.h"
#include "proc/init.h"
#include "proc/oom_kill.h"
#include "sched/sched.h"
#include "vdso.h"

#define DEVICE_NAME_MAX 64

/* Linux's words: quiet shows errors only, loglevel=N what is below N. */
static void set_log_level(void)
{
	const char *end;
	uint64_t level;
	char word[8];

	klog_set_console_level(cmdline_has("quiet") ? KLOG_WARN : KLOG_DEBUG);
	if (cmdline_get("loglevel", word, sizeof(word)) && fmt_parse_u64(word, &end, 10, &level))
		klog_set_console_level((int)MIN(level, (uint64_t)KLOG_DEBUG + 1));
}

static __noreturn void run_tests(const char *pattern)
{
	if (!strncmp(pattern, "panic:", 6))
		ktest_panic(pattern + 6);
	machine_exit(ktest_run(pattern) ? KTEST_EXIT_FAIL : KTEST_EXIT_PASS);
}

/* Everything that sleeps, registers devices or needs them. */
static void init_devices(void)
{
	path_init();  /* names, inodes, mounts, files, pipes, tmpfs */
	devfs_init(); /* device nodes */
	ext2_init();  /* the file system of disks */
	vdso_init();  /* what new programs find mapped */
	proc_init();  /* processes, signals, futexes, procfs */
	cache_init(); /* the flusher of dirty pages */
	oom_kill_init();
	tty_init(); /* serial line, screen and keyboard */
	random_init_devices();
	if (boot_info.module_len)
		ramdisk_init(boot_info.module_base, boot_info.module_len); /* /dev/ram0 */
	pci_init();							   /* what is plugged in */
	virtio_blk_init();						   /* /dev/vda and on */
	mem_device_init();						   /* /dev/mem */
	bochs_fb_init();						   /* /dev/fb0 */
}

/* root=, or the boot module, or the first disk. */
static void choose_root(char *device)
{
	if (cmdline_get("root", device, DEVICE_NAME_MAX))
		return;
	str_copy(device, boot_info.module_len || !block_find("/dev/vda") ? "/dev/ram0" : "/dev/vda",
		DEVICE_NAME_MAX);
}

static void mount_root_device(void)
{
	char device[DEVICE_NAME_MAX], type[16];
	int err;

	choose_root(device);
	if (!block_find(device))
		die("No root file system: there is no device %s. Give QEMU an ext2 image with "
		    "-initrd "
		    "(GRUB: module2) and root=/dev/ram0, or a virtio disk and root=/dev/vda.",
			device);
	if (!cmdline_get("rootfstype", type, sizeof(type)))
		type[0] = '\0';
	err = mount_root(device, type[0] ? type : NULL, cmdline_has("ro") && !cmdline_has("rw"));
	if (err)
		die("Cannot mount %s as root (%s): it holds no ext2 file system that can be used. "
		    "Make "
		    "the image with mke2fs -t ext2, and check it with e2fsck.",
			device, err_name(err));
}

/* /dev is there before init runs, as with Linux's CONFIG_DEVTMPFS_MOUNT. */
static void mount_dev(void)
{
	struct fs_state *fs = fs_state_create();
	struct path dev;
	int err;

	if (IS_ERR(fs))
		panic("no memory to mount /dev");
	err = path_lookup(fs, NULL, "/dev", LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &dev);
	if (!err) {
		err = mount_do(fs, "devtmpfs", &dev, "devtmpfs", 0, NULL);
		path_put(&dev);
	}
	if (err)
		klog_warn("no devices on /dev (%s)", err_name(err));
	fs_state_put(fs);
}

static void boot_thread(void *arg)
{
	char pattern[64];

	(void)arg;
	machine_start_cpus(); /* from here on several CPUs */
	init_devices();
	klog_info("%lu of %lu MiB of memory free", buddy_free_frames() >> 8,
		buddy_total_frames() >> 8);
	if (cmdline_get("ktest", pattern, sizeof(pattern)))
		run_tests(pattern);
	mount_root_device();
	mount_dev();
	proc_start_init();
}

void kmain(void)
{
	set_log_level();
	klog(KLOG_NOTICE, "Quire, started by %s: %s", boot_info.loader, boot_info.cmdline);
	physmap_init(&boot_info);   /* the kernel's page tables; the boot ones are gone */
	page_init(&boot_info);	    /* a descriptor per frame, free frames to the buddy */
	slab_init();		    /* kernel objects */
	buddy_init_cpu(this_cpu()); /* free frames at hand for this CPU */
	kva_init();		    /* ranges of kernel addresses: stacks, device windows */
	reclaim_init();		    /* memory that can be had again */
	mm_init();		    /* address spaces, objects, amaps */
	context_init();		    /* machine state of threads */
	machine_init();		    /* ACPI, interrupt controllers, clock, timer */
	klog_set_clock_ready();	    /* records of the log have times */
	sched_init();		    /* this is a thread now */
	random_init();		    /* random numbers */
	rtc_init();		    /* the time of day */
	irq_enable();
	if (IS_ERR(thread_create_kernel("boot", boot_thread, NULL)))
		panic("no memory for the boot thread");
	sched_idle_loop();
}
