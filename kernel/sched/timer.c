/*
 * One-shot timers: a queue per CPU, ordered by deadline, run in that CPU's timer interrupt.
 *
 * The hardware is programmed only for a deadline earlier than the one it has: when a timer is
 * cancelled or moved to later, the interrupt comes, finds nothing due and programs the next one.
 * That is cheaper than a register write for every cancelled timeout.
 *
 * A timer belongs to the queue that timer.cpu names, whose lock guards its fields. It changes
 * queues only when it is started on another CPU, and not while its function runs, so that
 * timer_cancel has to look for a running function in one queue only.
 */
#include "sched/timer.h"
#include "cpu.h"
#include "lib/assert.h"
#include "sched/clock.h"

#define NEVER UINT64_MAX

struct timer_queue {
	struct spinlock lock; /* rank 94, interrupts off */
	struct rb_tree tree;
	struct timer *first;	/* earliest, NULL: none */
	struct timer *running;	/* its function runs now, lock dropped */
	uint64_t programmed_ns; /* what the hardware was told, 0 before the first time: never */
} __aligned(64);

static struct timer_queue queues[CPU_MAX] = {
	[0 ... CPU_MAX - 1] = {
		.lock = SPINLOCK_INIT(RANK_TIMER, "timer queue"), .programmed_ns = NEVER}};

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	t->fn = fn;
	t->cpu = cpu_id();
	t->pending = false;
}

/* => interrupts off */
static struct timer_queue *lock_queue_of(struct timer *t)
{
	for (;;) {
		unsigned cpu = READ_ONCE(t->cpu);

		spin_lock(&queues[cpu].lock);
		if (likely(READ_ONCE(t->cpu) == cpu))
			return &queues[cpu];
		spin_unlock(&queues[cpu].lock);
	}
}

static void insert(struct timer_queue *q, struct timer *t)
{
	struct rb_node **link = &q->tree.root, *parent = NULL;
	bool earliest = true;

	while (*link) {
		parent = *link;
		if (t->deadline_ns < rb_entry(parent, struct timer, node)->deadline_ns) {
			link = &parent->left;
		} else {
			link = &parent->right;
			earliest = false;
		}
	}
	rb_insert(&q->tree, &t->node, parent, link);
	if (earliest)
		q->first = t;
	WRITE_ONCE(t->pending, true);
}

static void take_out(struct timer_queue *q, struct timer *t)
{
	if (q->first == t) {
		struct rb_node *next = rb_next(&t->node);

		q->first = next ? rb_entry(next, struct timer, node) : NULL;
	}
	rb_remove(&q->tree, &t->node);
	WRITE_ONCE(t->pending, false);
}

/* => q is this CPU's, locked */
static void program(struct timer_queue *q)
{
	uint64_t deadline = q->first ? q->first->deadline_ns : NEVER;

	if (deadline >= q->programmed_ns)
		return;
	q->programmed_ns = deadline;
	arch_timer_program(deadline);
}

void timer_start(struct timer *t, uint64_t deadline_ns)
{
	irqflags_t flags = irq_save();
	unsigned me = cpu_id();
	struct timer_queue *q = lock_queue_of(t);

	if (t->pending)
		take_out(q, t);
	while (q != &queues[me] && q->running != t) {
		WRITE_ONCE(t->cpu, me);
		spin_unlock(&q->lock);
		q = lock_queue_of(t);
		if (t->pending) /* somebody else started it in between: the last one wins */
			take_out(q, t);
	}
	t->deadline_ns = deadline_ns;
	insert(q, t);
	/* In another CPU's queue its function is running there: that CPU programs at the end. */
	if (q == &queues[me] && !q->running)
		program(q);
	spin_unlock_irqrestore(&q->lock, flags);
}

bool timer_cancel(struct timer *t)
{
	bool was_pending = false;

	for (;;) {
		irqflags_t flags = irq_save();
		struct timer_queue *q = lock_queue_of(t);
		bool running = q->running == t;

		if (t->pending) {
			take_out(q, t);
			was_pending = true;
		}
		spin_unlock_irqrestore(&q->lock, flags);
		if (!running)
			return was_pending;
		cpu_relax();
	}
}

void timer_interrupt(void)
{
	struct timer_queue *q = &queues[cpu_id()];
	uint64_t now = clock_monotonic_ns();

	spin_lock(&q->lock);
	q->programmed_ns = NEVER;
	while (q->first && q->first->deadline_ns <= now) {
		struct timer *t = q->first;

		take_out(q, t);
		q->running = t;
		spin_unlock(&q->lock);
		t->fn(t);
		spin_lock(&q->lock);
		q->running = NULL;
		if (!q->first || q->first->deadline_ns > now)
			now = clock_monotonic_ns();
	}
	program(q);
	spin_unlock(&q->lock);
}
