/* The machine and its limits. */
#include "syscall.h"
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/klog.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#define LINUX_REBOOT_MAGIC1 0xfee1dead
#define LINUX_REBOOT_MAGIC2 672274793

int uname(struct utsname *name)
{
	return (int)SYS(uname, name);
}

int sysinfo(struct sysinfo *info)
{
	return (int)SYS(sysinfo, info);
}

int reboot(unsigned int cmd)
{
	return (int)SYS(reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, cmd, NULL);
}

int klogctl(int type, char *buf, int len)
{
	return (int)SYS(syslog, type, buf, len);
}

ssize_t getrandom(void *buf, size_t len, unsigned int flags)
{
	return SYS(getrandom, buf, len, flags);
}

int getentropy(void *buf, size_t len)
{
	if (len > 256) {
		errno = EIO;
		return -1;
	}
	for (char *p = buf; len > 0;) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int gethostname(char *buf, size_t len)
{
	struct utsname name;
	size_t need;

	if (uname(&name) < 0)
		return -1;
	need = strlen(name.nodename) + 1;
	memcpy(buf, name.nodename, need < len ? need : len);
	if (need <= len)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

int sethostname(const char *name, size_t len)
{
	return (int)SYS(sethostname, name, len);
}

int getpagesize(void)
{
	return 4096;
}

int getdtablesize(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? -1 : (int)limit.rlim_cur;
}

/* The set bits of the calling thread's affinity mask: the CPUs that it may run on. */
int get_nprocs(void)
{
	unsigned long mask[16] = {0};
	long len = SYS(sched_getaffinity, 0, sizeof(mask), mask);
	int count = 0;

	for (long i = 0; i < len / (long)sizeof(long); i++)
		count += __builtin_popcountl(mask[i]);
	return count > 0 ? count : 1;
}

static long physical_pages(int want_free)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return -1;
	return (long)((want_free ? info.freeram : info.totalram) * info.mem_unit / 4096);
}

static long process_limit(int which)
{
	struct rlimit limit;

	if (getrlimit(which, &limit) < 0 || limit.rlim_cur == RLIM_INFINITY)
		return -1;
	return (long)limit.rlim_cur;
}

/* => the value, -1 with errno as it was when there is no limit, -1 and EINVAL when the name is
 * unknown. */
long sysconf(int name)
{
	switch (name) {
	case _SC_ARG_MAX:
		return ARG_MAX;
	case _SC_CHILD_MAX:
		return process_limit(RLIMIT_NPROC);
	case _SC_OPEN_MAX:
		return process_limit(RLIMIT_NOFILE);
	case _SC_CLK_TCK:
		return 100;
	case _SC_NGROUPS_MAX:
		return NGROUPS_MAX;
	case _SC_PAGESIZE:
		return getpagesize();
	case _SC_NPROCESSORS_CONF:
	case _SC_NPROCESSORS_ONLN:
		return get_nprocs();
	case _SC_PHYS_PAGES:
		return physical_pages(0);
	case _SC_AVPHYS_PAGES:
		return physical_pages(1);
	case _SC_JOB_CONTROL:
	case _SC_SAVED_IDS:
	case _SC_REGEXP:
	case _SC_SHELL:
		return 1;
	case _SC_VERSION:
	case _SC_2_VERSION:
	case _SC_THREADS:
	case _SC_TIMERS:
	case _SC_FSYNC:
	case _SC_MAPPED_FILES:
	case _SC_MEMORY_PROTECTION:
	case _SC_MONOTONIC_CLOCK:
	case _SC_SEMAPHORES:
	case _SC_BARRIERS:
	case _SC_SPIN_LOCKS:
	case _SC_READER_WRITER_LOCKS:
	case _SC_THREAD_SAFE_FUNCTIONS:
		return 200809L;
	case _SC_IOV_MAX:
		return IOV_MAX;
	case _SC_LINE_MAX:
		return LINE_MAX;
	case _SC_HOST_NAME_MAX:
		return HOST_NAME_MAX;
	case _SC_LOGIN_NAME_MAX:
		return LOGIN_NAME_MAX;
	case _SC_TTY_NAME_MAX:
		return TTY_NAME_MAX;
	case _SC_SYMLOOP_MAX:
		return SYMLOOP_MAX;
	case _SC_THREAD_KEYS_MAX:
		return PTHREAD_KEYS_MAX;
	case _SC_THREAD_STACK_MIN:
		return PTHREAD_STACK_MIN;
	case _SC_THREAD_DESTRUCTOR_ITERATIONS:
		return PTHREAD_DESTRUCTOR_ITERATIONS;
	case _SC_GETPW_R_SIZE_MAX:
	case _SC_GETGR_R_SIZE_MAX:
		return 1024;
	}
	errno = EINVAL;
	return -1;
}

static long path_limit(int name)
{
	switch (name) {
	case _PC_LINK_MAX:
		return LINK_MAX;
	case _PC_MAX_CANON:
		return MAX_CANON;
	case _PC_MAX_INPUT:
		return MAX_INPUT;
	case _PC_NAME_MAX:
		return NAME_MAX;
	case _PC_PATH_MAX:
		return PATH_MAX;
	case _PC_PIPE_BUF:
		return PIPE_BUF;
	case _PC_CHOWN_RESTRICTED:
	case _PC_NO_TRUNC:
		return 1;
	case _PC_VDISABLE:
		return 0;
	}
	errno = EINVAL;
	return -1;
}

long pathconf(const char *path, int name)
{
	(void)path;
	return path_limit(name);
}

long fpathconf(int fd, int name)
{
	(void)fd;
	return path_limit(name);
}
