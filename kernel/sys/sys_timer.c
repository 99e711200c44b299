/* Timers of POSIX: timer_create(2) and its family. */
#include "abi/time.h"
#include "proc/ptimer.h"
#include "sched/clock.h"
#include "sys/sys.h"

long sys_timer_create(const uint64_t *a)
{
	struct abi_sigevent event;
	int id, err;

	if (a[1] && copy_from_user(&event, a[1], sizeof(event)))
		return -EFAULT;
	err = ptimer_create((int)a[0], a[1] ? &event : NULL, &id);
	if (err)
		return err;
	if (!copy_to_user(a[2], &id, sizeof(id)))
		return 0;
	(void)!ptimer_delete(id);
	return -EFAULT;
}

static struct abi_timespec timespec_of(uint64_t ns)
{
	return (struct abi_timespec){(int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC)};
}

static long setting_put(uaddr_t addr, const struct itimer_setting *set)
{
	struct abi_itimerspec v = {timespec_of(set->interval_ns), timespec_of(set->value_ns)};

	return copy_to_user(addr, &v, sizeof(v));
}

long sys_timer_settime(const uint64_t *a)
{
	struct itimer_setting set, old;
	int err;

	if (!a[2])
		return -EINVAL;
	err = sys_timespec_get(a[2], &set.interval_ns);
	err = err ?: sys_timespec_get(a[2] + sizeof(struct abi_timespec), &set.value_ns);
	err = err ?: ptimer_set((int)a[0], a[1] & TIMER_ABSTIME, &set, &old);
	return err || !a[3] ? err : setting_put(a[3], &old);
}

long sys_timer_gettime(const uint64_t *a)
{
	struct itimer_setting now;
	int err = ptimer_get((int)a[0], &now);

	return err ?: setting_put(a[1], &now);
}

long sys_timer_getoverrun(const uint64_t *a)
{
	return ptimer_overrun((int)a[0]);
}

long sys_timer_delete(const uint64_t *a)
{
	return ptimer_delete((int)a[0]);
}
