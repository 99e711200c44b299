/*
 * Futexes. Waiters queue in hash buckets by the key of their word. No wake-up is lost:
 *
 *	waiter					waker
 *	nwaiters of the bucket + 1		changes the word (user space)
 *	lock bucket				nwaiters == 0: nobody can have seen the old value
 *	load the word without faulting		   and not be counted: return
 *	differs: unlock, EAGAIN			lock bucket, take waiters out and wake them
 *	queue, unlock, sleep
 *
 * The count goes up before the load and the waker changes the word before it reads the count; both
 * sides have a full barrier in between (the atomic addition; the fence in futex_bucket_empty).
 *
 * A waiter lies on its thread's stack. A waker touches it only under the lock of the bucket that it
 * is queued in; a waiter takes that lock before it leaves, also when it sees that it was woken.
 * Requeue changes the bucket under both buckets' locks, hence the loop in futex_lock_waiter.
 */
#include "proc/futex.h"

#include "abi/futex.h"
#include "lib/assert.h"
#include "lib/list.h"
#include "mm/access.h"
#include "proc/process.h"
#include "proc/sleep.h"
#include "sched/clock.h"
#include "usercopy.h"

#define FUTEX_BUCKETS 256u

struct futex_bucket {
	struct spinlock lock; /* rank 70 */
	uint32_t nwaiters;    /* (a) queued, or about to look */
	struct list waiters;  /* (lock) struct futex_waiter, in order of arrival */
} __aligned(64);

struct futex_waiter {
	struct list link;
	struct futex_bucket *bucket; /* (a) changes under the locks of old and new */
	struct futex_key key;	     /* (bucket) */
	uint32_t bitset;
	bool woken; /* (a) */
	struct waitqueue wq;
};

static struct futex_bucket buckets[FUTEX_BUCKETS];

void futex_init(void)
{
	for (unsigned i = 0; i < FUTEX_BUCKETS; i++) {
		spin_init(&buckets[i].lock, RANK_FUTEX, "futex");
		list_init(&buckets[i].waiters);
	}
}

unsigned futex_hash(const struct futex_key *key)
{
	uint64_t h = (key->a ^ (key->b >> 2)) * 0x9e3779b97f4a7c15ull;

	return (unsigned)(h >> 56) % FUTEX_BUCKETS;
}

static struct futex_bucket *futex_bucket(const struct futex_key *key)
{
	return &buckets[futex_hash(key)];
}

static bool key_equal(const struct futex_key *x, const struct futex_key *y)
{
	return x->a == y->a && x->b == y->b && x->object == y->object;
}

static bool futex_bucket_empty(struct futex_bucket *b)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return READ_ONCE(b->nwaiters) == 0;
}

static void bucket_count(struct futex_bucket *b, int n)
{
	__atomic_fetch_add(&b->nwaiters, (uint32_t)n, __ATOMIC_SEQ_CST);
}

/* Lock the bucket that w is queued in, or was last. */
static struct futex_bucket *futex_lock_waiter(struct futex_waiter *w)
{
	for (;;) {
		struct futex_bucket *b = LOAD_ACQUIRE(w->bucket);

		spin_lock(&b->lock);
		if (b == READ_ONCE(w->bucket))
			return b;
		spin_unlock(&b->lock);
	}
}

/* => the waiter's bucket locked */
static void futex_wake_waiter(struct futex_waiter *w)
{
	list_remove(&w->link);
	WRITE_ONCE(w->woken, true);
	wake_all(&w->wq);
}

/*
 * Queue w if the word still has the expected value. 0: queued. -EFAULT of the load: not resident,
 * the caller faults it in and comes again.
 */
static int futex_queue(struct futex_waiter *w, uaddr_t uaddr, uint32_t expected)
{
	struct futex_bucket *b = w->bucket;
	uint32_t value;
	int err;

	bucket_count(b, 1);
	spin_lock(&b->lock);
	err = user_load_u32_nofault(uaddr, &value);
	if (!err && value != expected)
		err = -EAGAIN;
	if (!err)
		list_add_tail(&b->waiters, &w->link);
	spin_unlock(&b->lock);
	if (err)
		bucket_count(b, -1);
	return err;
}

/* Look up the key and queue; faults the word in as often as it takes. */
static int futex_wait_setup(struct futex_waiter *w, uaddr_t uaddr, bool shared, uint32_t expected)
{
	for (;;) {
		int err = futex_get_key(thread_current()->ctx, uaddr, shared, &w->key);

		if (err)
			return err;
		w->bucket = futex_bucket(&w->key);
		err = futex_queue(w, uaddr, expected);
		if (!err)
			return 0;
		futex_put_key(&w->key);
		if (err != -EFAULT)
			return err;
		err = user_fault_in(uaddr, false);
		if (err)
			return err;
		if (thread_flags(thread_current()) & THREAD_KILLED)
			return -EINTR;
	}
}

static long futex_wait_again(struct task_restart *r)
{
	return futex_wait(
		r->addr, r->arg[0], (uint32_t)r->arg[1], (uint32_t)r->arg[2], r->deadline_ns);
}

long futex_wait(
	uaddr_t uaddr, bool shared, uint32_t expected, uint32_t bitset, uint64_t deadline_ns)
{
	struct task_restart *r = &task_current()->restart;
	struct futex_waiter w = {.bitset = bitset};
	struct futex_bucket *b;
	int err;

	if (!bitset)
		return -EINVAL;
	waitqueue_init(&w.wq);
	err = futex_wait_setup(&w, uaddr, shared, expected);
	if (err)
		return err;
	err = wait_event_mode(&w.wq, READ_ONCE(w.woken), WAIT_INTERRUPTIBLE, deadline_ns);
	b = futex_lock_waiter(&w);
	if (w.woken)
		err = 0;
	else
		list_remove(&w.link);
	spin_unlock(&b->lock);
	bucket_count(b, -1);
	futex_put_key(&w.key);
	if (err != -ERESTARTSYS || deadline_ns == WAIT_FOREVER)
		return err;
	/* A relative time out must not begin again. */
	*r = (struct task_restart){.fn = futex_wait_again,
		.deadline_ns = deadline_ns,
		.addr = uaddr,
		.arg = {shared, expected, bitset}};
	return -ERESTART_RESTARTBLOCK;
}

/* Wake up to n waiters of the key. => bucket locked */
static int futex_wake_locked(
	struct futex_bucket *b, const struct futex_key *key, int n, uint32_t bitset)
{
	struct futex_waiter *w, *tmp;
	int woken = 0;

	list_for_each_entry_safe (w, tmp, &b->waiters, link) {
		if (woken >= n)
			break;
		if (!key_equal(&w->key, key) || !(w->bitset & bitset))
			continue;
		futex_wake_waiter(w);
		woken++;
	}
	return woken;
}

long futex_wake(uaddr_t uaddr, bool shared, int n, uint32_t bitset)
{
	struct futex_bucket *b;
	struct futex_key key;
	int woken = 0;
	int err;

	if (!bitset)
		return -EINVAL;
	err = futex_get_key(thread_current()->ctx, uaddr, shared, &key);
	if (err)
		return err;
	b = futex_bucket(&key);
	if (!futex_bucket_empty(b)) {
		spin_lock(&b->lock);
		woken = futex_wake_locked(b, &key, MAX(n, 1), bitset);
		spin_unlock(&b->lock);
	}
	futex_put_key(&key);
	return woken;
}

/* Move a waiter to the other key; the bucket's count follows. => both buckets locked */
static void futex_move(struct futex_waiter *w, struct futex_bucket *b2, const struct futex_key *key)
{
	struct futex_bucket *b1 = w->bucket;

	list_remove(&w->link);
	list_add_tail(&b2->waiters, &w->link);
	w->key = *key;
	if (b1 == b2)
		return;
	bucket_count(b2, 1);
	STORE_RELEASE(w->bucket, b2);
	bucket_count(b1, -1);
}

struct futex_pair {
	struct futex_key key1, key2;
	struct futex_bucket *b1, *b2;
};

static int futex_pair_get(struct futex_pair *fp, uaddr_t uaddr, uaddr_t uaddr2, bool shared)
{
	int err = futex_get_key(thread_current()->ctx, uaddr, shared, &fp->key1);

	if (err)
		return err;
	err = futex_get_key(thread_current()->ctx, uaddr2, shared, &fp->key2);
	if (err) {
		futex_put_key(&fp->key1);
		return err;
	}
	fp->b1 = futex_bucket(&fp->key1);
	fp->b2 = futex_bucket(&fp->key2);
	return 0;
}

static void futex_pair_put(struct futex_pair *fp)
{
	futex_put_key(&fp->key1);
	futex_put_key(&fp->key2);
}

/* => both buckets locked. Returns woken + moved; *moved waiters have a new key. */
static int futex_requeue_locked(struct futex_pair *fp, int nwake, int nmove, int *moved)
{
	int woken = futex_wake_locked(fp->b1, &fp->key1, nwake, FUTEX_BITSET_MATCH_ANY);
	bool same = key_equal(&fp->key1, &fp->key2);
	struct futex_waiter *w, *tmp;
	int count = 0;

	*moved = 0;
	list_for_each_entry_safe (w, tmp, &fp->b1->waiters, link) {
		if (count >= nmove)
			break;
		if (!key_equal(&w->key, &fp->key1))
			continue;
		count++;
		/* To the word where they are: they count, and stay. */
		if (same)
			continue;
		if (fp->key2.object)
			vm_object_get(fp->key2.object);
		futex_move(w, fp->b2, &fp->key2);
		++*moved;
	}
	return woken + count;
}

long futex_requeue(
	uaddr_t uaddr, uaddr_t uaddr2, bool shared, int nwake, int nmove, const uint32_t *expected)
{
	struct futex_pair fp;
	uint32_t value;
	int err, n = 0, moved = 0;

	if (nwake < 0 || nmove < 0)
		return -EINVAL;
again:
	err = futex_pair_get(&fp, uaddr, uaddr2, shared);
	if (err)
		return err;
	spin_lock_pair(&fp.b1->lock, &fp.b2->lock);
	if (expected) {
		err = user_load_u32_nofault(uaddr, &value);
		if (!err && value != *expected)
			err = -EAGAIN;
	}
	if (!err)
		n = futex_requeue_locked(&fp, nwake, nmove, &moved);
	spin_unlock_pair(&fp.b1->lock, &fp.b2->lock);
	/* The references that the moved waiters had on their old object. */
	for (int i = 0; i < moved && fp.key1.object; i++)
		vm_object_put(fp.key1.object);
	futex_pair_put(&fp);
	if (err == -EFAULT) {
		err = user_fault_in(uaddr, false);
		if (!err)
			goto again;
	}
	return err ? err : n;
}

/* *uaddr = *uaddr op arg, atomically and without faulting; *old is what it was. */
static int futex_atomic_op(uaddr_t uaddr, unsigned op, int arg, uint32_t *old)
{
	uint32_t seen, want;
	int err = user_load_u32_nofault(uaddr, &seen);

	while (!err) {
		uint32_t expected = seen;

		switch (op) {
		case FUTEX_OP_SET:
			want = (uint32_t)arg;
			break;
		case FUTEX_OP_ADD:
			want = seen + (uint32_t)arg;
			break;
		case FUTEX_OP_OR:
			want = seen | (uint32_t)arg;
			break;
		case FUTEX_OP_ANDN:
			want = seen & ~(uint32_t)arg;
			break;
		default:
			want = seen ^ (uint32_t)arg;
		}
		err = user_cmpxchg_u32_nofault(uaddr, expected, want, &seen);
		if (!err && seen == expected)
			break;
	}
	*old = seen;
	return err;
}

static bool futex_op_compare(unsigned cmp, int old, int arg)
{
	switch (cmp) {
	case FUTEX_OP_CMP_EQ:
		return old == arg;
	case FUTEX_OP_CMP_NE:
		return old != arg;
	case FUTEX_OP_CMP_LT:
		return old < arg;
	case FUTEX_OP_CMP_GE:
		return old >= arg;
	case FUTEX_OP_CMP_LE:
		return old <= arg;
	default:
		return old > arg;
	}
}

long futex_wake_op(uaddr_t uaddr, uaddr_t uaddr2, bool shared, int nwake, int nwake2, uint32_t op)
{
	unsigned code = (op >> 28) & 7, cmp = (op >> 24) & 15;
	int arg = (int)(op << 8) >> 20, cmp_arg = (int)(op << 20) >> 20;
	struct futex_pair fp;
	uint32_t old;
	int err, n = 0;

	if (code > FUTEX_OP_XOR || cmp > FUTEX_OP_CMP_GE)
		return -ENOSYS;
	if (op >> 28 & FUTEX_OP_OPARG_SHIFT)
		arg = (int)(1u << (arg & 31));
again:
	err = futex_pair_get(&fp, uaddr, uaddr2, shared);
	if (err)
		return err;
	spin_lock_pair(&fp.b1->lock, &fp.b2->lock);
	err = futex_atomic_op(uaddr2, code, arg, &old);
	if (!err) {
		n = futex_wake_locked(fp.b1, &fp.key1, nwake, FUTEX_BITSET_MATCH_ANY);
		if (futex_op_compare(cmp, (int)old, cmp_arg))
			n += futex_wake_locked(fp.b2, &fp.key2, nwake2, FUTEX_BITSET_MATCH_ANY);
	}
	spin_unlock_pair(&fp.b1->lock, &fp.b2->lock);
	futex_pair_put(&fp);
	if (err == -EFAULT) {
		err = user_fault_in(uaddr2, true);
		if (!err)
			goto again;
	}
	return err ? err : n;
}

/* The owner of a robust lock died: OWNER_DIED keeps the waiters bit; one waiter goes on. */
static int robust_release(uaddr_t uaddr, uint32_t tid, bool pending)
{
	uint32_t value, seen;

	if (!IS_ALIGNED(uaddr, 4) || user_load_u32(uaddr, &value))
		return -EFAULT;
	/* Died between unlocking and waking: the wake is ours. */
	if (pending && !value) {
		(void)futex_wake(uaddr, true, 1, FUTEX_BITSET_MATCH_ANY);
		return 0;
	}
	while ((value & FUTEX_TID_MASK) == tid) {
		uint32_t want = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
		int err = user_cmpxchg_u32_nofault(uaddr, value, want, &seen);

		if (err) {
			if (user_fault_in(uaddr, true))
				return -EFAULT;
			continue;
		}
		if (seen == value) {
			if (value & FUTEX_WAITERS)
				(void)futex_wake(uaddr, true, 1, FUTEX_BITSET_MATCH_ANY);
			return 0;
		}
		value = seen;
	}
	return 0;
}

void futex_release_robust(struct task *task)
{
	struct abi_robust_list_head head;
	uint32_t tid = (uint32_t)task->node.nr;
	uint64_t entry, next, pending;

	if (copy_from_user(&head, task->robust_list, sizeof(head)))
		return;
	pending = head.list_op_pending & ~1ull;
	entry = head.list & ~1ull;
	for (int i = 0; i < ROBUST_LIST_LIMIT && entry != task->robust_list; i++) {
		/* The next pointer first: after the wake the entry may be gone. */
		bool more = !copy_from_user(&next, entry, sizeof(next));

		if (entry != pending &&
			robust_release(entry + (uint64_t)head.futex_offset, tid, false))
			return;
		if (!more)
			return;
		entry = next & ~1ull;
	}
	if (pending)
		(void)robust_release(pending + (uint64_t)head.futex_offset, tid, true);
}
