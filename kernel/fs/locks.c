/*
 * File locks: flock(2), owned by an open file, and record locks, owned by a descriptor table
 * (POSIX) or by an open file (OFD, pid -1).
 *
 * Each inode that was ever locked has a list of what is held. The two kinds do not see each other.
 * A request that conflicts waits on the list's queue and looks again whenever something is
 * released; a chain of waiting owners that leads back to the requester is a deadlock (POSIX locks).
 *
 * Locking: one spinlock (78) for all lists. Locks are taken and given back seldom, and the work
 * under it is a short list. Entries are allocated before it is taken.
 */
#include "fs/locks.h"

#include "abi/fcntl.h"
#include "lib/assert.h"
#include "lib/list.h"
#include "mm/slab.h"
#include "sync/waitqueue.h"

struct lock_entry {
	struct list link;
	const void *owner; /* struct file (flock, OFD) or struct fdtable (POSIX) */
	bool posix;	   /* a record lock */
	int16_t type;	   /* F_RDLCK, F_WRLCK */
	int32_t pid;
	uint64_t start, end;
};

struct lock_list {
	struct list held;
	struct waitqueue wait;
};

/* An owner that waits for another: for finding deadlocks. On the waiter's stack. */
struct lock_wait {
	struct list link;
	const void *owner, *blocker;
};

static struct spinlock locks_lock;
static struct list waits;

void locks_init(void)
{
	spin_init(&locks_lock, RANK_FILES, "file locks");
	list_init(&waits);
}

static struct lock_list *list_of(struct inode *inode)
{
	struct lock_list *l = LOAD_ACQUIRE(inode->flocks), *fresh;
	void *none = NULL;

	if (l)
		return l;
	fresh = kzalloc(sizeof(*fresh), 0);
	if (!fresh)
		return NULL;
	list_init(&fresh->held);
	waitqueue_init(&fresh->wait);
	if (__atomic_compare_exchange_n(
		    &inode->flocks, &none, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return fresh;
	kfree(fresh);
	return none;
}

static bool overlaps(const struct lock_entry *e, const struct lock_entry *want)
{
	return e->posix == want->posix && e->start <= want->end && want->start <= e->end;
}

/* => locks_lock */
static struct lock_entry *find_conflict(struct lock_list *l, const struct lock_entry *want)
{
	struct lock_entry *e;

	list_for_each_entry (e, &l->held, link)
		if (overlaps(e, want) && e->owner != want->owner &&
			(e->type == F_WRLCK || want->type == F_WRLCK))
			return e;
	return NULL;
}

/* Would `owner` waiting for `blocker` close a circle? => locks_lock */
static bool would_deadlock(const void *owner, const void *blocker)
{
	struct lock_wait *w;
	bool moved = true;

	while (moved && blocker != owner) {
		moved = false;
		list_for_each_entry (w, &waits, link)
			if (w->owner == blocker) {
				blocker = w->blocker;
				moved = true;
				break;
			}
	}
	return blocker == owner;
}

/*
 * Take the owner's locks out of want's range: cut, shorten or split them. spare: an entry for a
 * split, set to NULL when used; entries that are left over go to *dead. => locks_lock
 */
static void carve(struct lock_list *l, const struct lock_entry *want, struct lock_entry **spare,
	struct list *dead)
{
	struct lock_entry *e, *tmp;

	list_for_each_entry_safe (e, tmp, &l->held, link) {
		if (!overlaps(e, want) || e->owner != want->owner)
			continue;
		if (e->start < want->start && e->end > want->end) {
			struct lock_entry *tail = *spare;

			*spare = NULL;
			*tail = *e;
			tail->start = want->end + 1;
			e->end = want->start - 1;
			list_add(&e->link, &tail->link);
		} else if (e->start < want->start) {
			e->end = want->start - 1;
		} else if (e->end > want->end) {
			e->start = want->end + 1;
		} else {
			list_remove(&e->link);
			list_add(dead, &e->link);
		}
	}
}

/* Neighbours of one kind and owner are one lock: they go to *dead, and e has their range, too. =>
 * locks_lock */
static void absorb(struct lock_list *l, struct lock_entry *e, struct list *dead)
{
	struct lock_entry *n, *tmp;

	list_for_each_entry_safe (n, tmp, &l->held, link) {
		if (n->posix != e->posix || n->owner != e->owner || n->type != e->type)
			continue;
		if (n->end + 1 != e->start && e->end + 1 != n->start)
			continue;
		e->start = MIN(e->start, n->start);
		e->end = MAX(e->end, n->end);
		list_remove(&n->link);
		list_add(dead, &n->link);
	}
}

static void free_entries(struct list *dead)
{
	struct list *n;

	while ((n = list_pop(dead)))
		kfree(list_entry(n, struct lock_entry, link));
}

/*
 * flock(2) changes a lock by giving it up first, so that two that want more do not wait for each
 * other for ever. => locks_lock
 */
static void give_up_flock(struct lock_list *l, const struct lock_entry *want, struct list *dead)
{
	struct lock_entry *e, *tmp;

	list_for_each_entry_safe (e, tmp, &l->held, link)
		if (!e->posix && e->owner == want->owner) {
			list_remove(&e->link);
			list_add(dead, &e->link);
		}
}

/* One try. 0, -EAGAIN (*blocker: who holds it). Uses up *e and *spare as needed. */
static int try_lock(
	struct lock_list *l, struct lock_entry **e, struct lock_entry **spare, const void **blocker)
{
	struct list dead = LIST_INIT(dead);
	struct lock_entry *conflict;

	spin_lock(&locks_lock);
	conflict = (*e)->type == F_UNLCK ? NULL : find_conflict(l, *e);
	if (conflict) {
		*blocker = conflict->owner;
		if (!(*e)->posix)
			give_up_flock(l, *e, &dead);
		spin_unlock(&locks_lock);
		if (!list_empty(&dead))
			wake_all(&l->wait);
		free_entries(&dead);
		return -EAGAIN;
	}
	carve(l, *e, spare, &dead);
	if ((*e)->type != F_UNLCK) {
		absorb(l, *e, &dead);
		list_add_tail(&l->held, &(*e)->link);
		*e = NULL;
	}
	spin_unlock(&locks_lock);
	free_entries(&dead);
	wake_all(&l->wait);
	return 0;
}

static bool conflicts(struct lock_list *l, const struct lock_entry *want)
{
	bool yes;

	spin_lock(&locks_lock);
	yes = find_conflict(l, want);
	spin_unlock(&locks_lock);
	return yes;
}

static int wait_lock(struct lock_list *l, const struct lock_entry *want, const void *blocker)
{
	struct lock_wait w = {.owner = want->owner, .blocker = blocker};
	int err;

	spin_lock(&locks_lock);
	/* A circle over open files, which many may share, need not be one. */
	if (want->posix && want->pid != LOCK_PID_OFD && would_deadlock(want->owner, blocker)) {
		spin_unlock(&locks_lock);
		return -EDEADLK;
	}
	list_add(&waits, &w.link);
	spin_unlock(&locks_lock);
	err = wait_event_interruptible(&l->wait, !conflicts(l, want));
	spin_lock(&locks_lock);
	list_remove(&w.link);
	spin_unlock(&locks_lock);
	return err;
}

static int do_lock(struct inode *inode, const struct lock_entry *want, bool wait)
{
	struct lock_list *l = list_of(inode);
	struct lock_entry *e = kmalloc(sizeof(*e), 0), *spare = kmalloc(sizeof(*spare), 0);
	const void *blocker = NULL;
	int err = -ENOLCK;

	if (l && e && spare) {
		*e = *want;
		do {
			err = try_lock(l, &e, &spare, &blocker);
			if (err != -EAGAIN || !wait)
				break;
			err = wait_lock(l, e, blocker);
		} while (!err);
	}
	kfree(e);
	kfree(spare);
	return err;
}

int locks_flock(struct file *f, int op)
{
	struct lock_entry want = {.owner = f, .start = 0, .end = INT64_MAX};

	switch (op & ~LOCK_NB) {
	case LOCK_SH:
		want.type = F_RDLCK;
		break;
	case LOCK_EX:
		want.type = F_WRLCK;
		break;
	case LOCK_UN:
		want.type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	return do_lock(f->inode, &want, !(op & LOCK_NB));
}

int locks_set(struct file *f, const void *owner, int32_t pid, const struct file_lock_range *want,
	bool wait)
{
	struct lock_entry e = {.owner = owner,
		.posix = true,
		.type = want->type,
		.pid = pid,
		.start = want->start,
		.end = want->end};

	if ((want->type == F_RDLCK && !(f->mode & FMODE_READ)) ||
		(want->type == F_WRLCK && !(f->mode & FMODE_WRITE)))
		return -EBADF;
	return do_lock(f->inode, &e, wait);
}

void locks_test(struct file *f, const void *owner, struct file_lock_range *range)
{
	struct lock_list *l = LOAD_ACQUIRE(f->inode->flocks);
	struct lock_entry want = {.owner = owner,
		.posix = true,
		.type = range->type,
		.start = range->start,
		.end = range->end};
	struct lock_entry *e = NULL;

	if (l) {
		spin_lock(&locks_lock);
		e = find_conflict(l, &want);
		if (e)
			*range = (struct file_lock_range){
				.start = e->start, .end = e->end, .type = e->type, .pid = e->pid};
		spin_unlock(&locks_lock);
	}
	if (!e)
		range->type = F_UNLCK;
}

static void release_all(struct inode *inode, const void *owner)
{
	struct lock_list *l = LOAD_ACQUIRE(inode->flocks);
	struct list dead = LIST_INIT(dead);
	struct lock_entry *e, *tmp;

	if (!l)
		return;
	spin_lock(&locks_lock);
	list_for_each_entry_safe (e, tmp, &l->held, link)
		if (e->owner == owner) {
			list_remove(&e->link);
			list_add(&dead, &e->link);
		}
	spin_unlock(&locks_lock);
	if (list_empty(&dead))
		return;
	free_entries(&dead);
	wake_all(&l->wait);
}

void locks_release_owner(struct file *f, const void *owner)
{
	release_all(f->inode, owner);
}

void locks_release_file(struct file *f)
{
	release_all(f->inode, f);
}
