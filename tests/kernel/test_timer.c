/* Clock and timers. */
#include "team.h"
#include "ktest.h"
#include "sched/clock.h"
#include "sched/timer.h"

KTEST(clock_never_goes_back)
{
	uint64_t last = clock_monotonic_ns();

	for (unsigned i = 0; i < 100000; i++) {
		uint64_t now = clock_monotonic_ns();

		KTEST_ASSERT(now >= last);
		last = now;
	}
}

static uint64_t latest; /* atomic */

static void read_clock(struct team *team, unsigned me)
{
	(void)me;
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t seen = LOAD_ACQUIRE(latest), now = clock_monotonic_ns();

		TEAM_CHECK(team, now >= seen);
		while (now > seen && !__atomic_compare_exchange_n(&latest, &seen, now, false,
					     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			;
	}
}

KTEST(clock_never_goes_back_from_cpu_to_cpu)
{
	struct team team = {.fn = read_clock, .size = cpu_count(), .pin = true};

	latest = 0;
	KTEST_ASSERT(team_run(&team));
}

KTEST(real_time_follows_the_monotonic_clock)
{
	const uint64_t other = 1000000000ull * NSEC_PER_SEC;
	uint64_t start = clock_monotonic_ns(), before = clock_realtime_ns(), seen;
	uint64_t offset = before - clock_monotonic_ns();

	clock_set_realtime_ns(other);
	seen = clock_realtime_ns();
	KTEST_ASSERT(seen >= other && seen - other <= clock_monotonic_ns() - start);
	clock_set_realtime_ns(clock_monotonic_ns() + offset);
	KTEST_ASSERT(clock_realtime_ns() >= before - NSEC_PER_MSEC);
}

static struct waitqueue fired_queue;
static unsigned nfired, order[32]; /* nfired: atomic */

struct test_timer {
	struct timer timer;
	unsigned id, again;
	uint64_t fired_ns;
};

static void test_timer_fire(struct timer *timer)
{
	struct test_timer *t = container_of(timer, struct test_timer, timer);

	t->fired_ns = clock_monotonic_ns();
	if (t->again) {
		t->again--;
		timer_start(timer, t->fired_ns + 100000);
		return;
	}
	order[__atomic_fetch_add(&nfired, 1, __ATOMIC_ACQ_REL) % ARRAY_SIZE(order)] = t->id;
	wake_all(&fired_queue);
}

static void timers_reset(void)
{
	waitqueue_init(&fired_queue);
	nfired = 0;
}

KTEST(timer_fires_not_before_its_deadline)
{
	struct test_timer t = {.id = 1};

	timers_reset();
	timer_init(&t.timer, test_timer_fire);
	for (unsigned i = 0; i < 20; i++) {
		uint64_t deadline = clock_monotonic_ns() + i * 100000;

		timer_start(&t.timer, deadline);
		wait_event(&fired_queue, READ_ONCE(nfired) == i + 1);
		KTEST_ASSERT(t.fired_ns >= deadline);
	}
	KTEST_ASSERT(!timer_cancel(&t.timer));
}

KTEST(timers_fire_in_order_of_deadline)
{
	static struct test_timer t[16];
	irqflags_t irq;
	uint64_t base;

	timers_reset();
	/* One queue, and none fires before all are in it, however long the host lets us wait. */
	irq = irq_save();
	base = clock_monotonic_ns() + 2 * NSEC_PER_MSEC;
	for (unsigned i = 0; i < 16; i++) {
		unsigned place = i * 7 % 16;

		t[i].id = place;
		timer_init(&t[i].timer, test_timer_fire);
		timer_start(&t[i].timer, base + place * 50000);
	}
	irq_restore(irq);
	wait_event(&fired_queue, READ_ONCE(nfired) == 16);
	for (unsigned i = 0; i < 16; i++)
		KTEST_ASSERT(order[i] == i);
}

KTEST(cancelled_timer_does_not_fire)
{
	struct test_timer t = {.id = 1};
	irqflags_t irq;
	bool was_pending;

	timers_reset();
	timer_init(&t.timer, test_timer_fire);
	irq = irq_save(); /* it cannot fire before it is cancelled */
	timer_start(&t.timer, clock_monotonic_ns() + 2 * NSEC_PER_MSEC);
	was_pending = timer_cancel(&t.timer);
	irq_restore(irq);
	KTEST_ASSERT(was_pending);
	KTEST_ASSERT(!timer_cancel(&t.timer));
	clock_delay_us(4000);
	KTEST_ASSERT(nfired == 0);
}

KTEST(timer_starts_itself_again)
{
	struct test_timer t = {.id = 1, .again = 10};
	uint64_t start = clock_monotonic_ns();

	timers_reset();
	timer_init(&t.timer, test_timer_fire);
	timer_start(&t.timer, start + 100000);
	wait_event(&fired_queue, READ_ONCE(nfired) == 1);
	KTEST_ASSERT(t.again == 0 && t.fired_ns >= start + 11 * 100000);
	timer_cancel(&t.timer);
}

/* Every CPU moves and cancels one timer; its function must not run after a cancel. */
static struct test_timer shared_timer;

static void move_timer(struct team *team, unsigned me)
{
	(void)team;
	for (unsigned i = 0; i < 500; i++) {
		if ((i + me) % 5 == 0)
			timer_cancel(&shared_timer.timer);
		else
			timer_start(&shared_timer.timer, clock_monotonic_ns() + i % 7 * 10000);
		cond_resched();
	}
}

KTEST(timer_is_moved_by_all_cpus_at_once)
{
	struct team team = {.fn = move_timer, .size = cpu_count() + 1, .pin = true};
	unsigned fired;

	timers_reset();
	timer_init(&shared_timer.timer, test_timer_fire);
	KTEST_ASSERT(team_run(&team));
	timer_cancel(&shared_timer.timer);
	fired = READ_ONCE(nfired);
	clock_delay_us(1000);
	KTEST_ASSERT(READ_ONCE(nfired) == fired && !shared_timer.timer.pending);
}

KTEST(timed_wait_ends_at_its_deadline)
{
	struct waitqueue wq;
	uint64_t deadline = clock_monotonic_ns() + 3 * NSEC_PER_MSEC;

	waitqueue_init(&wq);
	KTEST_ASSERT(wait_event_mode(&wq, false, WAIT_UNINTERRUPTIBLE, deadline) == -ETIMEDOUT);
	KTEST_ASSERT(clock_monotonic_ns() >= deadline);
	KTEST_ASSERT(wait_event_mode(&wq, false, WAIT_UNINTERRUPTIBLE, 1) == -ETIMEDOUT);
	KTEST_ASSERT(wait_event_mode(&wq, true, WAIT_UNINTERRUPTIBLE, 1) == 0);
	KTEST_ASSERT(wq.nwaiters == 0);
}
