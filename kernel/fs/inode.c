/*
 * Inodes: the cache by (super block, number), references, eviction.
 *
 * An inode lives as long as somebody holds a reference (dentries do); with the last one it is
 * evicted: its pages are written back (or, with no link left, thrown away), the file system frees
 * what it keeps, and only then the inode leaves the cache. Until it has left, who looks for the
 * same number waits, so that nobody reads an on-disk inode that is behind.
 *
 *	refs > 0 --last put--> EVICTING (refs 0, still hashed, nobody can take it) --> gone
 *
 * Locking: a striped set of spinlocks (rank 78) guards the hash chains, INODE_* and the steps
 * 1 -> 0 and 0 -> never of refs; other changes of refs are plain atomics. sb->lock guards the list
 * of a super block's inodes. Neither is held while anything sleeps.
 */
#include "fs/inode.h"

#include "klog.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/slab.h"
#include "sched/clock.h"
#include "sync/waitqueue.h"

#define INODE_HASHED   0x1u
#define INODE_EVICTING 0x2u
#define INODE_DISCARD  0x4u /* lost the race of inode_hash: the file system has nothing to free */

#define INODE_LOCKS 32
static struct spinlock stripe[INODE_LOCKS];
static struct waitqueue evict_wait; /* inodes that left the cache */
static struct inode **inode_table;
static unsigned inode_buckets;
static struct slab_cache *inode_slab;
static uint32_t next_anon_minor;

static unsigned inode_bucket(const struct superblock *sb, uint64_t ino)
{
	uint64_t h = (ino ^ ((uintptr_t)sb >> 6)) * 0x9e3779b97f4a7c15ull;

	return (unsigned)(h >> 32) & (inode_buckets - 1);
}

static struct spinlock *bucket_lock(unsigned bucket)
{
	return &stripe[bucket % INODE_LOCKS];
}

void inode_init(void)
{
	uint64_t want = buddy_total_frames() / 16;

	inode_buckets = 64;
	while (inode_buckets < want && inode_buckets < (1u << 16))
		inode_buckets *= 2;
	inode_table = kzalloc(inode_buckets * sizeof(*inode_table), 0);
	assert(inode_table);
	for (unsigned i = 0; i < INODE_LOCKS; i++)
		spin_init(&stripe[i], RANK_FILES, "inode cache");
	waitqueue_init(&evict_wait);
	inode_slab = slab_cache_create("inode", sizeof(struct inode), 16, NULL);
	assert(inode_slab);
}

struct superblock *superblock_alloc(const char *fs_name, const struct superblock_ops *ops)
{
	struct superblock *sb = kzalloc(sizeof(*sb), 0);

	if (!sb)
		return ERR_PTR(-ENOMEM);
	sb->ops = ops;
	sb->fs_name = fs_name;
	sb->devno = MKDEV(0, __atomic_add_fetch(&next_anon_minor, 1, __ATOMIC_RELAXED));
	spin_init(&sb->lock, RANK_FILES, "superblock");
	list_init(&sb->inodes);
	list_init(&sb->link);
	return sb;
}

void superblock_free(struct superblock *sb)
{
	assert(list_empty(&sb->inodes));
	kfree(sb);
}

struct timespec64 timespec_now(void)
{
	uint64_t ns = clock_realtime_ns();

	return (struct timespec64){
		.sec = (int64_t)(ns / NSEC_PER_SEC), .nsec = (int64_t)(ns % NSEC_PER_SEC)};
}

struct inode *inode_alloc(struct superblock *sb, uint64_t ino, uint32_t mode)
{
	struct inode *inode = slab_alloc(inode_slab, ALLOC_ZERO);

	if (!inode)
		return ERR_PTR(-ENOMEM);
	inode->refs = 1;
	inode->sb = sb;
	inode->ino = ino;
	inode->mode = mode;
	inode->nlink = 1;
	inode->blksize = PAGE_SIZE;
	if (S_ISDIR(mode))
		rw_init(&inode->lock, RANK_INODE_DIR, "directory");
	else
		rw_init(&inode->lock, RANK_INODE, "inode");
	spin_lock(&sb->lock);
	list_add_tail(&sb->inodes, &inode->sb_link);
	spin_unlock(&sb->lock);
	return inode;
}

/* Out of its super block's list and free. => not hashed, nobody knows it */
static void inode_free(struct inode *inode)
{
	struct superblock *sb = inode->sb;

	assert(!inode->pipe);
	spin_lock(&sb->lock);
	list_remove(&inode->sb_link);
	spin_unlock(&sb->lock);
	kfree(inode->flocks);
	slab_free(inode_slab, inode);
}

/* The inode of (sb, ino) in its chain. => the bucket's lock held */
static struct inode *find_locked(unsigned bucket, const struct superblock *sb, uint64_t ino)
{
	struct inode *inode = inode_table[bucket];

	while (inode && (inode->ino != ino || inode->sb != sb))
		inode = inode->hash_next;
	return inode;
}

/* Is (sb, ino) still in the chain as an inode that is being evicted? */
static bool evicting(const struct superblock *sb, uint64_t ino)
{
	unsigned bucket = inode_bucket(sb, ino);
	struct spinlock *lock = bucket_lock(bucket);
	struct inode *inode;
	bool yes;

	spin_lock(lock);
	inode = find_locked(bucket, sb, ino);
	yes = inode && (inode->state & INODE_EVICTING);
	spin_unlock(lock);
	return yes;
}

/*
 * Take a reference of (sb, ino); when there is none enter `fresh` (if given). Waits for an eviction
 * under way.
 */
static struct inode *find_or_enter(struct superblock *sb, uint64_t ino, struct inode *fresh)
{
	unsigned bucket = inode_bucket(sb, ino);
	struct spinlock *lock = bucket_lock(bucket);

	for (;;) {
		struct inode *inode;

		spin_lock(lock);
		inode = find_locked(bucket, sb, ino);
		if (inode && !(inode->state & INODE_EVICTING)) {
			inode_get(inode);
			spin_unlock(lock);
			return inode;
		}
		if (!inode) {
			if (fresh) {
				fresh->state |= INODE_HASHED;
				fresh->hash_next = inode_table[bucket];
				inode_table[bucket] = fresh;
			}
			spin_unlock(lock);
			return fresh;
		}
		spin_unlock(lock);
		wait_event(&evict_wait, !evicting(sb, ino));
	}
}

struct inode *inode_find(struct superblock *sb, uint64_t ino)
{
	return find_or_enter(sb, ino, NULL);
}

struct inode *inode_hash(struct inode *inode)
{
	struct inode *there = find_or_enter(inode->sb, inode->ino, inode);

	/* By a put, because sync may have found it in its super block's list. */
	if (there != inode) {
		inode->state |= INODE_DISCARD;
		inode_put(inode);
	}
	return there;
}

struct inode *inode_get(struct inode *inode)
{
	uint32_t old = __atomic_fetch_add(&inode->refs, 1, __ATOMIC_RELAXED);

	assert(old > 0);
	return inode;
}

int inode_write_back(struct inode *inode)
{
	const struct superblock_ops *ops = inode->sb->ops;
	struct vm_object *vo = inode->object;
	int err = 0, err2 = 0;

	if (vo && vo->kind == VMO_FILE)
		err = cache_write_back(vo, 0, UINT64_MAX);
	/* After the pages: writing them may have allocated blocks. */
	if (READ_ONCE(inode->dirty) && ops->write_inode)
		err2 = ops->write_inode(inode);
	return err ? err : err2;
}

static void inode_unhash(struct inode *inode)
{
	unsigned bucket = inode_bucket(inode->sb, inode->ino);
	struct spinlock *lock = bucket_lock(bucket);
	struct inode **link;

	if (!(inode->state & INODE_HASHED))
		return;
	spin_lock(lock);
	for (link = &inode_table[bucket]; *link != inode; link = &(*link)->hash_next)
		;
	*link = inode->hash_next;
	inode->state &= ~INODE_HASHED;
	spin_unlock(lock);
	wake_all(&evict_wait);
}

/* => EVICTING is set, refs is 0, nothing held */
static void inode_evict(struct inode *inode)
{
	struct vm_object *vo = inode->object;
	bool file = vo && vo->kind == VMO_FILE;
	bool discard = inode->state & INODE_DISCARD;
	int err = 0;

	if (discard) {
		file = false;
	} else if (inode->nlink > 0) {
		err = inode_write_back(inode);
	} else if (file) {
		rw_write_lock(&vo->lock);
		vo->vo_flags |= VMO_UNLINKED;
		rw_write_unlock(&vo->lock);
	}
	if (err)
		klog_err("%s: inode %llu: write-back failed (%d), data are lost",
			inode->sb->fs_name, (unsigned long long)inode->ino, -err);
	if (file)
		cache_discard(vo);
	if (inode->sb->ops->evict && !discard)
		inode->sb->ops->evict(inode);
	if (vo)
		vm_object_put(vo);
	inode->object = NULL;
	inode_unhash(inode);
	inode_free(inode);
}

void inode_put(struct inode *inode)
{
	uint32_t refs = READ_ONCE(inode->refs);
	struct spinlock *lock;

	while (refs > 1)
		if (__atomic_compare_exchange_n(&inode->refs, &refs, refs - 1, false,
			    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return;
	/* Perhaps the last: decided under the lock under which a look-up takes a reference. */
	lock = bucket_lock(inode_bucket(inode->sb, inode->ino));
	spin_lock(lock);
	refs = __atomic_sub_fetch(&inode->refs, 1, __ATOMIC_ACQ_REL);
	if (refs == 0)
		inode->state |= INODE_EVICTING;
	spin_unlock(lock);
	if (refs == 0)
		inode_evict(inode);
}

static bool time_after(const struct timespec64 *a, const struct timespec64 *b)
{
	return a->sec != b->sec ? a->sec > b->sec : a->nsec > b->nsec;
}

/*
 * Access times follow Linux's default, relatime: only when the file changed since the last access,
 * or after a day.
 */
static bool atime_wanted(const struct inode *inode, const struct timespec64 *now)
{
	return !time_after(&inode->atime, &inode->mtime) ||
	       !time_after(&inode->atime, &inode->ctime) || now->sec - inode->atime.sec >= 86400;
}

void inode_touch(struct inode *inode, unsigned which)
{
	struct timespec64 now;

	if (inode->sb->read_only)
		return;
	now = timespec_now();
	if (which & ATTR_MTIME) {
		inode->mtime = now;
		inode->ctime = now;
	} else if (!atime_wanted(inode, &now)) {
		return;
	}
	if (which & ATTR_ATIME)
		inode->atime = now;
	inode->dirty = true;
}

void inode_setattr_copy(struct inode *inode, const struct inode_attr *attr)
{
	if (attr->valid & ATTR_MODE)
		inode->mode = (inode->mode & S_IFMT) | (attr->mode & ~S_IFMT);
	if (attr->valid & ATTR_UID)
		inode->uid = attr->uid;
	if (attr->valid & ATTR_GID)
		inode->gid = attr->gid;
	inode->ctime = timespec_now();
	if (attr->valid & ATTR_SIZE)
		inode->mtime = inode->ctime;
	if (attr->valid & ATTR_ATIME)
		inode->atime = attr->atime;
	if (attr->valid & ATTR_MTIME)
		inode->mtime = attr->mtime;
	inode->dirty = true;
}

/*
 * Writers and running programs exclude each other: one count that is positive for the first and
 * negative for the second, so that who is refused never shows.
 */
static int writecount_move(struct inode *inode, int step)
{
	int32_t n = READ_ONCE(inode->writecount);

	do {
		if (n * step < 0)
			return -ETXTBSY;
	} while (!__atomic_compare_exchange_n(
		&inode->writecount, &n, n + step, true, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
	return 0;
}

int inode_get_write(struct inode *inode)
{
	return writecount_move(inode, 1);
}

void inode_put_write(struct inode *inode)
{
	__atomic_sub_fetch(&inode->writecount, 1, __ATOMIC_ACQ_REL);
}

int inode_deny_write(struct inode *inode)
{
	return writecount_move(inode, -1);
}

void inode_allow_write(struct inode *inode)
{
	__atomic_add_fetch(&inode->writecount, 1, __ATOMIC_ACQ_REL);
}

/* The inode after `prev` (NULL: the first) in sb's list that is in use, with a reference. */
static struct inode *sb_next_inode(struct superblock *sb, struct inode *prev)
{
	struct inode *found = NULL;
	struct list *n;

	spin_lock(&sb->lock);
	n = prev ? prev->sb_link.next : sb->inodes.next;
	for (; n != &sb->inodes; n = n->next) {
		struct inode *inode = list_entry(n, struct inode, sb_link);
		uint32_t refs = READ_ONCE(inode->refs);

		/* From 0 nobody comes back: that one is being evicted. */
		while (refs && !__atomic_compare_exchange_n(&inode->refs, &refs, refs + 1, false,
				       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			;
		if (refs) {
			found = inode;
			break;
		}
	}
	spin_unlock(&sb->lock);
	return found;
}

int inode_sync_superblock(struct superblock *sb)
{
	struct inode *prev = NULL, *inode;
	int err = 0;

	while ((inode = sb_next_inode(sb, prev))) {
		int e = inode_write_back(inode);

		if (e && !err)
			err = e;
		/* prev keeps its place in the list while its reference is held. */
		if (prev)
			inode_put(prev);
		prev = inode;
	}
	if (prev)
		inode_put(prev);
	return err;
}
