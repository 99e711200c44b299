/*
 * Credentials. There is one user, root: every identity is 0. Another number is refused like one
 * that a Linux user name space does not map (EINVAL), so that a program that wants to give up its
 * rights learns that it did not.
 */
#include "abi/sched.h"
#include "lib/string.h"
#include "sys/sys.h"

#define CAPS_ALL 0x1ffffffffffull /* CAP_CHOWN .. CAP_CHECKPOINT_RESTORE */

static bool is_root_or_same(uint64_t id)
{
	return (uint32_t)id == 0 || (uint32_t)id == UINT32_MAX;
}

long sys_getuid(const uint64_t *a)
{
	(void)a;
	return 0;
}

long sys_geteuid(const uint64_t *a)
{
	(void)a;
	return 0;
}

long sys_getgid(const uint64_t *a)
{
	(void)a;
	return 0;
}

long sys_getegid(const uint64_t *a)
{
	(void)a;
	return 0;
}

long sys_setuid(const uint64_t *a)
{
	return (uint32_t)a[0] ? -EINVAL : 0;
}

long sys_setgid(const uint64_t *a)
{
	return (uint32_t)a[0] ? -EINVAL : 0;
}

static long set_ids(const uint64_t *a, int n)
{
	for (int i = 0; i < n; i++) {
		if (!is_root_or_same(a[i]))
			return -EINVAL;
	}
	return 0;
}

long sys_setreuid(const uint64_t *a)
{
	return set_ids(a, 2);
}

long sys_setregid(const uint64_t *a)
{
	return set_ids(a, 2);
}

long sys_setresuid(const uint64_t *a)
{
	return set_ids(a, 3);
}

long sys_setresgid(const uint64_t *a)
{
	return set_ids(a, 3);
}

static long put_ids(const uint64_t *a)
{
	uint32_t zero = 0;

	for (int i = 0; i < 3; i++) {
		if (copy_to_user(a[i], &zero, sizeof(zero)))
			return -EFAULT;
	}
	return 0;
}

long sys_getresuid(const uint64_t *a)
{
	return put_ids(a);
}

long sys_getresgid(const uint64_t *a)
{
	return put_ids(a);
}

/* These two return the old identity, whatever becomes of the new one. */
long sys_setfsuid(const uint64_t *a)
{
	(void)a;
	return 0;
}

long sys_setfsgid(const uint64_t *a)
{
	(void)a;
	return 0;
}

long sys_getgroups(const uint64_t *a)
{
	return (int)a[0] < 0 ? -EINVAL : 0;
}

long sys_setgroups(const uint64_t *a)
{
	int n = (int)a[0];

	if (n < 0 || n > 65536)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		uint32_t gid;

		if (copy_from_user(&gid, a[1] + (uint64_t)i * 4, sizeof(gid)))
			return -EFAULT;
		if (gid)
			return -EINVAL;
	}
	return 0;
}

/* Header of capget and capset: *words is the number of 32-bit sets. 0, -EINVAL, -EFAULT, -ESRCH. */
static int cap_header(uaddr_t addr, unsigned *words, bool probe_ok)
{
	struct abi_cap_header h;
	uint32_t version = LINUX_CAPABILITY_VERSION_3;
	struct process *p;

	if (copy_from_user(&h, addr, sizeof(h)))
		return -EFAULT;
	if (h.version != LINUX_CAPABILITY_VERSION_1 && h.version != LINUX_CAPABILITY_VERSION_2 &&
		h.version != LINUX_CAPABILITY_VERSION_3) {
		if (copy_to_user(addr, &version, sizeof(version)))
			return -EFAULT;
		return probe_ok ? 1 : -EINVAL;
	}
	*words = h.version == LINUX_CAPABILITY_VERSION_1 ? 1 : 2;
	if (h.pid < 0)
		return -EINVAL;
	p = h.pid ? process_find_by_tid(h.pid) : process_current();
	if (!p)
		return -ESRCH;
	if (h.pid)
		process_put(p);
	return 0;
}

long sys_capget(const uint64_t *a)
{
	struct abi_cap_data data[2];
	unsigned words;
	int err = cap_header(a[0], &words, !a[1]);

	if (err)
		return err > 0 ? 0 : err;
	if (!a[1])
		return 0;
	memset(data, 0, sizeof(data));
	for (unsigned i = 0; i < words; i++)
		data[i].effective = data[i].permitted = (uint32_t)(CAPS_ALL >> (32 * i));
	return copy_to_user(a[1], data, words * sizeof(data[0]));
}

/* Root keeps all: giving some up would not be enforced. */
long sys_capset(const uint64_t *a)
{
	struct abi_cap_data data[2] = {{0}};
	unsigned words;
	int err = cap_header(a[0], &words, false);

	if (err)
		return err;
	if (copy_from_user(data, a[1], words * sizeof(data[0])))
		return -EFAULT;
	for (unsigned i = 0; i < words; i++) {
		uint32_t all = (uint32_t)(CAPS_ALL >> (32 * i));

		if ((data[i].effective & all) != all || (data[i].permitted & all) != all)
			return -EPERM;
	}
	return 0;
}
