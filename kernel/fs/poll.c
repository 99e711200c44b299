/*
 * poll(2) and select(2).
 *
 * First every descriptor is asked with no table: when one is ready, or no time is to be waited,
 * nothing was queued and nothing has to be taken back. Only then each is asked again with a table,
 * which puts an entry into every wait queue that may change the answer; their wake function marks
 * the table and wakes the thread. The mark is set before the wake-up and tested after the thread
 * said that it is going to sleep, so that none is lost. The files stay referenced while the entries
 * are queued.
 */
#include "fs/poll.h"

#include "fs/fdtable.h"
#include "lib/assert.h"
#include "mm/slab.h"
#include "sched/clock.h"
#include "sched/sched.h"

#define INLINE_ENTRIES 16u

struct poll_entry {
	struct wait_entry we;
	struct waitqueue *wq;
};

/* Entries beyond the first come in chunks of a page. */
struct poll_chunk {
	struct poll_chunk *next;
	unsigned used;
	struct poll_entry entries[];
};
#define CHUNK_ENTRIES ((PAGE_SIZE - sizeof(struct poll_chunk)) / sizeof(struct poll_entry))

struct poll_table {
	struct thread *thread;
	uint32_t woken; /* atomic */
	int error;	/* -ENOMEM: not everything could be queued */
	unsigned used;
	struct poll_entry entries[INLINE_ENTRIES];
	struct poll_chunk *chunks;
	struct waitqueue sleep; /* where the thread itself waits; nobody wakes it there */
};

static void poll_wake(struct wait_entry *we, void *key)
{
	struct poll_table *pt = we->cookie;

	(void)key;
	__atomic_store_n(&pt->woken, 1, __ATOMIC_SEQ_CST);
	sched_wake(pt->thread);
}

static struct poll_entry *entry_take(struct poll_table *pt)
{
	struct poll_chunk *c = pt->chunks;

	if (pt->used < INLINE_ENTRIES)
		return &pt->entries[pt->used++];
	if (!c || c->used == CHUNK_ENTRIES) {
		c = kmalloc(PAGE_SIZE, 0);
		if (!c)
			return NULL;
		c->next = pt->chunks;
		c->used = 0;
		pt->chunks = c;
	}
	return &c->entries[c->used++];
}

void poll_wait_add(struct poll_table *pt, struct waitqueue *wq)
{
	struct poll_entry *e = entry_take(pt);

	if (!e) {
		pt->error = -ENOMEM;
		return;
	}
	e->wq = wq;
	wait_entry_init(&e->we);
	e->we.wake = poll_wake;
	e->we.cookie = pt;
	wait_add(wq, &e->we);
}

static void poll_table_init(struct poll_table *pt)
{
	pt->thread = thread_current();
	pt->woken = 0;
	pt->error = 0;
	pt->used = 0;
	pt->chunks = NULL;
	waitqueue_init(&pt->sleep);
}

static void poll_table_drop(struct poll_table *pt)
{
	struct poll_chunk *c;

	for (unsigned i = 0; i < pt->used; i++)
		wait_finish(pt->entries[i].wq, &pt->entries[i].we);
	while ((c = pt->chunks)) {
		for (unsigned i = 0; i < c->used; i++)
			wait_finish(c->entries[i].wq, &c->entries[i].we);
		pt->chunks = c->next;
		kfree(c);
	}
}

static unsigned ask(struct file *f, int16_t events, struct poll_table *pt)
{
	return file_poll(f, pt) & ((unsigned)(uint16_t)events | POLLERR | POLLHUP);
}

/* Ask all without waiting: how many are ready. */
static int ask_all(struct fdtable *t, struct pollfd_kernel *fds, unsigned n)
{
	int ready = 0;

	for (unsigned i = 0; i < n; i++) {
		struct file *f;
		bool owned;

		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		f = fd_borrow(t, fds[i].fd, &owned);
		if (f) {
			fds[i].revents = (int16_t)ask(f, fds[i].events, NULL);
			fd_return(f, owned);
		} else {
			fds[i].revents = POLLNVAL;
		}
		ready += fds[i].revents != 0;
	}
	return ready;
}

/* Ask the files that are held; with a table: and queue. */
static int ask_held(
	struct file **files, struct pollfd_kernel *fds, unsigned n, struct poll_table *pt)
{
	int ready = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!files[i])
			continue;
		fds[i].revents = (int16_t)ask(files[i], fds[i].events, pt);
		ready += fds[i].revents != 0;
	}
	return ready;
}

static int wait_held(
	struct file **files, struct pollfd_kernel *fds, unsigned n, uint64_t deadline_ns)
{
	struct poll_table pt;
	int ready, err = 0;

	poll_table_init(&pt);
	ready = ask_held(files, fds, n, &pt);
	while (!ready && !err && !pt.error) {
		err = wait_event_mode(&pt.sleep, __atomic_load_n(&pt.woken, __ATOMIC_SEQ_CST),
			WAIT_INTERRUPTIBLE, deadline_ns);
		__atomic_store_n(&pt.woken, 0, __ATOMIC_SEQ_CST);
		ready = ask_held(files, fds, n, NULL);
	}
	poll_table_drop(&pt);
	if (ready)
		return ready;
	/* A poll that a signal ended is never restarted by itself (signal(7)). */
	if (err == -ERESTARTSYS)
		return -ERESTARTNOHAND;
	return err == -ETIMEDOUT ? 0 : (err ? err : pt.error);
}

int poll_run(struct fdtable *t, struct pollfd_kernel *fds, unsigned n, uint64_t deadline_ns)
{
	struct file *few[INLINE_ENTRIES], **files = few;
	int ready = ask_all(t, fds, n);

	if (ready || (deadline_ns != WAIT_FOREVER && deadline_ns <= clock_monotonic_ns()))
		return ready;
	if (n > INLINE_ENTRIES) {
		files = kmalloc(n * sizeof(*files), 0);
		if (!files)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++)
		files[i] = fds[i].fd >= 0 ? fd_get(t, fds[i].fd) : NULL;
	ready = wait_held(files, fds, n, deadline_ns);
	for (unsigned i = 0; i < n; i++)
		if (files[i])
			file_put(files[i]);
	if (files != few)
		kfree(files);
	return ready;
}
