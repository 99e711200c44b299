/*
 * The scheduler's core: switch, wake, preempt, idle.
 *
 * States of a thread:
 *
 *	NEW -> RUNNABLE <-> RUNNING -> BLOCKED -> RUNNABLE ...     (wait and wake)
 *	                       |-> STOPPED -> RUNNABLE ...         (SIGSTOP and SIGCONT)
 *	                       '-> DEAD                            (thread_exit)
 *
 * A running thread marks itself BLOCKED or STOPPED without a lock and then calls schedule(). Under
 * the run queue's lock schedule() decides: a waker that came in between has set it RUNNING again,
 * and a signal that ends the wait is seen there too. The lock is held across the switch and given
 * back by the thread that runs next, so a waker that gets it finds either the current thread, not
 * yet gone, or a thread whose registers are saved.
 *
 * The kernel is not preempted. need_resched is looked at on the way to user space, in
 * cond_resched() and by the idle loop. A one-shot timer ends a slice only while somebody waits in
 * this CPU's queue; a stale one fires once and finds nothing to do. Idle CPUs halt.
 */
#include "sched/sched.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "sched/clock.h"
#include "sched/run_queue.h"

/* CPU by CPU; the boot CPU's are static so that the scheduler runs before there is a heap. */
static struct run_queue run_queues[CPU_MAX];
static struct thread idle_threads[CPU_MAX];

static uint32_t wait_ends(enum wait_mode mode)
{
	static const uint32_t ends[] = {
		[WAIT_UNINTERRUPTIBLE] = 0,
		[WAIT_KILLABLE] = THREAD_KILLED,
		[WAIT_INTERRUPTIBLE] = THREAD_KILLED | THREAD_SIGPENDING,
	};

	return ends[mode];
}

int sched_wait_interrupted(enum wait_mode mode)
{
	uint32_t pending = thread_flags(thread_current()) & wait_ends(mode);

	if (likely(!pending))
		return 0;
	return pending & THREAD_KILLED ? -EINTR : -ERESTARTSYS;
}

/* May the thread that asks to leave the CPU go on after all? */
static bool must_not_sleep(const struct thread *t)
{
	if (t->state == THREAD_BLOCKED)
		return thread_flags(t) & wait_ends(t->wait_mode);
	return t->state == THREAD_STOPPED && thread_flags(t) & THREAD_KILLED;
}

/* The slice timer is wanted while somebody waits and runs already or is started here, on its own
 * CPU. */
static void slice_timer_want(struct run_queue *rq, uint64_t now)
{
	if (rq->nr_queued && !READ_ONCE(rq->slice_timer.pending))
		timer_start(&rq->slice_timer, now + rq_slice_ns(rq));
}

/* In the timer interrupt: is the current thread's slice over? */
static void slice_timer_fire(struct timer *timer)
{
	struct run_queue *rq = container_of(timer, struct run_queue, slice_timer);
	struct thread *curr = rq->cpu->current;
	uint64_t now = clock_monotonic_ns(), ran;

	spin_lock(&rq->lock);
	if (rq->nr_queued && curr != rq->cpu->idle) {
		uint64_t slice = rq_slice_ns(rq);

		rq_account(rq, curr, now);
		ran = curr->run_ns - curr->slice_start_ns;
		if (ran >= slice)
			rq->cpu->need_resched = true;
		else
			timer_start(timer, now + slice - ran);
	}
	spin_unlock(&rq->lock);
}

/* Who runs next. Puts prev back into the tree if it could go on but must make room. */
static struct thread *pick_next(struct run_queue *rq, struct thread *prev)
{
	struct thread *first = rq->first;

	if (prev->state == THREAD_RUNNING && prev != rq->cpu->idle) {
		bool stay = prev->affinity >> rq->cpu->id & 1;
		unsigned target;

		if (stay && (!first || !vruntime_before(first, prev)))
			return prev;
		target = stay ? balance_target(rq, prev) : balance_select_cpu(prev);
		if (target == CPU_MAX) {
			rq_enqueue(rq, prev);
		} else {
			WRITE_ONCE(prev->state, THREAD_RUNNABLE);
			rq_detach(rq, prev);
			rq->push = prev;
			WRITE_ONCE(prev->cpu, target);
		}
		prev->nivcsw++;
	}
	if (!first)
		return rq->cpu->idle;
	rq_dequeue(rq, first);
	return first;
}

/* Nothing to run here: take a thread from a busy CPU into our queue. => rq locked, and again on
 * return; in between prev may have been woken */
static bool steal_work(struct run_queue *rq)
{
	struct thread *t;

	if (cpu_count() == 1 || !balance_work_elsewhere(rq->cpu->id))
		return false;
	spin_unlock(&rq->lock);
	t = balance_steal(rq->cpu->id);
	spin_lock(&rq->lock);
	if (!t)
		return false;
	rq_attach(rq, t);
	rq_enqueue(rq, t);
	return true;
}

/* Can prev not go on, and is nobody else there? */
static bool runs_dry(const struct run_queue *rq, const struct thread *prev)
{
	return !rq->first && (prev->state != THREAD_RUNNING || prev == rq->cpu->idle);
}

static void enqueue_remote(struct thread *t);

/*
 * In the thread that runs now: end the switch. => the run queue of this CPU is locked, interrupts
 * off
 */
static void switch_finish(irqflags_t flags)
{
	struct run_queue *rq = this_cpu()->rq;
	struct thread *gone = rq->gone, *push = rq->push;

	rq->gone = rq->push = NULL;
	spin_unlock(&rq->lock);
	if (unlikely(push))
		enqueue_remote(push);
	irq_restore(flags);
	if (unlikely(gone))
		thread_free(gone);
}

void sched_switch_done(void)
{
	switch_finish(0);
	irq_enable();
}

/* => rq locked, interrupts off; prev is the current thread */
static void switch_to(struct run_queue *rq, struct thread *prev, struct thread *next, uint64_t now)
{
	if (prev->state == THREAD_BLOCKED || prev->state == THREAD_STOPPED)
		prev->nvcsw++;
	else if (prev->state == THREAD_DEAD)
		rq->gone = prev;
	if (prev == rq->cpu->idle || next == rq->cpu->idle)
		loadavg_update(now, sched_nr_running());
	rq->switches++;
	WRITE_ONCE(next->state, THREAD_RUNNING);
	next->exec_start_ns = now;
	next->slice_start_ns = next->run_ns;
	WRITE_ONCE(rq->cpu->current, next);
	context_switch(prev, next);
}

void schedule(void)
{
	struct thread *prev = thread_current(), *next;
	struct run_queue *rq;
	irqflags_t flags;
	uint64_t now;

	if (prev->state == THREAD_RUNNING && !cpu_field(need_resched))
		return;
	rank_assert_none_from(RANK_SPINNING);
	flags = irq_save();
	rq = cpu_field(rq);
	spin_lock(&rq->lock);
	rq->cpu->need_resched = false;
	if (must_not_sleep(prev))
		WRITE_ONCE(prev->state, THREAD_RUNNING);
	while (runs_dry(rq, prev) && steal_work(rq))
		;
	now = clock_monotonic_ns();
	rq_account(rq, prev, now);
	next = pick_next(rq, prev);
	if (next != rq->cpu->idle)
		slice_timer_want(rq, now);
	if (next == prev) {
		WRITE_ONCE(prev->state, THREAD_RUNNING);
		prev->slice_start_ns = prev->run_ns;
		spin_unlock_irqrestore(&rq->lock, flags);
		return;
	}
	switch_to(rq, prev, next, now);
	switch_finish(flags);
}

void sched_preempt(void)
{
	/* Inside a wait, between marking and sleeping, the mark must not put us to sleep here. */
	if (thread_current()->state == THREAD_RUNNING)
		schedule();
}

void sched_yield_current(void)
{
	struct thread *t = thread_current();
	irqflags_t flags = irq_save();
	struct run_queue *rq = cpu_field(rq);

	if (READ_ONCE(rq->nr_queued)) {
		spin_lock(&rq->lock);
		rq_account(rq, t, clock_monotonic_ns());
		if (rq->first && !vruntime_before(rq->first, t))
			t->vruntime = rq->first->vruntime + 1;
		rq->cpu->need_resched = true;
		spin_unlock(&rq->lock);
	}
	irq_restore(flags);
	schedule();
}

/* A thread was put into the tree of rq: see to it that it gets a CPU in time. => rq locked */
static void kick(struct run_queue *rq, struct thread *t)
{
	struct cpu *c = rq->cpu;
	struct thread *curr = c->current;
	bool local = c->id == cpu_id();

	if (curr == c->idle) {
		c->need_resched = true;
	} else {
		uint64_t now = clock_monotonic_ns();
		uint64_t v = curr->vruntime + (now - curr->exec_start_ns);

		balance_call_idle(t);
		if ((int64_t)(v - t->vruntime) > (int64_t)SCHED_WAKE_GAIN_NS)
			c->need_resched = true;
		else if (local)
			slice_timer_want(rq, now);
		else if (READ_ONCE(rq->slice_timer.pending))
			return;
	}
	if (!local)
		cpu_send_reschedule(c->id);
}

/*
 * Queue a thread that is in no tree on the CPU that it names; its vruntime is detached.
 * => interrupts off
 */
static void enqueue_remote(struct thread *t)
{
	struct run_queue *rq = rq_lock_thread(t);

	rq_attach(rq, t);
	rq_place(rq, t);
	rq_enqueue(rq, t);
	kick(rq, t);
	spin_unlock(&rq->lock);
}

/* => rq is the thread's, locked; interrupts off. Unlocks it. */
static void wake_locked(struct run_queue *rq, struct thread *t)
{
	unsigned target;

	if (t == rq->cpu->current) { /* not gone yet: schedule() will see it */
		WRITE_ONCE(t->state, THREAD_RUNNING);
		spin_unlock(&rq->lock);
		return;
	}
	target = balance_select_cpu(t);
	if (target == t->cpu) {
		rq_place(rq, t);
		rq_enqueue(rq, t);
		kick(rq, t);
		spin_unlock(&rq->lock);
		return;
	}
	/* Runnable but in no queue: everybody else leaves it alone until it is in one. */
	WRITE_ONCE(t->state, THREAD_RUNNABLE);
	rq_detach(rq, t);
	WRITE_ONCE(t->cpu, target);
	spin_unlock(&rq->lock);
	enqueue_remote(t);
}

void sched_requeue(struct run_queue *rq, struct thread *t)
{
	wake_locked(rq, t);
}

bool sched_wake(struct thread *t)
{
	irqflags_t flags = irq_save();
	struct run_queue *rq = rq_lock_thread(t);
	bool woken = t->state == THREAD_BLOCKED;

	if (woken)
		wake_locked(rq, t);
	else
		spin_unlock(&rq->lock);
	irq_restore(flags);
	return woken;
}

void thread_start(struct thread *t)
{
	irqflags_t flags = irq_save();
	struct run_queue *rq;

	assert(t->state == THREAD_NEW);
	t->cpu = cpu_id();
	rq = rq_lock_thread(t);
	t->vruntime = rq->min_vruntime;
	wake_locked(rq, t);
	irq_restore(flags);
}

void thread_set_flags(struct thread *t, uint32_t set)
{
	irqflags_t flags;
	struct run_queue *rq;

	__atomic_fetch_or(&t->flags, set, __ATOMIC_RELEASE);
	if (!(set & (THREAD_SIGPENDING | THREAD_KILLED)))
		return;
	/* Itself, or in an interrupt that cut it short: before it sleeps it looks at the flags. */
	if (t == thread_current() && READ_ONCE(t->state) == THREAD_RUNNING)
		return;
	flags = irq_save();
	rq = rq_lock_thread(t);
	if (must_not_sleep(t)) {
		wake_locked(rq, t);
	} else {
		/* In user mode on another CPU: let it pass the kernel's exit, where it looks. */
		bool kick_it = t == rq->cpu->current && rq->cpu->id != cpu_id();

		spin_unlock(&rq->lock);
		if (kick_it)
			cpu_send_reschedule(rq->cpu->id);
	}
	irq_restore(flags);
}

void thread_clear_flags(struct thread *t, uint32_t clear)
{
	__atomic_fetch_and(&t->flags, ~clear, __ATOMIC_RELAXED);
}

void sched_stop_current(void)
{
	struct thread *t = thread_current();
	irqflags_t flags = irq_save();
	struct run_queue *rq = rq_lock_thread(t);

	if (!t->continued)
		WRITE_ONCE(t->state, THREAD_STOPPED);
	t->continued = false;
	spin_unlock_irqrestore(&rq->lock, flags);
	schedule();
}

void sched_continue(struct thread *t)
{
	irqflags_t flags = irq_save();
	struct run_queue *rq = rq_lock_thread(t);

	if (t->state == THREAD_STOPPED) {
		wake_locked(rq, t);
	} else {
		t->continued = true;
		spin_unlock(&rq->lock);
	}
	irq_restore(flags);
}

void thread_exit(void)
{
	struct thread *t = thread_current();

	rank_assert_none_from(RANK_NONE);
	irq_disable();
	WRITE_ONCE(t->state, THREAD_DEAD);
	schedule();
	__builtin_unreachable();
}

void sched_reschedule_interrupt(void)
{
	struct run_queue *rq = cpu_field(rq);

	spin_lock(&rq->lock);
	if (rq->cpu->current != rq->cpu->idle)
		slice_timer_want(rq, clock_monotonic_ns());
	spin_unlock(&rq->lock);
}

/* The boot thread of a CPU is its idle thread, on the stack that it has. */
void sched_init_cpu(struct cpu *c)
{
	struct run_queue *rq = &run_queues[c->id];
	struct thread *t = &idle_threads[c->id];

	rq_init(rq, c);
	timer_init(&rq->slice_timer, slice_timer_fire);
	t->state = THREAD_RUNNING;
	t->flags = THREAD_KERNEL;
	t->cpu = c->id;
	t->affinity = (cpuset_t)1 << c->id;
	t->weight = SCHED_WEIGHT_0;
	t->exec_start_ns = clock_monotonic_ns();
	list_init(&t->all_link);
	memcpy(t->name, "idle", sizeof("idle"));
	c->rq = rq;
	c->idle = t;
	c->current = t;
}

void sched_init(void)
{
	sched_init_cpu(this_cpu());
}

void sched_idle_loop(void)
{
	struct cpu *c = this_cpu();
	cpuset_t bit = (cpuset_t)1 << c->id;

	for (;;) {
		irq_disable();
		__atomic_fetch_or(&sched_idle_set, bit, __ATOMIC_SEQ_CST);
		if (!READ_ONCE(c->need_resched) && !c->rq->nr_queued &&
			!balance_work_elsewhere(c->id))
			cpu_idle_wait();
		else
			irq_enable();
		__atomic_fetch_and(&sched_idle_set, ~bit, __ATOMIC_RELAXED);
		if (READ_ONCE(c->need_resched) || READ_ONCE(c->rq->nr_queued) ||
			balance_work_elsewhere(c->id)) {
			c->need_resched = true;
			schedule();
		}
	}
}

unsigned sched_nr_running(void)
{
	unsigned sum = 0, n = cpu_count();

	for (unsigned i = 0; i < n; i++)
		sum += READ_ONCE(run_queues[i].nr_queued) +
		       (READ_ONCE(cpus[i]->current) != cpus[i]->idle);
	return sum;
}

uint64_t sched_context_switches(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < CPU_MAX; i++)
		sum += READ_ONCE(run_queues[i].switches);
	return sum;
}
