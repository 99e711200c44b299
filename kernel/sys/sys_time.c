/* Clocks, sleeping, interval timers, usage. */
#include "abi/resource.h"
#include "abi/time.h"
#include "proc/itimer.h"
#include "proc/ptimer.h"
#include "proc/rusage.h"
#include "proc/sleep.h"
#include "sched/clock.h"
#include "sys/sys.h"

#define NSEC_PER_TICK (NSEC_PER_SEC / CLK_TCK)

/* Clock ids with the number 0 (the caller), kind 2 (all CPU time), bit 2: of the thread. */
#define CPU_CLOCK_OWN_PROCESS (-8 | 2)
#define CPU_CLOCK_OWN_THREAD  (-8 | 6)

/* CPU time of a process or thread by the number inside a clock id: clock_getcpuclockid(3). */
static int cpu_clock_read(int clock, uint64_t *ns)
{
	int nr = ~(clock >> 3), what = clock & 3;
	bool thread = clock & 4;
	struct process *p;
	struct process_usage u;
	uint64_t system_ns;
	irqflags_t flags;
	struct pid_node *n;

	if (what == 3)
		return -EINVAL;
	if (thread) {
		flags = pids_lock();
		n = nr ? pid_find_locked(nr, PID_TASK) : &task_current()->node;
		if (n && container_of(n, struct task, node)->process == process_current()) {
			const struct thread *t = container_of(n, struct task, node)->thread;

			*ns = thread_cpu_ns(t, &system_ns);
			if (what == 1)
				*ns -= system_ns;
		} else {
			n = NULL;
		}
		pids_unlock(flags);
		return n ? 0 : -EINVAL;
	}
	p = process_find(nr ? nr : process_current()->node.nr);
	if (!p)
		return -EINVAL;
	process_usage(p, &u);
	process_put(p);
	*ns = u.user_ns + (what == 1 ? 0 : u.system_ns);
	return 0;
}

static int clock_read(int clock, uint64_t *ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		*ns = clock_realtime_ns();
		return 0;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		*ns = clock_monotonic_ns();
		return 0;
	case CLOCK_PROCESS_CPUTIME_ID:
		return cpu_clock_read(CPU_CLOCK_OWN_PROCESS, ns);
	case CLOCK_THREAD_CPUTIME_ID:
		return cpu_clock_read(CPU_CLOCK_OWN_THREAD, ns);
	}
	return clock < 0 ? cpu_clock_read(clock, ns) : -EINVAL;
}

long sys_clock_gettime(const uint64_t *a)
{
	uint64_t ns;
	int err = clock_read((int)a[0], &ns);

	return err ? err : sys_timespec_put(a[1], ns);
}

long sys_clock_getres(const uint64_t *a)
{
	uint64_t ns;
	int err = clock_read((int)a[0], &ns);

	if (err || !a[1])
		return err;
	return sys_timespec_put(a[1], clock_resolution_ns());
}

static void set_realtime(uint64_t ns)
{
	clock_set_realtime_ns(ns);
	sleep_clock_was_set();
	ptimers_clock_was_set();
}

long sys_clock_settime(const uint64_t *a)
{
	uint64_t ns;
	int err;

	if ((int)a[0] != CLOCK_REALTIME)
		return -EINVAL;
	err = sys_timespec_get(a[1], &ns);
	if (!err)
		set_realtime(ns);
	return err;
}

long sys_gettimeofday(const uint64_t *a)
{
	uint64_t ns = clock_realtime_ns();
	struct abi_timeval tv = {
		(int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
	struct abi_timezone tz = {0, 0};

	if (a[0] && copy_to_user(a[0], &tv, sizeof(tv)))
		return -EFAULT;
	return a[1] ? copy_to_user(a[1], &tz, sizeof(tz)) : 0;
}

/* The clock is UTC: a time zone is checked and makes no difference, as in Linux but for the file
 * systems that keep local time. */
long sys_settimeofday(const uint64_t *a)
{
	struct abi_timezone tz;
	uint64_t ns;
	int err = 0;

	if (a[1] && copy_from_user(&tz, a[1], sizeof(tz)))
		return -EFAULT;
	if (a[0]) {
		err = sys_timeval_get(a[0], &ns);
		if (!err)
			set_realtime(ns);
	}
	return err;
}

long sys_time(const uint64_t *a)
{
	int64_t now = (int64_t)(clock_realtime_ns() / NSEC_PER_SEC);

	if (a[0] && copy_to_user(a[0], &now, sizeof(now)))
		return -EFAULT;
	return now;
}

long sys_nanosleep(const uint64_t *a)
{
	uint64_t ns;
	int err = sys_timespec_get(a[0], &ns);

	return err ? err : sleep_until(deadline_after(ns), a[1]);
}

long sys_clock_nanosleep(const uint64_t *a)
{
	int clock = (int)a[0];
	bool absolute = a[1] & TIMER_ABSTIME;
	uint64_t ns, now;
	int err;

	if (clock == CLOCK_THREAD_CPUTIME_ID)
		return -EINVAL;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
		clock != CLOCK_TAI)
		return clock_read(clock, &now) ? -EINVAL : -EOPNOTSUPP;
	if (a[1] & ~(uint64_t)TIMER_ABSTIME)
		return -EINVAL;
	err = sys_timespec_get(a[2], &ns);
	if (err)
		return err;
	if (!absolute)
		return sleep_until(deadline_after(ns), a[3]);
	if (clock == CLOCK_REALTIME || clock == CLOCK_TAI)
		return sleep_until_realtime(ns);
	err = (int)sleep_until(ns, 0);
	/* An absolute sleep begins again with the same time. */
	return err == -ERESTART_RESTARTBLOCK ? -ERESTARTNOHAND : err;
}

static int setting_get(uaddr_t addr, struct itimer_setting *set)
{
	int err = sys_timeval_get(addr, &set->interval_ns);

	return err ? err : sys_timeval_get(addr + sizeof(struct abi_timeval), &set->value_ns);
}

static struct abi_timeval timeval_of(uint64_t ns)
{
	return (struct abi_timeval){
		(int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

static long setting_put(uaddr_t addr, const struct itimer_setting *old)
{
	struct abi_itimerval v = {timeval_of(old->interval_ns), timeval_of(old->value_ns)};

	return copy_to_user(addr, &v, sizeof(v));
}

long sys_getitimer(const uint64_t *a)
{
	struct itimer_setting old;

	if (a[0] > ITIMER_PROF)
		return -EINVAL;
	itimer_change((int)a[0], NULL, &old);
	return setting_put(a[1], &old);
}

long sys_setitimer(const uint64_t *a)
{
	struct itimer_setting set = {0, 0}, old;
	int err;

	if (a[0] > ITIMER_PROF)
		return -EINVAL;
	err = a[1] ? setting_get(a[1], &set) : 0;
	if (err)
		return err;
	itimer_change((int)a[0], &set, &old);
	return a[2] ? setting_put(a[2], &old) : 0;
}

/* Whole seconds that were left, at least 1 when any time was. */
long sys_alarm(const uint64_t *a)
{
	struct itimer_setting set = {(uint64_t)(uint32_t)a[0] * NSEC_PER_SEC, 0}, old;
	uint64_t secs;

	itimer_change(ITIMER_REAL, &set, &old);
	secs = (old.value_ns + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
	return old.value_ns ? (long)MAX(secs, 1ul) : 0;
}

long sys_times(const uint64_t *a)
{
	struct process_usage self, children;
	struct abi_tms t;

	if (a[0]) {
		if (rusage_get(RUSAGE_SELF, &self) || rusage_get(RUSAGE_CHILDREN, &children))
			return -EINVAL;
		t.tms_utime = (int64_t)(self.user_ns / NSEC_PER_TICK);
		t.tms_stime = (int64_t)(self.system_ns / NSEC_PER_TICK);
		t.tms_cutime = (int64_t)(children.user_ns / NSEC_PER_TICK);
		t.tms_cstime = (int64_t)(children.system_ns / NSEC_PER_TICK);
		if (copy_to_user(a[0], &t, sizeof(t)))
			return -EFAULT;
	}
	return (long)(clock_monotonic_ns() / NSEC_PER_TICK);
}

long sys_getrusage(const uint64_t *a)
{
	struct process_usage u;
	struct abi_rusage ru;
	int err = rusage_get((int)a[0], &u);

	if (err)
		return err;
	rusage_fill(&u, &ru);
	if ((int)a[0] == RUSAGE_SELF)
		ru.ru_maxrss = rusage_maxrss();
	return copy_to_user(a[1], &ru, sizeof(ru));
}
