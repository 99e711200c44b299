/*
 * Timers of POSIX. Each has a kernel timer, and a queue entry for its signal that was made with it,
 * so that an expiry in an interrupt allocates nothing.
 *
 *	idle --set--> armed --expires--> its entry is queued ----taken----> armed again if periodic
 *	                     `-- ignored, or one like it is pending: armed again, counted as missed
 *
 * While the signal is pending the timer stands still: a period of a nanosecond makes no more
 * interrupts than signals are taken. The periods that went by meanwhile are the overrun.
 *
 * CLOCK_REALTIME and CLOCK_TAI points are kept as such, so that setting the clock moves them. CPU
 * time has no tick here: as for setitimer the kernel timer looks at the earliest moment possible,
 * and again.
 *
 * Locking: process.lock for the list and all fields. A timer is freed by who took it from the list,
 * after timer_cancel. A queued entry that loses its timer is an ordinary one.
 */
#include "proc/ptimer.h"

#include "abi/time.h"
#include "lib/assert.h"
#include "mm/slab.h"
#include "proc/signal.h"
#include "proc/sleep.h"
#include "sched/clock.h"

/* Not more often than this when nobody takes the signals, or for a look at CPU time. */
#define PTIMER_LOOK_NS (4 * NSEC_PER_MSEC)

struct ptimer {
	struct list link; /* in process->ptimers */
	struct timer timer;
	struct process *process;
	int id, clock;
	int notify, tid;     /* SIGEV_*, the thread of SIGEV_THREAD_ID */
	int clock_tid;	     /* the thread whose CPU time CLOCK_THREAD_CPUTIME_ID is */
	struct sigqueue *sq; /* NULL: SIGEV_NONE */
	bool armed;	     /* value_ns is a point of the clock at which it expires next */
	bool relative;	     /* a time of day that was not asked for as such is not moved with it */
	uint64_t value_ns, interval_ns;
	uint64_t missed; /* periods since the last signal was taken */
	int overrun;	 /* of that signal */
};

static int ptimer_base_clock(const struct ptimer *pt)
{
	/* A relative time is one of the monotonic clock, whatever happens to the time of day. */
	bool of_day = pt->clock == CLOCK_REALTIME || pt->clock == CLOCK_TAI;

	return of_day && pt->relative ? CLOCK_MONOTONIC : pt->clock;
}

static struct task *find_task_locked(const struct process *p, int tid)
{
	struct task *task;

	list_for_each_entry (task, &p->tasks, group_link) {
		if (task->node.nr == tid)
			return task;
	}
	return NULL;
}

/* => process locked */
static uint64_t ptimer_now(const struct ptimer *pt)
{
	const struct task *task;
	uint64_t system_ns;

	switch (ptimer_base_clock(pt)) {
	case CLOCK_REALTIME:
	case CLOCK_TAI:
		return clock_realtime_ns();
	case CLOCK_PROCESS_CPUTIME_ID:
		return itimer_clock_locked(pt->process, ITIMER_PROF);
	case CLOCK_THREAD_CPUTIME_ID:
		task = find_task_locked(pt->process, pt->clock_tid);
		return task ? thread_cpu_ns(task->thread, &system_ns) : 0;
	default:
		return clock_monotonic_ns();
	}
}

/* Start the kernel timer for the moment at which value_ns may be reached. => process locked */
static void ptimer_start_locked(struct ptimer *pt)
{
	uint64_t now = ptimer_now(pt), left = pt->value_ns > now ? pt->value_ns - now : 0;

	if (pt->clock == CLOCK_PROCESS_CPUTIME_ID)
		left /= MAX(pt->process->nthreads, 1u);
	if (pt->clock == CLOCK_PROCESS_CPUTIME_ID || pt->clock == CLOCK_THREAD_CPUTIME_ID)
		left = MAX(left, PTIMER_LOOK_NS);
	timer_start(&pt->timer, deadline_after(left));
}

/* Over value_ns: step to the first multiple of the period after `now`, counting those between. */
static void ptimer_step(struct ptimer *pt, uint64_t now)
{
	uint64_t n = now > pt->value_ns ? (now - pt->value_ns) / pt->interval_ns : 0;

	pt->missed += n;
	pt->value_ns += (n + 1) * pt->interval_ns;
}

/* What the entry stands for when it is queued. */
static void ptimer_post_locked(struct ptimer *pt)
{
	struct process *p = pt->process;
	struct task *task = NULL;

	if (pt->notify & SIGEV_THREAD_ID) {
		task = find_task_locked(p, pt->tid);
		if (!task)
			goto again;
	}
	if (signal_post_locked(p, task, pt->sq->info.si_signo, pt->sq))
		return;
again:
	/*
	 * Nobody was told, or one before is not taken yet: the next period, but not as fast as it
	 * may be.
	 */
	pt->missed++;
	if (!pt->interval_ns)
		return;
	pt->armed = true;
	ptimer_step(pt, ptimer_now(pt) + PTIMER_LOOK_NS);
	ptimer_start_locked(pt);
}

static void ptimer_fire(struct timer *t)
{
	struct ptimer *pt = container_of(t, struct ptimer, timer);
	struct process *p = pt->process;
	irqflags_t flags = process_lock(p);

	if (!pt->armed || list_empty(&p->tasks) || p->group_exit)
		goto out;
	if (ptimer_now(pt) < pt->value_ns) {
		ptimer_start_locked(pt);
		goto out;
	}
	if (pt->sq) {
		pt->armed = false;
		ptimer_post_locked(pt);
	} else if (!pt->interval_ns) {
		pt->armed = false; /* one with a period goes on by itself, see ptimer_left */
	}
out:
	process_unlock(p, flags);
}

void ptimer_signal_gone_locked(struct process *p, struct sigqueue *sq, struct abi_siginfo *info)
{
	struct ptimer *pt = sq->timer;

	dassert(spin_held(&p->lock));
	if (pt->interval_ns && !pt->armed) {
		ptimer_step(pt, ptimer_now(pt));
		pt->armed = true;
		ptimer_start_locked(pt);
	}
	pt->overrun = (int)MIN(pt->missed, (uint64_t)INT32_MAX);
	pt->missed = 0;
	if (info)
		info->u.timer.overrun = pt->overrun;
}

static struct ptimer *ptimer_find_locked(struct process *p, int id)
{
	struct ptimer *pt;

	list_for_each_entry (pt, &p->ptimers, link) {
		if (pt->id == id)
			return pt;
	}
	return NULL;
}

static bool has_thread(struct process *p, int tid)
{
	irqflags_t flags = process_lock(p);
	bool found = find_task_locked(p, tid);

	process_unlock(p, flags);
	return found;
}

static int event_check(struct process *p, const struct abi_sigevent *event)
{
	bool found = true;

	switch (event->notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_THREAD_ID | SIGEV_SIGNAL:
		found = has_thread(p, event->tid);
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		break;
	default:
		return -EINVAL;
	}
	return found && signal_valid(event->signo) ? 0 : -EINVAL;
}

/* The clock, and whose CPU time it is. 0, -EINVAL, -EOPNOTSUPP. */
static int clock_take(struct ptimer *pt, int clock)
{
	int nr = ~(clock >> 3);

	pt->clock = clock;
	pt->clock_tid = task_current()->node.nr;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_PROCESS_CPUTIME_ID:
	case CLOCK_THREAD_CPUTIME_ID:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		return 0;
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_MONOTONIC_COARSE:
		return -EOPNOTSUPP;
	}
	/* clock_getcpuclockid(3): all CPU time (kind 2) of a number; here of the process itself. */
	if (clock >= 0 || (clock & 3) != 2)
		return -EINVAL;
	if (!(clock & 4)) {
		pt->clock = CLOCK_PROCESS_CPUTIME_ID;
		return nr == 0 || nr == pt->process->node.nr ? 0 : -EINVAL;
	}
	pt->clock = CLOCK_THREAD_CPUTIME_ID;
	if (nr)
		pt->clock_tid = nr;
	return has_thread(pt->process, pt->clock_tid) ? 0 : -EINVAL;
}

/* The entry of the timer's signal. -EAGAIN: too many are queued. */
static int make_entry(struct ptimer *pt, const struct abi_sigevent *event)
{
	struct sigqueue *sq = sigqueue_alloc(pt->process);

	if (!sq)
		return -EAGAIN;
	list_init(&sq->link);
	siginfo_clear(&sq->info);
	sq->info.si_signo = event->signo;
	sq->info.si_code = SI_TIMER;
	sq->info.u.timer.value = event->value;
	sq->timer = pt;
	pt->sq = sq;
	return 0;
}

/* A new one with its entry, on no list. */
static int ptimer_make(int clock, const struct abi_sigevent *event, struct ptimer **out)
{
	struct ptimer *pt = kmalloc(sizeof(*pt), ALLOC_ZERO);
	int err;

	if (!pt)
		return -EAGAIN;
	timer_init(&pt->timer, ptimer_fire);
	pt->process = process_current();
	pt->notify = event->notify;
	pt->tid = event->tid;
	err = clock_take(pt, clock) ?: event_check(pt->process, event);
	if (!err && event->notify != SIGEV_NONE)
		err = make_entry(pt, event);
	if (err)
		kfree(pt);
	*out = pt;
	return err;
}

int ptimer_create(int clock, const struct abi_sigevent *event, int *id)
{
	static const struct abi_sigevent alarm = {.signo = SIGALRM, .notify = SIGEV_SIGNAL};
	struct process *p = process_current();
	struct ptimer *pt;
	irqflags_t flags;
	int err = ptimer_make(clock, event ? event : &alarm, &pt);

	if (err)
		return err;
	flags = process_lock(p);
	do {
		pt->id = p->next_ptimer;
		p->next_ptimer = pt->id == INT32_MAX ? 0 : pt->id + 1;
	} while (ptimer_find_locked(p, pt->id));
	if (pt->sq)
		pt->sq->info.u.timer.tid = pt->id;
	if (!event)
		pt->sq->info.u.timer.value = (uint64_t)pt->id;
	*id = pt->id;
	list_add_tail(&p->ptimers, &pt->link);
	process_unlock(p, flags);
	return 0;
}

/* What timer_gettime(2) tells: until the next expiry, also of one whose signal is still pending. */
static void ptimer_left(struct ptimer *pt, struct itimer_setting *out)
{
	uint64_t now = ptimer_now(pt);
	bool pending = pt->sq && !list_empty(&pt->sq->link);

	*out = (struct itimer_setting){0, pt->interval_ns};
	if (!pt->armed && !(pending && pt->interval_ns))
		return;
	if (pt->interval_ns && now >= pt->value_ns && (pending || !pt->sq))
		out->value_ns = pt->interval_ns - (now - pt->value_ns) % pt->interval_ns;
	else
		out->value_ns = MAX(pt->value_ns, now + 1) - now;
}

int ptimer_set(int id, bool absolute, const struct itimer_setting *set, struct itimer_setting *old)
{
	struct process *p = process_current();
	irqflags_t flags = process_lock(p);
	struct ptimer *pt = ptimer_find_locked(p, id);
	uint64_t now;

	if (!pt)
		goto out;
	ptimer_left(pt, old);
	pt->armed = false; /* the kernel timer may still run, and finds this */
	pt->missed = 0;
	pt->interval_ns = 0;
	if (set->value_ns) {
		pt->relative = !absolute;
		now = absolute ? 0 : ptimer_now(pt);
		pt->value_ns = set->value_ns > UINT64_MAX - now ? UINT64_MAX : now + set->value_ns;
		pt->interval_ns = set->interval_ns;
		pt->armed = true;
		ptimer_start_locked(pt);
	}
out:
	process_unlock(p, flags);
	return pt ? 0 : -EINVAL;
}

int ptimer_get(int id, struct itimer_setting *now)
{
	struct process *p = process_current();
	irqflags_t flags = process_lock(p);
	struct ptimer *pt = ptimer_find_locked(p, id);

	if (pt)
		ptimer_left(pt, now);
	process_unlock(p, flags);
	return pt ? 0 : -EINVAL;
}

int ptimer_overrun(int id)
{
	struct process *p = process_current();
	irqflags_t flags = process_lock(p);
	struct ptimer *pt = ptimer_find_locked(p, id);
	int n = pt ? pt->overrun : -EINVAL;

	process_unlock(p, flags);
	return n;
}

/* Off the list; the entry stays in the queue that it is in. => process locked */
static void ptimer_unlink_locked(struct ptimer *pt)
{
	list_remove(&pt->link);
	pt->armed = false;
	if (pt->sq && !list_empty(&pt->sq->link)) {
		pt->sq->timer = NULL;
		pt->sq = NULL;
	}
}

static void ptimer_free(struct process *p, struct ptimer *pt)
{
	timer_cancel(&pt->timer);
	sigqueue_free(p, pt->sq);
	kfree(pt);
}

int ptimer_delete(int id)
{
	struct process *p = process_current();
	irqflags_t flags = process_lock(p);
	struct ptimer *pt = ptimer_find_locked(p, id);

	if (pt)
		ptimer_unlink_locked(pt);
	process_unlock(p, flags);
	if (!pt)
		return -EINVAL;
	ptimer_free(p, pt);
	return 0;
}

void ptimers_delete_all(struct process *p)
{
	struct ptimer *pt;
	irqflags_t flags;

	while (!list_empty(&p->ptimers)) {
		flags = process_lock(p);
		pt = list_first_entry(&p->ptimers, struct ptimer, link);
		ptimer_unlink_locked(pt);
		process_unlock(p, flags);
		ptimer_free(p, pt);
	}
}

void ptimers_clock_was_set(void)
{
	irqflags_t flags = pids_lock();
	struct process *p;
	struct ptimer *pt;

	for (int nr = 0; (nr = pid_next_locked(nr, PID_PROCESS));) {
		p = container_of(pid_find_locked(nr, PID_PROCESS), struct process, node);
		spin_lock(&p->lock);
		list_for_each_entry (pt, &p->ptimers, link) {
			if (pt->armed && ptimer_base_clock(pt) != CLOCK_MONOTONIC)
				ptimer_start_locked(pt);
		}
		spin_unlock(&p->lock);
	}
	pids_unlock(flags);
}
