/* The scheduler: shares, places, stops, signals that end waits. */
#include "team.h"
#include "ktest.h"
#include "sched/clock.h"

static void count_member(struct team *team, unsigned me)
{
	(void)me;
	__atomic_fetch_add((unsigned *)team->arg, 1, __ATOMIC_RELAXED);
}

KTEST(threads_run_end_and_give_their_memory_back)
{
	unsigned ran = 0;
	struct team team = {.fn = count_member, .arg = &ran, .size = 50};
	uint64_t before;

	KTEST_ASSERT(team_run(&team));
	before = team_settled_frames();
	for (unsigned round = 0; round < 4; round++)
		KTEST_ASSERT(team_run(&team));
	KTEST_ASSERT(ran == 5 * 50);
	KTEST_ASSERT(team_settled_frames() == before);
}

struct late {
	struct waitqueue wq;
	struct thread *thread; /* atomic: the one that ends late, once it has said so */
	bool go, waited;       /* atomic */
	bool found;
};

static void find_late(struct thread *t, void *cookie)
{
	struct late *late = cookie;

	late->found |= t == late->thread;
}

static void end_late(struct team *team, unsigned me)
{
	struct late *late = team->arg;

	if (me == 0) {
		thread_begin_end();
		STORE_RELEASE(late->thread, thread_current());
		wake_all(&late->wq);
		wait_event(&late->wq, READ_ONCE(late->go));
		return;
	}
	wait_event(&late->wq, LOAD_ACQUIRE(late->thread));
	TEAM_CHECK(team, thread_wait_ended() == 0);
	thread_for_each(find_late, late, false);
	STORE_RELEASE(late->waited, true);
}

/* From the word that it ends until its memory is free: several may wait, none returns before. */
KTEST(threads_on_their_way_out_are_waited_for)
{
	struct late late = {0};
	struct team team = {.fn = end_late, .arg = &late, .size = 4};

	waitqueue_init(&late.wq);
	KTEST_ASSERT(team_start(&team));
	wait_event(&late.wq, LOAD_ACQUIRE(late.thread));
	for (unsigned i = 0; i < 100; i++)
		sched_yield_current();
	KTEST_ASSERT(!LOAD_ACQUIRE(late.waited));
	WRITE_ONCE(late.go, true);
	wake_all(&late.wq);
	team_wait(&team);
	KTEST_ASSERT(team.failures == 0 && !late.found);
	KTEST_ASSERT(thread_wait_ended() == 0);
}

/* Who does what below, on the last CPU or on the others, and how far they have come. */
enum turn_role { ENDS_FIRST, WAITS_LONG, WAITS_NEXT, KEEPS_CPU, NTURN_ROLES };
enum turn { STARTED, FIRST_ENDS, CPU_WANTED, CPU_KEPT, FIRST_GONE, NEXT_ENDS, CPU_FREE, ALL_GO };

struct turns {
	struct waitqueue wq;
	enum turn turn;		   /* atomic */
	struct thread *waiters[2]; /* atomic: WAITS_LONG, WAITS_NEXT, as they begin to */
	bool waited;		   /* atomic: WAITS_LONG is done */
};

static void turn_set(struct turns *s, enum turn turn)
{
	STORE_RELEASE(s->turn, turn);
	wake_all(&s->wq);
}

static void turn_await(struct turns *s, enum turn turn)
{
	wait_event(&s->wq, LOAD_ACQUIRE(s->turn) >= turn);
}

static void turn_await_blocked(struct thread *const *t)
{
	while (!LOAD_ACQUIRE(*t) || READ_ONCE((*t)->state) != THREAD_BLOCKED)
		sched_yield_current();
}

static void end_in_turn(struct team *team, unsigned me)
{
	cpuset_t last = (cpuset_t)1 << (cpu_count() - 1);
	bool on_last = me == WAITS_LONG || me == KEEPS_CPU;
	struct turns *s = team->arg;

	TEAM_CHECK(team, sched_set_affinity(thread_current(), on_last ? last : last - 1) == 0);
	switch (me) {
	case ENDS_FIRST:
		thread_begin_end();
		turn_set(s, FIRST_ENDS);
		turn_await(s, FIRST_GONE);
		break;
	case WAITS_LONG:
		turn_await(s, FIRST_ENDS);
		STORE_RELEASE(s->waiters[0], thread_current());
		TEAM_CHECK(team, thread_wait_ended() == 0);
		STORE_RELEASE(s->waited, true);
		wake_all(&s->wq);
		break;
	case WAITS_NEXT:
		turn_await(s, FIRST_ENDS);
		turn_await_blocked(&s->waiters[0]);
		STORE_RELEASE(s->waiters[1], thread_current());
		TEAM_CHECK(team, thread_wait_ended() == 0);
		thread_begin_end();
		turn_set(s, NEXT_ENDS);
		turn_await(s, ALL_GO);
		break;
	case KEEPS_CPU:
		turn_await(s, CPU_WANTED);
		turn_set(s, CPU_KEPT);
		while (LOAD_ACQUIRE(s->turn) < CPU_FREE)
			cpu_relax();
		break;
	}
}

/*
 * Two wait. The one that did so first gets a CPU only when the other is done and on its own way
 * out, which is no longer to be waited for.
 */
KTEST(threads_that_end_later_are_not_waited_for)
{
	struct turns s = {.turn = STARTED};
	struct team team = {.fn = end_in_turn, .arg = &s, .size = NTURN_ROLES};
	cpuset_t last = (cpuset_t)1 << (cpu_count() - 1);
	int err;

	if (cpu_count() == 1)
		return;
	team_drain();
	waitqueue_init(&s.wq);
	KTEST_ASSERT(sched_set_affinity(thread_current(), last - 1) == 0);
	KTEST_ASSERT(team_start(&team));
	turn_await_blocked(&s.waiters[1]);
	turn_set(&s, CPU_WANTED);
	turn_await(&s, CPU_KEPT);
	turn_set(&s, FIRST_GONE);
	turn_await(&s, NEXT_ENDS);
	turn_set(&s, CPU_FREE);
	err = wait_event_mode(&s.wq, LOAD_ACQUIRE(s.waited), WAIT_UNINTERRUPTIBLE,
		clock_monotonic_ns() + 240 * NSEC_PER_SEC);
	turn_set(&s, ALL_GO);
	team_wait(&team);
	KTEST_ASSERT(sched_set_affinity(thread_current(), cpu_online_set()) == 0);
	KTEST_ASSERT(err == 0 && team.failures == 0);
}

#define HOGS	   3
#define LATENCY_NS (12 * NSEC_PER_MSEC)

struct hogs {
	int nice[HOGS];
	uint64_t run_ns[HOGS];
	uint64_t stall_ns[HOGS]; /* the most it was charged for between two looks at it */
	uint64_t end_ns;
};

/* What the current thread has been charged for up to now. */
static uint64_t charged_ns(void)
{
	struct thread *t = thread_current();
	irqflags_t irq = irq_save();
	uint64_t ns = t->run_ns + (clock_monotonic_ns() - t->exec_start_ns);

	irq_restore(irq);
	return ns;
}

static void hog(struct team *team, unsigned me)
{
	struct hogs *h = team->arg;
	uint64_t last = charged_ns(), ns;

	sched_set_nice(thread_current(), h->nice[me]);
	do {
		cond_resched();
		/*
		 * A step is a fraction of a microsecond, unless the host let the CPU stand still.
		 */
		ns = charged_ns();
		h->stall_ns[me] = MAX(h->stall_ns[me], ns - last);
		last = ns;
	} while (clock_monotonic_ns() < READ_ONCE(h->end_ns));
	h->run_ns[me] = ns;
}

/*
 * Let the hogs share the last CPU for a while. By weight none may have got more than twice what
 * another got, besides two latencies and the stalls of the host as the lightest thread feels them:
 * a host with other work stops virtual CPUs at any time, and equal to the millisecond it never is.
 */
static bool hogs_are_fair(struct hogs *h, const uint64_t weights[HOGS])
{
	struct team team = {.fn = hog, .arg = h, .size = HOGS};
	uint64_t least = UINT64_MAX, most = 0, slack = 2 * LATENCY_NS, lightest = UINT64_MAX;

	team.affinity = (cpuset_t)1 << (cpu_count() - 1);
	h->end_ns = clock_monotonic_ns() + 800 * NSEC_PER_MSEC;
	if (!team_run(&team))
		return false;
	for (unsigned i = 0; i < HOGS; i++) {
		least = MIN(least, h->run_ns[i] * 1024 / weights[i]);
		most = MAX(most, h->run_ns[i] * 1024 / weights[i]);
		slack += h->stall_ns[i];
		lightest = MIN(lightest, weights[i]);
	}
	return most <= 2 * least + slack * 1024 / lightest;
}

KTEST(equal_threads_get_equal_shares)
{
	static const uint64_t weights[HOGS] = {1024, 1024, 1024};
	struct hogs h = {.nice = {0, 0, 0}};

	KTEST_ASSERT(hogs_are_fair(&h, weights));
}

KTEST(nice_divides_the_shares)
{
	static const uint64_t weights[HOGS] = {1024, 336, 336};
	struct hogs h = {.nice = {0, 5, 5}};

	KTEST_ASSERT(hogs_are_fair(&h, weights));
}

static void note_cpu(struct team *team, unsigned me)
{
	uint64_t give_up = clock_monotonic_ns() + 300 * NSEC_PER_SEC;
	cpuset_t *seen = team->arg;

	(void)me;
	do {
		__atomic_fetch_or(seen, (cpuset_t)1 << cpu_id(), __ATOMIC_RELAXED);
		cond_resched();
	} while (READ_ONCE(*seen) != cpu_online_set() && clock_monotonic_ns() < give_up);
}

/* All threads are started on one CPU and none ends before every CPU has run one. */
KTEST(idle_cpus_take_work)
{
	cpuset_t seen = 0;
	struct team team = {.fn = note_cpu, .arg = &seen, .size = 2 * cpu_count()};

	KTEST_ASSERT(team_run(&team));
	KTEST_ASSERT(seen == cpu_online_set());
}

static void move_around(struct team *team, unsigned me)
{
	struct thread *t = thread_current();

	for (unsigned i = 0; i < 20 * cpu_count(); i++) {
		unsigned cpu = (i + me) % cpu_count();

		TEAM_CHECK(team, sched_set_affinity(t, (cpuset_t)1 << cpu) == 0);
		TEAM_CHECK(team, cpu_id() == cpu);
	}
}

KTEST(affinity_is_obeyed)
{
	struct team team = {.fn = move_around, .size = 4};
	cpuset_t offline = (cpuset_t)1 << cpu_count();

	KTEST_ASSERT(team_run(&team));
	if (cpu_count() < CPU_MAX)
		KTEST_ASSERT(sched_set_affinity(thread_current(), offline) == -EINVAL);
}

static void count_switches(struct thread *t, void *cookie)
{
	if (t != thread_current())
		*(uint64_t *)cookie += READ_ONCE(t->nvcsw) + READ_ONCE(t->nivcsw);
}

/*
 * It leaves the CPU only to threads that wake up meanwhile (flushers), each of which leaves it
 * again.
 */
KTEST(a_lone_thread_does_not_switch)
{
	struct thread *t = thread_current();
	uint64_t before, others = 0, others_after = 0;

	team_drain();
	thread_for_each(count_switches, &others, false);
	before = t->nvcsw + t->nivcsw;
	for (unsigned i = 0; i < 100; i++) {
		cond_resched();
		sched_yield_current();
		schedule();
	}
	before = t->nvcsw + t->nivcsw - before;
	thread_for_each(count_switches, &others_after, false);
	KTEST_ASSERT(before <= others_after - others + 1);
}

struct sleeper {
	struct waitqueue wq;
	struct thread *thread; /* atomic */
	enum wait_mode mode;
	int result;
	bool condition; /* atomic */
};

static void sleep_once(struct team *team, unsigned me)
{
	struct sleeper *s = team->arg;

	(void)me;
	STORE_RELEASE(s->thread, thread_current());
	s->result = wait_event_mode(&s->wq, READ_ONCE(s->condition), s->mode, WAIT_FOREVER);
	thread_clear_flags(thread_current(), THREAD_SIGPENDING | THREAD_KILLED);
}

/*
 * What a wait of that mode returns when these flags come, and (late_condition) then the condition.
 */
static int wait_result(enum wait_mode mode, uint32_t flags, bool late_condition)
{
	struct sleeper s = {.mode = mode, .result = 1};
	struct team team = {.fn = sleep_once, .arg = &s, .size = 1};

	waitqueue_init(&s.wq);
	if (!team_start(&team))
		return 2;
	while (!LOAD_ACQUIRE(s.thread) || !READ_ONCE(s.wq.nwaiters))
		sched_yield_current();
	thread_set_flags(s.thread, flags);
	if (late_condition) {
		clock_delay_us(1000);
		WRITE_ONCE(s.condition, true);
		wake_all(&s.wq);
	}
	team_wait(&team);
	return s.result;
}

KTEST(signals_end_the_waits_that_they_may_end)
{
	KTEST_ASSERT(wait_result(WAIT_INTERRUPTIBLE, THREAD_SIGPENDING, false) == -ERESTARTSYS);
	KTEST_ASSERT(wait_result(WAIT_INTERRUPTIBLE, THREAD_KILLED, false) == -EINTR);
	KTEST_ASSERT(wait_result(WAIT_KILLABLE, THREAD_KILLED, false) == -EINTR);
	KTEST_ASSERT(wait_result(WAIT_KILLABLE, THREAD_SIGPENDING, true) == 0);
	KTEST_ASSERT(wait_result(WAIT_UNINTERRUPTIBLE, THREAD_KILLED, true) == 0);
}

static bool stop_wanted; /* atomic */
static unsigned stops;	 /* atomic */

static void stopping_member(struct team *team, unsigned me)
{
	(void)me;
	STORE_RELEASE(*(struct thread **)team->arg, thread_current());
	for (unsigned i = 0; i < 50; i++) {
		WRITE_ONCE(stop_wanted, true);
		__atomic_fetch_add(&stops, 1, __ATOMIC_RELEASE);
		while (LOAD_ACQUIRE(stop_wanted))
			sched_stop_current();
	}
}

KTEST(a_continue_is_never_lost)
{
	struct thread *t = NULL;
	struct team team = {.fn = stopping_member, .arg = &t, .size = 1};

	stops = 0;
	KTEST_ASSERT(team_start(&team));
	for (unsigned i = 1; i < 50; i++) {
		while (__atomic_load_n(&stops, __ATOMIC_ACQUIRE) < i)
			sched_yield_current();
		STORE_RELEASE(stop_wanted, false);
		sched_continue(t);
	}
	/* The last time by a fatal signal, after which the thread may be gone. */
	while (__atomic_load_n(&stops, __ATOMIC_ACQUIRE) < 50)
		sched_yield_current();
	STORE_RELEASE(stop_wanted, false);
	thread_set_flags(t, THREAD_KILLED);
	team_wait(&team);
}

KTEST(load_average_is_sane)
{
	uint64_t avg[3];

	sched_loadavg(avg);
	for (unsigned i = 0; i < 3; i++)
		KTEST_ASSERT(avg[i] < 1000ull << 16);
	KTEST_ASSERT(sched_nr_running() >= 1);
}
