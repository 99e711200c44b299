/*
 * The vDSO: a shared object in every program, which answers clock_gettime, gettimeofday, time and
 * getcpu without entering the kernel. Its data page lies in front of it (vdso.lds). Names, version
 * and arguments are Linux's (vdso(7)). Built as user code of its own; nothing of the kernel is in
 * it.
 */
#include "vdso_data.h"

#define NSEC_PER_SEC 1000000000ul

#define CLOCK_REALTIME	       0
#define CLOCK_MONOTONIC	       1
#define CLOCK_MONOTONIC_RAW    4
#define CLOCK_REALTIME_COARSE  5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME	       7
#define CLOCK_TAI	       11

#define SYS_gettimeofday  96
#define SYS_clock_gettime 228

/* The limit of this segment is the CPU's number (gdt.c), as on Linux. */
#define SEL_CPU_NUMBER 0x7b

struct timespec {
	long tv_sec, tv_nsec;
};
struct timeval {
	long tv_sec, tv_usec;
};
struct timezone {
	int tz_minuteswest, tz_dsttime;
};

extern const volatile struct vdso_data vdso_data __attribute__((__visibility__("hidden")));

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
long __vdso_time(long *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

static long system_call(long number, long a, void *b)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b)
			 : "rcx", "r11", "memory");
	return result;
}

static inline unsigned long tsc_read_ordered(void)
{
	unsigned int lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (unsigned long)hi << 32 | lo;
}

/* Nanoseconds of the monotonic or the real clock. False: the kernel has to be asked. */
static int read_clock(int real, unsigned long *ns)
{
	unsigned long base, mult, offset, tsc;
	unsigned int seq;

	do {
		/*
		 * Loads are not reordered with loads (SDM vol. 3A, 8.2.2): the compiler must not
		 * either.
		 */
		while ((seq = vdso_data.seq) & 1)
			__asm__ volatile("pause");
		__asm__ volatile("" ::: "memory");
		if (!vdso_data.use_tsc)
			return 0;
		base = vdso_data.tsc_base;
		mult = vdso_data.tsc_mult;
		offset = vdso_data.realtime_offset_ns;
		tsc = tsc_read_ordered();
		__asm__ volatile("" ::: "memory");
	} while (vdso_data.seq != seq);
	*ns = (unsigned long)((unsigned __int128)(tsc - base) * mult >> 32) + (real ? offset : 0);
	return 1;
}

int __vdso_clock_gettime(int clock, struct timespec *ts)
{
	unsigned long ns;
	int real = 0, known = 1;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		real = 1;
		break;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		break;
	default:
		known = 0;
	}
	if (!known || !read_clock(real, &ns))
		return (int)system_call(SYS_clock_gettime, clock, ts);
	ts->tv_sec = (long)(ns / NSEC_PER_SEC);
	ts->tv_nsec = (long)(ns % NSEC_PER_SEC);
	return 0;
}

int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	unsigned long ns;

	if (!read_clock(1, &ns))
		return (int)system_call(SYS_gettimeofday, (long)tv, tz);
	if (tv) {
		tv->tv_sec = (long)(ns / NSEC_PER_SEC);
		tv->tv_usec = (long)(ns % NSEC_PER_SEC / 1000);
	}
	if (tz)
		*tz = (struct timezone){0, 0};
	return 0;
}

long __vdso_time(long *t)
{
	struct timespec ts;

	__vdso_clock_gettime(CLOCK_REALTIME, &ts);
	if (t)
		*t = ts.tv_sec;
	return ts.tv_sec;
}

long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	unsigned number;

	(void)unused;
	__asm__ volatile("lsl %1, %0" : "=r"(number) : "r"(SEL_CPU_NUMBER));
	if (cpu)
		*cpu = number;
	if (node)
		*node = 0;
	return 0;
}
