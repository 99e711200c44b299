/*
 * The dentry cache.
 *
 * A hash table by (parent, name). A dentry holds a reference of its parent and of its inode; with
 * no reference of its own it stays in the table until dcache_shrink, so that the next look-up finds
 * it. A dentry that left the table (its name was removed, or its file system does not want names
 * kept) is freed by its last put.
 *
 *	in table, refs > 0  <->  in table, refs 0 (unused)  --shrink-->  freed
 *	   | delete, move over it
 *	   v
 *	out of table, refs > 0  --last put-->  freed
 *
 * Locking: see dcache.h. Insertion is made in a read section under a bucket spinlock (two threads
 * that look up the same name find each other there); removal, moves and clearing of inodes are made
 * under the write lock. A put that may be the last is made in a read section: then either the
 * dentry is still in the table and nothing more is to be done, or it is not and nobody else can get
 * at it. Memory of a dentry that left the table earlier may still be looked at by a section that
 * read a working directory without a reference; so an (empty) write lock comes before it is freed.
 */
#include "fs/dcache.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/slab.h"

#define BUCKET_LOCKS 64u

struct dcache_slot dcache_slots[CPU_MAX];
uint32_t dcache_writer;
static struct spinlock write_lock = SPINLOCK_INIT(RANK_FILES, "dcache");
static struct spinlock bucket_locks[BUCKET_LOCKS];
static struct dentry **table;
static unsigned nbuckets;
static struct slab_cache *dentry_slab;
static uint64_t ndentries;	    /* (a) */
static uint64_t dentries_limit;	    /* (c) how many may be kept */
static uint64_t dentries_shrink_at; /* (a) the limit, or more when so many are in use */

void dcache_init(void)
{
	uint64_t frames = buddy_total_frames();

	nbuckets = 256;
	while (nbuckets < frames / 8 && nbuckets < (1u << 18))
		nbuckets *= 2;
	table = kzalloc(nbuckets * sizeof(*table), 0);
	dentry_slab = slab_cache_create("dentry", sizeof(struct dentry), 16, NULL);
	assert(table && dentry_slab);
	dentries_limit = MAX(frames / 4, (uint64_t)1024);
	dentries_shrink_at = dentries_limit;
	for (unsigned i = 0; i < BUCKET_LOCKS; i++)
		spin_init(&bucket_locks[i], RANK_FILES, "dcache bucket");
}

void dcache_read_wait(struct dcache_slot *slot)
{
	do {
		STORE_RELEASE(slot->in, 0);
		while (READ_ONCE(dcache_writer))
			cpu_relax();
		__atomic_exchange_n(&slot->in, 1, __ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&dcache_writer, __ATOMIC_SEQ_CST));
}

void dcache_write_lock(void)
{
	spin_lock(&write_lock);
	__atomic_store_n(&dcache_writer, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < CPU_MAX && cpus[i]; i++)
		while (__atomic_load_n(&dcache_slots[i].in, __ATOMIC_SEQ_CST))
			cpu_relax();
}

void dcache_write_unlock(void)
{
	STORE_RELEASE(dcache_writer, 0);
	spin_unlock(&write_lock);
}

uint32_t dcache_hash_name(const char *name, size_t len)
{
	uint32_t h = DCACHE_HASH_START;

	for (size_t i = 0; i < len; i++)
		h = dcache_hash_step(h, name[i]);
	return h;
}

static unsigned bucket_of(const struct dentry *parent, uint32_t hash)
{
	uint64_t h = (((uintptr_t)parent >> 4) ^ hash) * 0x9e3779b97f4a7c15ull;

	return (unsigned)(h >> 40) & (nbuckets - 1);
}

static bool name_is(const struct dentry *d, const char *name, size_t len)
{
	const char *own = d->name;

	if (d->len != len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (own[i] != name[i])
			return false;
	return true;
}

struct dentry *dcache_find(struct dentry *parent, const char *name, size_t len, uint32_t hash)
{
	struct dentry *d = LOAD_ACQUIRE(table[bucket_of(parent, hash)]);

	for (; d; d = d->hash_next)
		if (d->hash == hash && d->parent == parent && name_is(d, name, len))
			return d;
	return NULL;
}

/* Who changes the flags is alone with them (see the field); others may read them meanwhile. */
static void dentry_change(struct dentry *d, unsigned set, unsigned clear)
{
	WRITE_ONCE(d->flags, (uint8_t)((d->flags | set) & ~clear));
}

static void dentry_set_kind(struct dentry *d, const struct inode *inode)
{
	if (S_ISDIR(inode->mode))
		dentry_change(d, DENTRY_DIR, 0);
	else if (S_ISLNK(inode->mode))
		dentry_change(d, DENTRY_LINK, 0);
}

void dentry_instantiate(struct dentry *d, struct inode *inode)
{
	assert(!d->inode);
	dentry_change(d, 0, DENTRY_DIR | DENTRY_LINK);
	dentry_set_kind(d, inode);
	/* Readers that see the inode see its kind. */
	STORE_RELEASE(d->inode, inode);
}

/*
 * The list of a directory's children in the table. They are put in front without a lock, each
 * thread telling the one that was first before; in the end each knows the pointer to it. => read
 * section, or write lock
 */
static void children_add(struct dentry *d)
{
	struct dentry **head = &d->parent->children, *first = READ_ONCE(*head);

	d->sibling_at = head;
	do
		d->sibling = first;
	while (!__atomic_compare_exchange_n(
		head, &first, d, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	if (first)
		first->sibling_at = &d->sibling;
}

/* => write lock */
static void children_remove(struct dentry *d)
{
	*d->sibling_at = d->sibling;
	if (d->sibling)
		d->sibling->sibling_at = d->sibling_at;
}

static struct dentry *dentry_alloc(
	struct dentry *parent, const char *name, size_t len, uint32_t hash)
{
	struct dentry *d = slab_alloc(dentry_slab, 0);
	char *own;

	if (!d)
		return NULL;
	own = d->inline_name;
	if (len >= DENTRY_INLINE) {
		own = kmalloc(len + 1, 0);
		if (!own) {
			slab_free(dentry_slab, d);
			return NULL;
		}
	}
	memcpy(own, name, len);
	own[len] = '\0';
	d->hash_next = NULL;
	d->parent = parent ? dentry_get(parent) : d;
	d->children = NULL;
	d->inode = NULL;
	d->sb = parent ? parent->sb : NULL;
	d->name = own;
	d->hash = hash;
	d->refs = 1;
	d->mounted = 0;
	d->len = (uint8_t)len;
	d->flags = 0;
	__atomic_add_fetch(&ndentries, 1, __ATOMIC_RELAXED);
	return d;
}

struct dentry *dentry_alloc_root(struct superblock *sb, struct inode *root)
{
	struct dentry *d = dentry_alloc(NULL, "/", 1, 0);

	if (!d)
		return NULL;
	d->sb = sb;
	dentry_instantiate(d, root);
	return d;
}

/* Free a dentry that nobody can reach; returns its parent, whose reference the caller puts. */
static struct dentry *dentry_free(struct dentry *d)
{
	struct dentry *parent = d->parent == d ? NULL : d->parent;

	assert(!d->mounted && !d->children);
	if (d->inode)
		inode_put(d->inode);
	if (d->name != d->inline_name)
		kfree(d->name);
	slab_free(dentry_slab, d);
	__atomic_sub_fetch(&ndentries, 1, __ATOMIC_RELAXED);
	return parent;
}

void dentry_put(struct dentry *d)
{
	while (d) {
		uint32_t refs = READ_ONCE(d->refs);
		bool gone;

		while (refs > 1)
			if (__atomic_compare_exchange_n(&d->refs, &refs, refs - 1, false,
				    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
				return;
		dcache_read_lock();
		gone = !__atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL) &&
		       !(dentry_flags(d) & DENTRY_HASHED);
		dcache_read_unlock();
		if (!gone)
			return;
		/* Until every section that may have seen it as somebody's directory is over. */
		dcache_write_lock();
		dcache_write_unlock();
		d = dentry_free(d);
	}
}

/* Put d into the table, or give it up for the one that is there. Returns the one to use, with a
 * reference. => d->parent's directory lock held */
static struct dentry *dentry_enter(struct dentry *d)
{
	unsigned bucket = bucket_of(d->parent, d->hash);
	struct spinlock *lock = &bucket_locks[bucket % BUCKET_LOCKS];
	struct dentry *there;

	dcache_read_lock();
	spin_lock(lock);
	there = dcache_find(d->parent, d->name, d->len, d->hash);
	if (there) {
		dentry_get(there);
	} else {
		dentry_change(d, DENTRY_HASHED, 0);
		d->hash_next = table[bucket];
		STORE_RELEASE(table[bucket], d);
		children_add(d);
	}
	spin_unlock(lock);
	dcache_read_unlock();
	return there ? there : d;
}

struct dentry *dcache_lookup_locked(
	struct dentry *parent, const char *name, size_t len, uint32_t hash)
{
	struct inode *dir = parent->inode, *inode = NULL;
	struct dentry *d, *there;
	int err;

	dcache_read_lock();
	d = dcache_find(parent, name, len, hash);
	if (d)
		dentry_get(d);
	dcache_read_unlock();
	if (d)
		return d;
	if (dir->dead)
		return ERR_PTR(-ENOENT);
	if (!dir->ops->lookup)
		return ERR_PTR(-ENOTDIR);
	d = dentry_alloc(parent, name, len, hash);
	if (!d)
		return ERR_PTR(-ENOMEM);
	err = dir->ops->lookup(dir, name, len, &inode);
	if (!err)
		dentry_instantiate(d, inode);
	else if (err != -ENOENT)
		goto out_free;
	if (dir->sb->no_cache)
		return d;
	there = dentry_enter(d);
	if (there == d)
		return d;
	/*
	 * Another look-up was faster: its dentry has the same inode, so this is not the last put.
	 */
	dentry_put(dentry_free(d));
	return there;

out_free:
	dentry_put(dentry_free(d));
	return ERR_PTR(err);
}

struct dentry *dcache_lookup(struct dentry *parent, const char *name, size_t len, uint32_t hash)
{
	struct inode *dir = parent->inode;
	struct dentry *d;

	if (READ_ONCE(ndentries) > READ_ONCE(dentries_shrink_at)) {
		dcache_shrink();
		WRITE_ONCE(dentries_shrink_at, MAX(dentries_limit, 2 * READ_ONCE(ndentries)));
	}
	if (dir->sb->no_cache)
		return dcache_lookup_locked(parent, name, len, hash);
	rw_read_lock(&dir->lock);
	d = dcache_lookup_locked(parent, name, len, hash);
	rw_read_unlock(&dir->lock);
	return d;
}

/* => write lock */
static void unhash_locked(struct dentry *d)
{
	struct dentry **link;

	if (!(dentry_flags(d) & DENTRY_HASHED))
		return;
	for (link = &table[bucket_of(d->parent, d->hash)]; *link != d; link = &(*link)->hash_next)
		;
	*link = d->hash_next;
	children_remove(d);
	dentry_change(d, 0, DENTRY_HASHED);
}

struct inode *dentry_delete(struct dentry *d)
{
	struct inode *inode = NULL;

	dcache_write_lock();
	/*
	 * A put that is not the last needs no section: acquire what its thread did with the dentry.
	 */
	if (LOAD_ACQUIRE(d->refs) == 1 && (dentry_flags(d) & DENTRY_HASHED)) {
		inode = d->inode;
		d->inode = NULL;
		dentry_change(d, 0, DENTRY_DIR | DENTRY_LINK);
	} else {
		unhash_locked(d);
		dentry_change(d, DENTRY_DELETED, 0);
	}
	dcache_write_unlock();
	return inode;
}

int dentry_move_prepare(struct dentry_move *mv, struct dentry *parent, const char *name, size_t len)
{
	*mv = (struct dentry_move){.name = name, .len = len};
	if (len >= DENTRY_INLINE) {
		mv->long_name = kmalloc(len + 1, 0);
		if (!mv->long_name)
			return -ENOMEM;
	}
	mv->parent = dentry_get(parent);
	return 0;
}

void dentry_move(struct dentry *d, struct dentry_move *mv, struct dentry *target)
{
	struct dentry *old_parent = d->parent;
	char *old_name = d->name == d->inline_name ? NULL : (char *)(uintptr_t)d->name;
	char *own = mv->long_name ? mv->long_name : d->inline_name;
	unsigned bucket;

	dcache_write_lock();
	if (target) {
		unhash_locked(target);
		if (target->inode)
			dentry_change(target, DENTRY_DELETED, 0);
	}
	unhash_locked(d);
	memcpy(own, mv->name, mv->len);
	own[mv->len] = '\0';
	d->name = own;
	d->len = (uint8_t)mv->len;
	d->hash = dcache_hash_name(mv->name, mv->len);
	d->parent = mv->parent;
	bucket = bucket_of(d->parent, d->hash);
	d->hash_next = table[bucket];
	table[bucket] = d;
	children_add(d);
	dentry_change(d, DENTRY_HASHED, 0);
	dcache_write_unlock();
	mv->parent = old_parent;
	mv->long_name = old_name;
}

void dentry_move_finish(struct dentry_move *mv)
{
	if (mv->parent)
		dentry_put(mv->parent);
	kfree(mv->long_name);
	*mv = (struct dentry_move){0};
}

/* Some children of d leave the table; those that nobody uses come back linked by hash_next. */
static struct dentry *take_children(struct dentry *d, unsigned max)
{
	struct dentry *list = NULL, *child;

	dcache_write_lock();
	while ((child = d->children) && max--) {
		unhash_locked(child);
		/* Who still uses one frees it with the last put. */
		if (!READ_ONCE(child->refs)) {
			child->hash_next = list;
			list = child;
		}
	}
	dcache_write_unlock();
	return list;
}

void dentry_forget_children(struct dentry *d)
{
	while (READ_ONCE(d->children)) {
		struct dentry *child = take_children(d, 64), *next;

		for (; child; child = next) {
			next = child->hash_next;
			dentry_put(dentry_free(child));
		}
	}
}

/* Take the unused dentries of some buckets out of the table; they come back linked by hash_next. */
static struct dentry *take_unused(const struct superblock *sb, unsigned first, unsigned end)
{
	struct dentry *list = NULL;

	dcache_write_lock();
	for (unsigned b = first; b < end; b++) {
		struct dentry **link = &table[b], *d;

		while ((d = *link)) {
			if (READ_ONCE(d->refs) || (sb && d->sb != sb)) {
				link = &d->hash_next;
				continue;
			}
			*link = d->hash_next;
			children_remove(d);
			dentry_change(d, 0, DENTRY_HASHED);
			d->hash_next = list;
			list = d;
		}
	}
	dcache_write_unlock();
	return list;
}

uint64_t dcache_shrink_superblock(const struct superblock *sb)
{
	const unsigned step = 512;
	uint64_t total = 0, round;

	/* Parents become unused when their children went: until a round frees nothing. */
	do {
		round = 0;
		for (unsigned b = 0; b < nbuckets; b += step) {
			struct dentry *d = take_unused(sb, b, MIN(b + step, nbuckets)), *next;

			for (; d; d = next, round++) {
				next = d->hash_next;
				dentry_put(dentry_free(d));
			}
		}
		total += round;
	} while (round);
	return total;
}

uint64_t dcache_shrink(void)
{
	return dcache_shrink_superblock(NULL);
}
