/* Locks and wait queues in the running kernel: threads that really block, on all CPUs. */
#include "team.h"
#include "ktest.h"
#include "sched/clock.h"
#include "sync/mutex.h"
#include "sync/rwlock.h"

#define ROUNDS 3000

static struct waitqueue queues[2];
static unsigned turn;	/* atomic */
static unsigned rounds; /* before turn: member 0 lowers it */

/* A wake-up of a CPU that sleeps costs what the host takes to run it, which may be much: a slow
 * machine does fewer rounds. */
static void ping_pong(struct team *team, unsigned me)
{
	uint64_t enough = clock_monotonic_ns() + 10 * NSEC_PER_SEC;

	(void)team;
	for (unsigned i = 0; i < READ_ONCE(rounds); i++) {
		wait_event(&queues[me], LOAD_ACQUIRE(turn) == me);
		if (me == 0 && i >= ROUNDS / 10 && clock_monotonic_ns() > enough)
			WRITE_ONCE(rounds, i + 1);
		STORE_RELEASE(turn, 1 - me);
		wake_one(&queues[1 - me]);
	}
}

KTEST(wake_up_hammer_loses_none)
{
	struct team team = {.fn = ping_pong, .size = 2};

	for (unsigned pinned = 0; pinned < 2; pinned++) {
		waitqueue_init(&queues[0]);
		waitqueue_init(&queues[1]);
		turn = 0;
		rounds = ROUNDS;
		team.pin = pinned;
		KTEST_ASSERT(team_run(&team));
		KTEST_ASSERT(turn == 0);
		KTEST_ASSERT(queues[0].nwaiters == 0 && queues[1].nwaiters == 0);
	}
}

/* Waits with deadlines that race with the wake-ups. */
static void timed_ping_pong(struct team *team, unsigned me)
{
	for (unsigned i = 0; i < ROUNDS / 4; i++) {
		int err;

		do {
			err = wait_event_mode(&queues[me], LOAD_ACQUIRE(turn) == me,
				WAIT_UNINTERRUPTIBLE, clock_monotonic_ns() + 20000);
		} while (err == -ETIMEDOUT);
		TEAM_CHECK(team, err == 0);
		STORE_RELEASE(turn, 1 - me);
		wake_one(&queues[1 - me]);
	}
}

KTEST(wake_up_races_with_deadline)
{
	struct team team = {.fn = timed_ping_pong, .size = 2, .pin = true};

	waitqueue_init(&queues[0]);
	waitqueue_init(&queues[1]);
	turn = 0;
	KTEST_ASSERT(team_run(&team));
	KTEST_ASSERT(turn == 0);
}

/* One waits for what never comes; the other wakes it for nothing, until it has given up. */
#define VAIN_WAKES 2000
static unsigned gave_up; /* atomic */

static void wake_in_vain(struct team *team, unsigned me)
{
	if (me == 0) {
		int err = wait_event_mode(&queues[0], READ_ONCE(turn) == 2, WAIT_UNINTERRUPTIBLE,
			clock_monotonic_ns() + 50 * NSEC_PER_MSEC);

		TEAM_CHECK(team, err == -ETIMEDOUT);
		STORE_RELEASE(gave_up, 1);
		return;
	}
	for (unsigned i = 0; i < VAIN_WAKES && !LOAD_ACQUIRE(gave_up); i++) {
		(void)wait_event_mode(&queues[1], false, WAIT_UNINTERRUPTIBLE,
			clock_monotonic_ns() + 5 * NSEC_PER_MSEC);
		wake_all(&queues[0]);
	}
	TEAM_CHECK(team, LOAD_ACQUIRE(gave_up));
}

KTEST(wake_ups_in_vain_move_no_deadline)
{
	struct team team = {.fn = wake_in_vain, .size = 2};

	waitqueue_init(&queues[0]);
	waitqueue_init(&queues[1]);
	turn = 0;
	gave_up = 0;
	KTEST_ASSERT(team_run(&team));
}

static struct mutex mutex;
static struct rwlock rw;
static unsigned counter, inside; /* under the lock; the rwlock test: inside is atomic */

static void mutex_member(struct team *team, unsigned me)
{
	for (unsigned i = 0; i < ROUNDS / 4; i++) {
		mutex_lock(&mutex);
		TEAM_CHECK(team, inside == 0);
		inside = 1;
		counter++;
		if ((i + me) % 32 == 0)
			sched_yield_current();
		inside = 0;
		mutex_unlock(&mutex);
	}
}

KTEST(mutex_excludes_and_lets_everybody_in)
{
	struct team team = {.fn = mutex_member, .size = 8};

	mutex_init(&mutex, RANK_INODE, "test mutex");
	counter = inside = 0;
	KTEST_ASSERT(team_run(&team));
	KTEST_ASSERT(counter == 8 * (ROUNDS / 4));
	KTEST_ASSERT(mutex.owner == 0);
}

static void rw_write_member(struct team *team, bool yield)
{
	rw_write_lock(&rw);
	TEAM_CHECK(team, __atomic_fetch_add(&inside, 1000, __ATOMIC_RELAXED) == 0);
	counter++;
	if (yield)
		sched_yield_current();
	__atomic_fetch_sub(&inside, 1000, __ATOMIC_RELAXED);
	rw_write_unlock(&rw);
}

static void rw_read_member(struct team *team, bool yield)
{
	rw_read_lock(&rw);
	TEAM_CHECK(team, __atomic_fetch_add(&inside, 1, __ATOMIC_RELAXED) < 1000);
	if (yield)
		sched_yield_current();
	__atomic_fetch_sub(&inside, 1, __ATOMIC_RELAXED);
	rw_read_unlock(&rw);
}

static void rw_member(struct team *team, unsigned me)
{
	for (unsigned i = 0; i < ROUNDS / 4; i++) {
		if ((i + me) % 4 == 0)
			rw_write_member(team, i % 16 == 0);
		else
			rw_read_member(team, i % 16 == 1);
	}
}

KTEST(rwlock_excludes_writers)
{
	struct team team = {.fn = rw_member, .size = 8};

	rw_init(&rw, RANK_CONTEXT, "test rwlock");
	counter = inside = 0;
	KTEST_ASSERT(team_run(&team));
	KTEST_ASSERT(rw.state == 0 && rw.writer == NULL);
}

/* Members 1 and up read without a gap; member 0 must get in to write all the same. */
static void fair_member(struct team *team, unsigned me)
{
	(void)team;
	if (me == 0) {
		for (unsigned i = 0; i < 20; i++) {
			rw_write_lock(&rw);
			rw_write_unlock(&rw);
		}
		WRITE_ONCE(counter, 1);
		return;
	}
	while (!READ_ONCE(counter)) {
		rw_read_lock(&rw);
		sched_yield_current();
		rw_read_unlock(&rw);
	}
}

KTEST(rwlock_writer_gets_in_between_readers)
{
	struct team team = {.fn = fair_member, .size = 5};

	rw_init(&rw, RANK_CONTEXT, "test rwlock");
	counter = 0;
	KTEST_ASSERT(team_run(&team));
}

static void waiting_member(struct team *team, unsigned me)
{
	(void)team;
	(void)me;
	wait_event(&queues[0], READ_ONCE(turn));
	__atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
}

KTEST(wake_n_wakes_that_many)
{
	struct team team = {.fn = waiting_member, .size = 4};

	waitqueue_init(&queues[0]);
	turn = counter = 0;
	KTEST_ASSERT(team_start(&team));
	while (READ_ONCE(queues[0].nwaiters) < 4)
		sched_yield_current();
	WRITE_ONCE(turn, 1);
	KTEST_ASSERT(wake_n(&queues[0], 3, NULL) == 3);
	KTEST_ASSERT(wake_one(&queues[0]) == 1);
	KTEST_ASSERT(wake_all(&queues[0]) == 0);
	team_wait(&team);
	KTEST_ASSERT(counter == 4);
}

static unsigned items; /* atomic */

static bool take_item(void)
{
	unsigned n = READ_ONCE(items);

	while (n && !__atomic_compare_exchange_n(
			    &items, &n, n - 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		;
	return n;
}

/* Takers with and without deadlines; the last member puts items, one wake_one for each. */
static void item_member(struct team *team, unsigned me)
{
	bool timed = me % 2;

	if (me == team->size - 1) {
		for (unsigned i = 0; i < (team->size - 1) * (ROUNDS / 8); i++) {
			__atomic_fetch_add(&items, 1, __ATOMIC_ACQ_REL);
			wake_one(&queues[0]);
			if (i % 3 == 0)
				sched_yield_current();
		}
		return;
	}
	for (unsigned i = 0; i < ROUNDS / 8; i++)
		while (wait_event_mode(&queues[0], take_item(), WAIT_UNINTERRUPTIBLE,
			timed ? clock_monotonic_ns() + 10000 : WAIT_FOREVER))
			;
}

KTEST(one_wake_up_for_each_item_is_enough)
{
	struct team team = {.fn = item_member, .size = 5};

	waitqueue_init(&queues[0]);
	items = 0;
	KTEST_ASSERT(team_run(&team));
	KTEST_ASSERT(items == 0 && queues[0].nwaiters == 0);
}
