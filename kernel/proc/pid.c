/*
 * The table of numbers: a hash with chains. Numbers are given out in turn, so that a number comes
 * back late; "in use" is any node of that number, which is one chain walk. A bitmap would be no
 * faster and an array by number would keep memory for processes that are long gone.
 */
#include "proc/pid.h"

#include "lib/assert.h"

#define PID_HASH_SIZE 2048u
#define PID_RESERVED  300 /* after a wrap numbers begin here: low ones stay for daemons of boot */

struct spinlock pid_lock = SPINLOCK_INIT(RANK_PIDS, "pids");
static struct pid_node *pid_hash[PID_HASH_SIZE]; /* (pid_lock) */
static int pid_last_nr;				 /* (pid_lock) */
static int pid_limit = PID_MAX_DEFAULT;		 /* (pid_lock) numbers are below it */

static struct pid_node **pid_bucket(int nr)
{
	return &pid_hash[(unsigned)nr % PID_HASH_SIZE];
}

static bool pid_in_use(int nr)
{
	for (struct pid_node *n = *pid_bucket(nr); n; n = n->next) {
		if (n->nr == nr)
			return true;
	}
	return false;
}

int pid_pick_locked(void)
{
	int nr = pid_last_nr;

	dassert(spin_held(&pid_lock));
	for (int tries = 0; tries < pid_limit; tries++) {
		nr++;
		if (nr >= pid_limit)
			nr = PID_RESERVED;
		if (!pid_in_use(nr)) {
			pid_last_nr = nr;
			return nr;
		}
	}
	return 0;
}

void pid_insert_locked(struct pid_node *n, int nr, enum pid_kind kind)
{
	struct pid_node **bucket = pid_bucket(nr);

	dassert(spin_held(&pid_lock));
	n->nr = nr;
	n->kind = kind;
	n->next = *bucket;
	*bucket = n;
}

void pid_remove_locked(struct pid_node *n)
{
	struct pid_node **at = pid_bucket(n->nr);

	dassert(spin_held(&pid_lock));
	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	n->nr = 0;
}

struct pid_node *pid_find_locked(int nr, enum pid_kind kind)
{
	dassert(spin_held(&pid_lock));
	if (nr <= 0)
		return NULL;
	for (struct pid_node *n = *pid_bucket(nr); n; n = n->next) {
		if (n->nr == nr && n->kind == kind)
			return n;
	}
	return NULL;
}

int pid_next_locked(int after, enum pid_kind kind)
{
	int best = 0;

	dassert(spin_held(&pid_lock));
	for (unsigned i = 0; i < PID_HASH_SIZE; i++) {
		for (struct pid_node *n = pid_hash[i]; n; n = n->next) {
			if (n->kind == kind && n->nr > after && (!best || n->nr < best))
				best = n->nr;
		}
	}
	return best;
}

int pid_last(void)
{
	return READ_ONCE(pid_last_nr);
}

int pid_max(void)
{
	return READ_ONCE(pid_limit);
}

int pid_set_max(int max)
{
	irqflags_t flags;

	if (max <= PID_RESERVED || max > PID_MAX_LIMIT)
		return -EINVAL;
	flags = pids_lock();
	WRITE_ONCE(pid_limit, max);
	pids_unlock(flags);
	return 0;
}
