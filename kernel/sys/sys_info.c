/* The system as a whole: names, load, log, mounts, random numbers, power. */
#include "abi/fcntl.h"
#include "abi/mount.h"
#include "abi/utsname.h"
#include "cpu.h"
#include "dev/random.h"
#include "fs/mount.h"
#include "klog.h"
#include "lib/string.h"
#include "mm/cache.h"
#include "mm/slab.h"
#include "proc/system.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sys/sys.h"

long sys_uname(const uint64_t *a)
{
	struct abi_utsname u;

	system_uname(&u);
	return copy_to_user(a[0], &u, sizeof(u));
}

static long set_name(const uint64_t *a, void (*set)(const char *name, size_t len))
{
	char name[UTS_LEN];
	int len = (int)a[1];

	if (len < 0 || len > UTS_LEN)
		return -EINVAL;
	if (copy_from_user(name, a[0], (size_t)len))
		return -EFAULT;
	set(name, (size_t)len);
	return 0;
}

long sys_sethostname(const uint64_t *a)
{
	return set_name(a, system_set_hostname);
}

long sys_setdomainname(const uint64_t *a)
{
	return set_name(a, system_set_domainname);
}

long sys_sysinfo(const uint64_t *a)
{
	struct abi_sysinfo si;
	struct system_memory m;

	memset(&si, 0, sizeof(si));
	system_memory(&m);
	si.uptime = (int64_t)(clock_monotonic_ns() / NSEC_PER_SEC);
	sched_loadavg(si.loads);
	si.totalram = m.total * PAGE_SIZE;
	si.freeram = m.free * PAGE_SIZE;
	si.sharedram = m.shmem * PAGE_SIZE;
	si.bufferram = m.buffers * PAGE_SIZE;
	si.procs = (uint16_t)MIN(process_thread_count(), (unsigned)UINT16_MAX);
	si.mem_unit = 1;
	return copy_to_user(a[0], &si, sizeof(si));
}

#define SYSLOG_CHUNK 4096ul

/* Where READ_ALL begins after CLEAR, and how far READ has come. */
static uint64_t syslog_clear_seq, syslog_read_seq;

/* Records from *seq on, up to len bytes, to user memory. */
static long syslog_copy(uint64_t *seq, uaddr_t to, uint64_t len)
{
	char *buf = kmalloc(SYSLOG_CHUNK, 0);
	long total = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		uint64_t at = *seq;
		size_t n = klog_read(&at, buf, MIN(len - (uint64_t)total, SYSLOG_CHUNK));

		if (!n)
			break;
		if (copy_to_user(to + (uint64_t)total, buf, n)) {
			total = -EFAULT;
			break;
		}
		*seq = at;
		total += (long)n;
	}
	kfree(buf);
	return total;
}

/* The last `len` bytes of the log: how far to skip is found by counting. */
static long syslog_read_all(uaddr_t to, uint64_t len)
{
	uint64_t from = MAX(READ_ONCE(syslog_clear_seq), klog_first_seq()), seq;
	char *buf = kmalloc(SYSLOG_CHUNK, 0);
	uint64_t size = 0;
	size_t n;

	if (!buf)
		return -ENOMEM;
	for (seq = from; (n = klog_read(&seq, buf, SYSLOG_CHUNK));)
		size += n;
	/* Leave out whole chunks of records at the front until the rest fits. */
	while (size > len && (n = klog_read(&from, buf, 512)))
		size -= MIN(size, n);
	kfree(buf);
	return syslog_copy(&from, to, len);
}

long sys_syslog(const uint64_t *a)
{
	int len = (int)a[2];
	uint64_t seq;
	long n;

	switch ((int)a[0]) {
	case SYSLOG_ACTION_CLOSE:
	case SYSLOG_ACTION_OPEN:
		return 0;
	case SYSLOG_ACTION_READ:
		if (!a[1] || len < 0)
			return -EINVAL;
		seq = MAX(READ_ONCE(syslog_read_seq), klog_first_seq());
		n = syslog_copy(&seq, a[1], (uint64_t)len);
		WRITE_ONCE(syslog_read_seq, seq);
		return n;
	case SYSLOG_ACTION_READ_ALL:
	case SYSLOG_ACTION_READ_CLEAR:
		if (!a[1] || len < 0)
			return -EINVAL;
		n = syslog_read_all(a[1], (uint64_t)len);
		if ((int)a[0] == SYSLOG_ACTION_READ_CLEAR)
			WRITE_ONCE(syslog_clear_seq, klog_next_seq());
		return n;
	case SYSLOG_ACTION_CLEAR:
		WRITE_ONCE(syslog_clear_seq, klog_next_seq());
		return 0;
	case SYSLOG_ACTION_CONSOLE_OFF:
		klog_set_console_level(KLOG_ALERT);
		return 0;
	case SYSLOG_ACTION_CONSOLE_ON:
		klog_set_console_level(KLOG_DEBUG);
		return 0;
	case SYSLOG_ACTION_CONSOLE_LEVEL:
		if (len < 1 || len > 8)
			return -EINVAL;
		klog_set_console_level(len);
		return 0;
	case SYSLOG_ACTION_SIZE_UNREAD:
		return syslog_read_seq < klog_next_seq();
	case SYSLOG_ACTION_SIZE_BUFFER:
		return 65536;
	}
	return -EINVAL;
}

long sys_getrandom(const uint64_t *a)
{
	uint64_t len = MIN(a[1], (uint64_t)INT_MAX), done = 0;
	uint8_t buf[256];

	if (a[2] & ~(uint64_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((a[2] & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	while (done < len) {
		size_t n = MIN(len - done, sizeof(buf));

		random_get(buf, n);
		if (copy_to_user(a[0] + done, buf, n))
			return done ? (long)done : -EFAULT;
		done += n;
		if (thread_flags(thread_current()) & THREAD_SIGPENDING && done < len)
			return (long)done;
		cond_resched();
	}
	return (long)done;
}

long sys_sync(const uint64_t *a)
{
	(void)a;
	(void)mount_sync_all();
	return 0;
}

long sys_syncfs(const uint64_t *a)
{
	struct file *f = sys_file_get((int)a[0]);
	long err;

	if (!f)
		return -EBADF;
	err = mount_sync(f->inode->sb);
	file_put(f);
	return err;
}

/* A page of options, cut at its end; NULL stays NULL. */
static int mount_data_get(uaddr_t addr, char **out)
{
	size_t left;

	*out = NULL;
	if (!addr)
		return 0;
	*out = kmalloc(PAGE_SIZE, 0);
	if (!*out)
		return -ENOMEM;
	left = copy_from_user_partial(*out, addr, PAGE_SIZE - 1);
	(*out)[PAGE_SIZE - 1 - left] = 0;
	return left == PAGE_SIZE - 1 ? -EFAULT : 0;
}

static long do_mount(const uint64_t *a, const char *source, const char *type, const char *data)
{
	unsigned long flags = a[3];
	struct sys_at sa;
	struct path target;
	long err = sys_at_get(&sa, AT_FDCWD, a[1]);

	if (err)
		return err;
	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(unsigned long)MS_MGC_MSK;
	err = sys_at_lookup(&sa, LOOKUP_FOLLOW, &target);
	sys_at_put(&sa);
	if (err)
		return err;
	err = mount_do(sys_fs(), source, &target, type, flags, data);
	path_put(&target);
	return err;
}

long sys_mount(const uint64_t *a)
{
	char *source = a[0] ? sys_path_get(a[0]) : NULL;
	char *type = a[2] ? sys_path_get(a[2]) : NULL, *data = NULL;
	long err = 0;

	if (IS_ERR(source))
		err = PTR_ERR(source);
	else if (IS_ERR(type))
		err = PTR_ERR(type);
	if (!err)
		err = mount_data_get(a[4], &data);
	if (!err)
		err = do_mount(a, source, type, data);
	kfree(data);
	if (!IS_ERR(type))
		sys_path_put(type);
	if (!IS_ERR(source))
		sys_path_put(source);
	return err;
}

long sys_umount2(const uint64_t *a)
{
	unsigned flags = (unsigned)a[1];
	struct sys_at sa;
	struct path target;
	long err;

	if (flags & ~(unsigned)(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	err = sys_at_get(&sa, AT_FDCWD, a[0]);
	if (err)
		return err;
	err = sys_at_lookup(&sa, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &target);
	sys_at_put(&sa);
	if (err)
		return err;
	err = mount_undo(sys_fs(), &target, (int)flags);
	path_put(&target);
	return err;
}

long sys_reboot(const uint64_t *a)
{
	uint32_t magic2 = (uint32_t)a[1];

	if ((uint32_t)a[0] != LINUX_REBOOT_MAGIC1 ||
		(magic2 != LINUX_REBOOT_MAGIC2 && magic2 != LINUX_REBOOT_MAGIC2A &&
			magic2 != LINUX_REBOOT_MAGIC2B && magic2 != LINUX_REBOOT_MAGIC2C))
		return -EINVAL;
	switch ((uint32_t)a[2]) {
	case LINUX_REBOOT_CMD_CAD_ON:
	case LINUX_REBOOT_CMD_CAD_OFF:
		return 0;
	case LINUX_REBOOT_CMD_RESTART:
	case LINUX_REBOOT_CMD_RESTART2:
		klog_info("reboot: restarting");
		machine_reboot();
	case LINUX_REBOOT_CMD_HALT:
		klog_info("reboot: system halted");
		machine_halt();
	case LINUX_REBOOT_CMD_POWER_OFF:
		klog_info("reboot: power down");
		machine_poweroff();
	}
	return -EINVAL;
}
