/*
 * Threads as memory: the struct, the kernel stack, the list of all threads. The scheduler (below
 * the memory system) runs threads that are made here and gives dead ones back by thread_free.
 *
 * A thread tells others that it is done (wait4, a join) while it still runs on its stack; the CPU
 * frees that after the switch to the next thread, whenever the machine lets it go on. Who counts
 * memory waits for that: threads on their way out are counted in two lots, of which one is open.
 * thread_wait_ended closes it, so that it only shrinks, and waits until it is empty.
 */
#include "sched/thread.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/kva.h"
#include "mm/slab.h"
#include "sched/sched.h"
#include "sync/waitqueue.h"

static struct spinlock threads_lock = SPINLOCK_INIT(RANK_FILES, "thread list");
static struct list threads = LIST_INIT(threads); /* (threads_lock) */
static unsigned nending[2], open_lot;		 /* (threads_lock) */
static uint64_t flips;				 /* (threads_lock) lots closed up to now */
static struct waitqueue lot_empty = {
	.lock = SPINLOCK_INIT(RANK_WAITQUEUE, "ended threads"),
	.waiters = LIST_INIT(lot_empty.waiters),
};

struct thread *thread_alloc(const char *name)
{
	struct thread *t = kzalloc(sizeof(*t), 0);

	if (!t)
		return ERR_PTR(-ENOMEM);
	t->stack = kva_stack_alloc();
	if (!t->stack) {
		kfree(t);
		return ERR_PTR(-ENOMEM);
	}
	t->state = THREAD_NEW;
	t->affinity = ~(cpuset_t)0;
	sched_set_nice(t, 0);
	str_copy(t->name, name, sizeof(t->name));
	spin_lock(&threads_lock);
	list_add_tail(&threads, &t->all_link);
	spin_unlock(&threads_lock);
	return t;
}

static void lot_leave(unsigned lot)
{
	bool empty;

	spin_lock(&threads_lock);
	empty = --nending[lot] == 0;
	spin_unlock(&threads_lock);
	if (empty)
		wake_all(&lot_empty);
}

void thread_free(struct thread *t)
{
	unsigned ending = t->ending;

	spin_lock(&threads_lock);
	list_remove(&t->all_link);
	spin_unlock(&threads_lock);
	context_free(t);
	kva_stack_free(t->stack);
	kfree(t);
	if (ending)
		lot_leave(ending - 1);
}

void thread_begin_end(void)
{
	struct thread *t = thread_current();

	if (t->ending)
		return;
	spin_lock(&threads_lock);
	t->ending = 1 + open_lot;
	nending[open_lot]++;
	spin_unlock(&threads_lock);
}

struct closed_lot {
	unsigned lot;
	uint64_t flip; /* the one that closed it */
};

/* Close the open lot, unless the other one is still waited for. */
static bool lot_close(struct closed_lot *c)
{
	bool closed;

	spin_lock(&threads_lock);
	closed = !nending[!open_lot];
	if (closed) {
		*c = (struct closed_lot){open_lot, ++flips};
		open_lot = !open_lot;
	}
	spin_unlock(&threads_lock);
	return closed;
}

/* It is empty, or was: a later flip has opened it again, for threads that began to end since. */
static bool lot_is_done(const struct closed_lot *c)
{
	bool done;

	spin_lock(&threads_lock);
	done = !nending[c->lot] || flips != c->flip;
	spin_unlock(&threads_lock);
	return done;
}

int thread_wait_ended(void)
{
	struct closed_lot c;
	int err = wait_event_killable(&lot_empty, lot_close(&c));

	return err ? err : wait_event_killable(&lot_empty, lot_is_done(&c));
}

void thread_free_new(struct thread *t)
{
	assert(t->state == THREAD_NEW);
	thread_free(t);
}

void thread_for_each(void (*fn)(struct thread *t, void *cookie), void *cookie, bool panic)
{
	struct thread *t;

	if (!panic)
		spin_lock(&threads_lock);
	list_for_each_entry (t, &threads, all_link)
		fn(t, cookie);
	if (!panic)
		spin_unlock(&threads_lock);
}

static void kthread_main(void *arg)
{
	struct thread *t = arg;

	t->entry(t->entry_arg);
	thread_exit();
}

struct thread *thread_alloc_kernel(const char *name, void (*fn)(void *arg), void *arg)
{
	struct thread *t = thread_alloc(name);

	if (IS_ERR(t))
		return t;
	t->flags = THREAD_KERNEL;
	t->entry = fn;
	t->entry_arg = arg;
	context_init_kernel(t, kthread_main, t);
	return t;
}

struct thread *thread_create_kernel(const char *name, void (*fn)(void *arg), void *arg)
{
	struct thread *t = thread_alloc_kernel(name, fn, arg);

	if (!IS_ERR(t))
		thread_start(t);
	return t;
}
