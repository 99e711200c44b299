/* The real locks on several CPUs, under ASan and TSan: exclusion, no lost wake-up, ranks. */
#include "cmocka_host.h"
#include "sync/mutex.h"
#include "sync/rwlock.h"
#include "sync/spinlock.h"
#include "sync/wordlock.h"

#define CPUS   4
#define ROUNDS 3000

static struct spinlock spin;
static struct mutex mutex;
static struct rwlock rw;
static unsigned counter, readers_inside,
	writers_inside; /* readers_inside, writers_inside: atomic */
static unsigned killed_waits;

static void spin_worker(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		spin_lock(&spin);
		counter++;
		spin_unlock(&spin);
	}
}

static void spinlocks_exclude(void **state)
{
	(void)state;
	counter = 0;
	spin_init(&spin, RANK_LRU, "test spin");
	host_run_cpus(1, CPUS, spin_worker, NULL);
	assert_int_equal(counter, CPUS * ROUNDS);
}

static void mutex_worker(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		mutex_lock(&mutex);
		mt_must(mutex_held(&mutex));
		counter++;
		if (i % 64 == 0)
			cpu_relax(); /* let the others run into it */
		mutex_unlock(&mutex);
	}
}

static void mutexes_exclude_and_wake(void **state)
{
	(void)state;
	counter = 0;
	mutex_init(&mutex, RANK_INODE, "test mutex");
	host_run_cpus(1, CPUS, mutex_worker, NULL);
	assert_int_equal(counter, CPUS * ROUNDS);
	assert_true(mutex.owner == 0);
	assert_true(list_empty(&mutex.waiters.waiters));
}

static void killable_worker(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		host_set_killed((i & 7) == cpu_id());
		if (mutex_lock_killable(&mutex)) {
			__atomic_fetch_add(&killed_waits, 1, __ATOMIC_RELAXED);
			continue;
		}
		counter++;
		if (i % 16 == 0)
			cpu_relax();
		mutex_unlock(&mutex);
	}
	host_set_killed(false);
}

static void a_killed_waiter_leaves_the_queue_in_order(void **state)
{
	(void)state;
	counter = killed_waits = 0;
	mutex_init(&mutex, RANK_INODE, "test mutex");
	host_run_cpus(1, CPUS, killable_worker, NULL);
	assert_int_equal(counter + killed_waits, CPUS * ROUNDS);
	assert_true(mutex.owner == 0);
	assert_true(list_empty(&mutex.waiters.waiters));
}

static void read_once(void)
{
	rw_read_lock(&rw);
	__atomic_fetch_add(&readers_inside, 1, __ATOMIC_RELAXED);
	mt_must(__atomic_load_n(&writers_inside, __ATOMIC_RELAXED) == 0);
	cpu_relax();
	__atomic_fetch_sub(&readers_inside, 1, __ATOMIC_RELAXED);
	rw_read_unlock(&rw);
}

static void write_once(bool downgrade)
{
	rw_write_lock(&rw);
	mt_must(rw_write_held(&rw));
	mt_must(__atomic_fetch_add(&writers_inside, 1, __ATOMIC_RELAXED) == 0);
	mt_must(__atomic_load_n(&readers_inside, __ATOMIC_RELAXED) == 0);
	counter++;
	__atomic_fetch_sub(&writers_inside, 1, __ATOMIC_RELAXED);
	if (!downgrade) {
		rw_write_unlock(&rw);
		return;
	}
	rw_open(&rw);
	mt_must(__atomic_load_n(&writers_inside, __ATOMIC_RELAXED) == 0);
	mt_must(!rw_write_held(&rw));
	rw_open_unlock(&rw);
}

static void rw_worker(void *arg)
{
	struct host_rng rng = {cpu_id() + 1};

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		unsigned what = (unsigned)(host_rand(&rng) % 8);

		if (what < 5)
			read_once();
		else
			write_once(what == 7);
	}
}

static void rwlocks_exclude_writers_and_wake_everybody(void **state)
{
	(void)state;
	rw_init(&rw, RANK_CONTEXT, "test rwlock");
	host_run_cpus(1, CPUS, rw_worker, NULL);
	assert_true(rw.state == 0);
	assert_null(rw.writer);
	assert_true(list_empty(&rw.waiters.waiters));
}

static unsigned steps; /* atomic: how far the CPUs have come */

static void step_to(unsigned n)
{
	__atomic_store_n(&steps, n, __ATOMIC_SEQ_CST);
}

static void wait_for_step(unsigned n)
{
	while (__atomic_load_n(&steps, __ATOMIC_SEQ_CST) < n)
		cpu_relax();
}

static unsigned queue_length(void)
{
	irqflags_t flags = spin_lock_irqsave(&rw.waiters.lock);
	struct wait_entry *we;
	unsigned n = 0;

	list_for_each_entry (we, &rw.waiters.waiters, link)
		n++;
	spin_unlock_irqrestore(&rw.waiters.lock, flags);
	return n;
}

/* One opens it, one queues as a reader before that, one as a writer, one comes to read after it. */
static void open_worker(void *arg)
{
	(void)arg;
	switch (cpu_id()) {
	case 1:
		rw_write_lock(&rw);
		step_to(1);
		while (queue_length() < 2)
			cpu_relax();
		rw_open(&rw);
		step_to(2);
		/* Both readers came in although a writer waits and this one holds it still. */
		while (__atomic_load_n(&readers_inside, __ATOMIC_SEQ_CST) < 2)
			cpu_relax();
		mt_must(READ_ONCE(rw.state) & RW_WAITERS);
		mt_must(__atomic_load_n(&writers_inside, __ATOMIC_SEQ_CST) == 0);
		step_to(3);
		rw_open_unlock(&rw);
		break;
	case 2:
		wait_for_step(1);
		rw_write_lock(&rw);
		__atomic_store_n(&writers_inside, 1, __ATOMIC_SEQ_CST);
		mt_must(__atomic_load_n(&readers_inside, __ATOMIC_SEQ_CST) == 0);
		rw_write_unlock(&rw);
		break;
	default:
		wait_for_step(cpu_id() == 3 ? 1 : 2);
		rw_read_lock(&rw);
		__atomic_fetch_add(&readers_inside, 1, __ATOMIC_SEQ_CST);
		wait_for_step(3);
		__atomic_fetch_sub(&readers_inside, 1, __ATOMIC_SEQ_CST);
		rw_read_unlock(&rw);
	}
}

static void readers_come_into_an_open_lock_past_a_waiting_writer(void **state)
{
	(void)state;
	rw_init(&rw, RANK_CONTEXT, "test rwlock");
	for (unsigned i = 0; i < 40; i++) {
		steps = readers_inside = writers_inside = 0;
		host_run_cpus(1, 4, open_worker, NULL);
		assert_int_equal(writers_inside, 1);
		assert_true(rw.state == 0);
	}
	writers_inside = 0;
}

static unsigned writes_done;

/* Readers that overlap all the time: a writer must get in between them. */
static void fairness_worker(void *arg)
{
	(void)arg;
	if (cpu_id() == 1) {
		for (unsigned i = 0; i < 50; i++) {
			rw_write_lock(&rw);
			rw_write_unlock(&rw);
			__atomic_fetch_add(&writes_done, 1, __ATOMIC_RELAXED);
		}
		return;
	}
	while (__atomic_load_n(&writes_done, __ATOMIC_RELAXED) < 50)
		read_once();
}

static void a_writer_gets_in_between_readers(void **state)
{
	(void)state;
	writes_done = 0;
	rw_init(&rw, RANK_CONTEXT, "test rwlock");
	host_run_cpus(1, CPUS, fairness_worker, NULL);
	assert_int_equal(writes_done, 50);
}

/*
 * Counts
 */

static uint32_t word;
static unsigned held; /* atomic: the first CPU has the lock */

WORDLOCK_CLASS(word_class, RANK_PAGE_TABLE, "test word");

enum kind { SPIN, WORD, MUTEX, READ, WRITE, KINDS };

static void lock_of(enum kind k, bool lock)
{
	switch (k) {
	case SPIN:
		lock ? spin_lock(&spin) : spin_unlock(&spin);
		break;
	case WORD:
		if (lock)
			wordlock_acquire(&word, word_class);
		else
			wordlock_release(&word);
		break;
	case MUTEX:
		lock ? mutex_lock(&mutex) : mutex_unlock(&mutex);
		break;
	case READ:
		lock ? rw_read_lock(&rw) : rw_read_unlock(&rw);
		break;
	default:
		lock ? rw_write_lock(&rw) : rw_write_unlock(&rw);
		break;
	}
}

static const enum wait_class class_of[KINDS] = {
	WAITS_MARKS, WAITS_PAGE_TABLE, WAITS_FILE, WAITS_CONTEXT, WAITS_CONTEXT};

/* The first keeps the lock until it sees the second counted. */
static void meet_at_lock(void *arg)
{
	enum kind k = *(enum kind *)arg;
	uint64_t before = sync_waits(class_of[k]);

	if (cpu_id() == 1) {
		lock_of(k == READ ? WRITE : k, true);
		__atomic_store_n(&held, 1, __ATOMIC_SEQ_CST);
		while (sync_waits(class_of[k]) == before)
			cpu_relax();
		lock_of(k == READ ? WRITE : k, false);
		return;
	}
	while (!__atomic_load_n(&held, __ATOMIC_SEQ_CST))
		cpu_relax();
	lock_of(k, true);
	lock_of(k, false);
}

static void a_lock_found_taken_is_counted_once_in_its_class(void **state)
{
	(void)state;
	spin_init(&spin, RANK_LRU, "test spin");
	mutex_init(&mutex, RANK_INODE, "test mutex");
	rw_init(&rw, RANK_CONTEXT, "test rwlock");
	for (enum kind k = 0; k < KINDS; k++) {
		uint64_t before = sync_waits(class_of[k]), others = sync_waits_total() - before;

		/* Free: no wait. */
		lock_of(k, true);
		lock_of(k, false);
		assert_int_equal(sync_waits(class_of[k]), before);
		held = 0;
		host_run_cpus(1, 2, meet_at_lock, &k);
		assert_int_equal(sync_waits(class_of[k]), before + 1);
		/* What sleeping takes from the scheduler apart. */
		assert_in_range(sync_waits_total() - sync_waits(class_of[k]), others, others + 4);
	}
}

static struct waitqueue ping, pong;
static unsigned turn; /* atomic: 0 ping's, 1 pong's */

static void ping_pong_worker(void *arg)
{
	bool first = cpu_id() == 1;

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		wait_event(
			first ? &ping : &pong, __atomic_load_n(&turn, __ATOMIC_ACQUIRE) == !first);
		__atomic_store_n(&turn, first, __ATOMIC_RELEASE);
		wake_one(first ? &pong : &ping);
	}
}

static void no_wake_up_is_lost(void **state)
{
	(void)state;
	waitqueue_init(&ping);
	waitqueue_init(&pong);
	turn = 0;
	host_run_cpus(1, 2, ping_pong_worker, NULL);
	assert_int_equal(turn, 0);
}

static void lock_two(struct spinlock *a, struct spinlock *b)
{
	spin_lock(a);
	spin_lock(b);
}

static void a_wrong_order_names_both_locks(void **state)
{
	struct spinlock low, high, second_high;

	(void)state;
	spin_init(&low, RANK_LRU, "low lock");
	spin_init(&high, RANK_SLAB, "high lock");
	spin_init(&second_high, RANK_SLAB, "second lock");
	assert_true(
		host_panics(lock_two(&high, &low), "low lock (65) is taken while high lock (80)"));
	spin_init(&low, RANK_LRU, "low lock");
	spin_init(&high, RANK_SLAB, "high lock");
	assert_true(host_panics(lock_two(&high, &high), "high lock (80) is taken twice"));
	spin_init(&high, RANK_SLAB, "high lock");
	lock_two(&low, &high);
	spin_unlock(&low);
	spin_unlock(&high);
	spin_lock_pair(&second_high, &high);
	spin_unlock_pair(&second_high, &high);
}

static void sleeping_with_a_spinlock_panics(void **state)
{
	struct spinlock l;

	(void)state;
	spin_init(&l, RANK_LRU, "held lock");
	rank_assert_none_from(RANK_SPINNING);
	spin_lock(&l);
	assert_true(host_panics(rank_assert_none_from(RANK_SPINNING), "held lock (65) is held"));
}

static int start(void **state)
{
	(void)state;
	host_machine_start(16 << 20, 1 + CPUS);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spinlocks_exclude),
		cmocka_unit_test(mutexes_exclude_and_wake),
		cmocka_unit_test(a_killed_waiter_leaves_the_queue_in_order),
		cmocka_unit_test(rwlocks_exclude_writers_and_wake_everybody),
		cmocka_unit_test(readers_come_into_an_open_lock_past_a_waiting_writer),
		cmocka_unit_test(a_writer_gets_in_between_readers),
		cmocka_unit_test(a_lock_found_taken_is_counted_once_in_its_class),
		cmocka_unit_test(no_wake_up_is_lost),
		cmocka_unit_test(a_wrong_order_names_both_locks),
		cmocka_unit_test(sleeping_with_a_spinlock_panics),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
