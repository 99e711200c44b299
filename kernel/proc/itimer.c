/*
 * Interval timers. ITIMER_REAL is a kernel timer. ITIMER_VIRTUAL and ITIMER_PROF count CPU time,
 * and there is no tick to count with: a kernel timer is set to the earliest moment at which the
 * process could have used the rest (all its threads running all the time), looks at what it has
 * used, and is set again until that is enough.
 */
#include "proc/itimer.h"

#include "lib/assert.h"
#include "proc/rlimit.h"
#include "proc/signal.h"
#include "sched/clock.h"

/* Not more often than this, however little is left. */
#define ITIMER_LOOK_NS (4 * NSEC_PER_MSEC)

static const int itimer_signal[3] = {SIGALRM, SIGVTALRM, SIGPROF};

static unsigned itimer_which(const struct itimer *it)
{
	return (unsigned)(it - it->process->itimers);
}

uint64_t itimer_clock_locked(const struct process *p, unsigned which)
{
	uint64_t user = p->dead_threads.user_ns, system = p->dead_threads.system_ns;
	const struct task *task;
	uint64_t system_ns;

	if (which == ITIMER_REAL)
		return clock_monotonic_ns();
	list_for_each_entry (task, &p->tasks, group_link) {
		user += thread_cpu_ns(task->thread, &system_ns) - system_ns;
		system += system_ns;
	}
	return which == ITIMER_VIRTUAL ? user : user + system;
}

/* Start the kernel timer for the moment at which it->value_ns may be reached. => process locked */
static void itimer_start_locked(struct itimer *it)
{
	struct process *p = it->process;
	unsigned which = itimer_which(it);
	uint64_t now, left;

	if (which == ITIMER_REAL) {
		timer_start(&it->timer, it->value_ns);
		return;
	}
	now = itimer_clock_locked(p, which);
	left = it->value_ns > now ? it->value_ns - now : 0;
	left /= MAX(p->nthreads, 1u);
	timer_start(&it->timer, clock_monotonic_ns() + MAX(left, ITIMER_LOOK_NS));
}

static void itimer_fire(struct timer *t)
{
	struct itimer *it = container_of(t, struct itimer, timer);
	struct process *p = it->process;
	unsigned which = itimer_which(it);
	irqflags_t flags = process_lock(p);
	uint64_t now;

	if (!it->armed || list_empty(&p->tasks))
		goto out;
	now = itimer_clock_locked(p, which);
	if (now < it->value_ns) {
		itimer_start_locked(it);
		goto out;
	}
	signal_post_locked(p, NULL, itimer_signal[which], NULL);
	if (it->interval_ns) {
		/* The next multiple that lies ahead: periods that were missed give one signal. */
		uint64_t missed = (now - it->value_ns) / it->interval_ns;

		it->value_ns += (missed + 1) * it->interval_ns;
		itimer_start_locked(it);
	} else {
		it->armed = false;
	}
out:
	process_unlock(p, flags);
}

/* RLIMIT_CPU: SIGXCPU each second past the soft limit, SIGKILL at the hard one. */
static void cpu_limit_fire(struct timer *t)
{
	struct process *p = container_of(t, struct process, cpu_limit);
	uint64_t soft = rlimit_get(p, RLIMIT_CPU);
	uint64_t hard = READ_ONCE(p->rlimits[RLIMIT_CPU].rlim_max);
	irqflags_t flags = process_lock(p);
	uint64_t used, left;

	if (soft == RLIM_INFINITY || list_empty(&p->tasks))
		goto out;
	used = itimer_clock_locked(p, ITIMER_PROF);
	if (hard != RLIM_INFINITY && used / NSEC_PER_SEC >= hard)
		signal_post_locked(p, NULL, SIGKILL, NULL);
	else if (used / NSEC_PER_SEC >= MAX(soft, p->cpu_limit_told)) {
		signal_post_locked(p, NULL, SIGXCPU, NULL);
		p->cpu_limit_told = used / NSEC_PER_SEC + 1;
	}
	left = MAX(soft, p->cpu_limit_told);
	left = left > UINT64_MAX / NSEC_PER_SEC ? UINT64_MAX : left * NSEC_PER_SEC;
	left = left > used ? (left - used) / MAX(p->nthreads, 1u) : 0;
	timer_start(t, clock_monotonic_ns() + MAX(left, ITIMER_LOOK_NS));
out:
	process_unlock(p, flags);
}

void itimer_cpu_limit(struct process *p)
{
	if (rlimit_get(p, RLIMIT_CPU) == RLIM_INFINITY)
		return;
	timer_start(&p->cpu_limit, clock_monotonic_ns() + ITIMER_LOOK_NS);
}

void itimers_init(struct process *p)
{
	for (unsigned i = 0; i < ARRAY_SIZE(p->itimers); i++) {
		p->itimers[i].process = p;
		timer_init(&p->itimers[i].timer, itimer_fire);
	}
	timer_init(&p->cpu_limit, cpu_limit_fire);
}

void itimers_cancel(struct process *p)
{
	for (unsigned i = 0; i < ARRAY_SIZE(p->itimers); i++) {
		irqflags_t flags;

		if (!p->itimers[i].armed)
			continue;
		flags = process_lock(p);
		p->itimers[i].armed = false;
		process_unlock(p, flags);
		timer_cancel(&p->itimers[i].timer);
	}
	if (rlimit_get(p, RLIMIT_CPU) != RLIM_INFINITY)
		timer_cancel(&p->cpu_limit);
}

void itimer_change(int which, const struct itimer_setting *set, struct itimer_setting *old)
{
	struct process *p = process_current();
	struct itimer *it = &p->itimers[which];
	irqflags_t flags;
	uint64_t now;

	/* A handler that runs now finds armed false, or is over when the cancel returns. */
	if (set && it->armed) {
		flags = process_lock(p);
		now = itimer_clock_locked(p, (unsigned)which);
		if (old) {
			old->value_ns = MAX(it->value_ns, now + 1000) - now;
			old->interval_ns = it->interval_ns;
		}
		it->armed = false;
		process_unlock(p, flags);
		timer_cancel(&it->timer);
		old = NULL;
	}
	flags = process_lock(p);
	now = itimer_clock_locked(p, (unsigned)which);
	if (old) {
		old->value_ns = it->armed ? MAX(it->value_ns, now + 1000) - now : 0;
		old->interval_ns = it->armed ? it->interval_ns : 0;
	}
	if (set && set->value_ns) {
		it->value_ns = set->value_ns > UINT64_MAX - now ? UINT64_MAX : now + set->value_ns;
		it->interval_ns = set->interval_ns;
		it->armed = true;
		itimer_start_locked(it);
	}
	process_unlock(p, flags);
}
