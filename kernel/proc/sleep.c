/*
 * Sleeping by the clock. A relative sleep that a signal without handler interrupts (SIGSTOP and
 * SIGCONT) goes on to its first deadline through restart_syscall(2).
 */
#include "proc/sleep.h"

#include "abi/time.h"
#include "proc/process.h"
#include "sched/clock.h"
#include "usercopy.h"

/* Sleepers by the time of day. */
static struct waitqueue realtime_sleepers;
static uint32_t realtime_sets; /* (a) */

uint64_t deadline_after(uint64_t ns)
{
	uint64_t now = clock_monotonic_ns();

	return ns > WAIT_FOREVER - 1 - now ? WAIT_FOREVER : now + ns;
}

static int sleep_plain(uint64_t deadline_ns)
{
	struct waitqueue nobody;

	waitqueue_init(&nobody);
	return wait_event_mode(&nobody, false, WAIT_INTERRUPTIBLE, deadline_ns);
}

static long sleep_again(struct task_restart *r)
{
	return sleep_until(r->deadline_ns, r->addr);
}

long sleep_until(uint64_t deadline_ns, uaddr_t rem)
{
	struct task_restart *r = &task_current()->restart;
	int err = sleep_plain(deadline_ns);

	if (err == -ETIMEDOUT)
		return 0;
	if (rem) {
		uint64_t now = clock_monotonic_ns();
		uint64_t left = deadline_ns > now ? deadline_ns - now : 0;
		struct abi_timespec ts = {
			(int64_t)(left / NSEC_PER_SEC), (int64_t)(left % NSEC_PER_SEC)};

		if (!left)
			return 0;
		err = copy_to_user(rem, &ts, sizeof(ts));
		if (err)
			return err;
	}
	r->fn = sleep_again;
	r->deadline_ns = deadline_ns;
	r->addr = rem;
	return -ERESTART_RESTARTBLOCK;
}

long sleep_until_realtime(uint64_t realtime_ns)
{
	for (;;) {
		uint32_t sets = LOAD_ACQUIRE(realtime_sets);
		uint64_t now = clock_realtime_ns();
		int err;

		if (now >= realtime_ns)
			return 0;
		err = wait_event_mode(&realtime_sleepers, LOAD_ACQUIRE(realtime_sets) != sets,
			WAIT_INTERRUPTIBLE, deadline_after(realtime_ns - now));
		if (err && err != -ETIMEDOUT)
			return -ERESTARTNOHAND;
	}
}

void sleep_clock_was_set(void)
{
	__atomic_fetch_add(&realtime_sets, 1, __ATOMIC_RELEASE);
	wake_all(&realtime_sleepers);
}

void sleep_init(void)
{
	waitqueue_init(&realtime_sleepers);
}

long restart_syscall(void)
{
	struct task_restart *r = &task_current()->restart;
	long (*fn)(struct task_restart *) = r->fn;

	if (!fn)
		return -EINTR;
	r->fn = NULL;
	return fn(r);
}
