/*
 * The dentry cache: names that were looked up, also those that do not exist. Inside fs; others use
 * path.h.
 *
 * Fields: (w) written under the cache's write lock, read in a read section or with it; (c)
 * constant; (a) atomic; (p) written under the parent directory's lock.
 */
#ifndef FS_DCACHE_H
#define FS_DCACHE_H

#include "cpu.h"
#include "fs/inode.h"
#include "fs/path.h"

#define DENTRY_DIR     0x1u
#define DENTRY_LINK    0x2u
#define DENTRY_HASHED  0x4u /* found by look-ups */
#define DENTRY_DELETED 0x8u /* the name was removed while the dentry was in use */

#define DENTRY_INLINE 40

struct dentry {
	struct dentry *hash_next; /* (w), new ones are put in front under a bucket lock */
	struct dentry *parent;	  /* (w) reference; a root: itself */
	struct dentry
		*children; /* (w) those in the table, the newest first; entered in read sections */
	struct dentry *sibling, **sibling_at; /* (w) the next one; the pointer to this one */
	struct inode *inode;   /* reference; NULL: no such name. Set: (p). Cleared: (w). */
	struct superblock *sb; /* (c) */
	const char *name;      /* (w) inline_name, or kmalloc; ends in NUL */
	uint32_t hash;	       /* (w) of the name */
	uint32_t refs;	       /* (a) paths and child dentries; 0 and hashed: kept, unused */
	uint16_t mounted;      /* (w) mounts on it */
	uint8_t len;	       /* (w) */
	uint8_t flags;	       /* (w), kind bits set before inode */
	char inline_name[DENTRY_INLINE];
};

/*
 * Read sections. The cache is read far more often than entries leave it, so readers only mark their
 * own CPU's slot, and who removes or moves a dentry (or a mount) waits until no CPU is in a
 * section: within one, pointers found in the cache stay valid without references. Nothing in a
 * section sleeps; sections do not nest.
 */
struct dcache_slot {
	uint32_t in;
} __aligned(64);
extern struct dcache_slot dcache_slots[CPU_MAX];
extern uint32_t dcache_writer;
void dcache_read_wait(struct dcache_slot *slot);

static inline void dcache_read_lock(void)
{
	struct dcache_slot *slot = &dcache_slots[cpu_id()];

	/* Seen by the writer before this reads its flag, or this sees the flag. */
	__atomic_exchange_n(&slot->in, 1, __ATOMIC_SEQ_CST);
	if (unlikely(__atomic_load_n(&dcache_writer, __ATOMIC_SEQ_CST)))
		dcache_read_wait(slot);
}

static inline void dcache_read_unlock(void)
{
	STORE_RELEASE(dcache_slots[cpu_id()].in, 0);
}

/* Alone with the cache. => not in a read section, no other lock of rank 78 */
void dcache_write_lock(void);
void dcache_write_unlock(void);

#define DCACHE_HASH_START 0u
static inline uint32_t dcache_hash_step(uint32_t h, char c)
{
	return (h + (uint8_t)c) * 0x9e3779b1u;
}
uint32_t dcache_hash_name(const char *name, size_t len);

/* The cached dentry of a name, no reference; NULL: not known. => read section or write lock */
struct dentry *dcache_find(struct dentry *parent, const char *name, size_t len, uint32_t hash);
/*
 * The dentry of a name, looked up in the file system if need be, with a reference; its inode may be
 * NULL. ERR_PTR(-ENOENT: the directory was removed, -ENOTDIR, -ENOMEM, -EIO).
 * => dcache_lookup: no lock of rank 21 or above; _locked: the directory's lock held (either way)
 */
struct dentry *dcache_lookup(struct dentry *parent, const char *name, size_t len, uint32_t hash);
struct dentry *dcache_lookup_locked(
	struct dentry *parent, const char *name, size_t len, uint32_t hash);

static inline struct dentry *dentry_get(struct dentry *d)
{
	__atomic_fetch_add(&d->refs, 1, __ATOMIC_RELAXED);
	return d;
}

static inline unsigned dentry_flags(const struct dentry *d)
{
	return READ_ONCE(d->flags);
}

/* May sleep (frees what has no name any more). => no lock of rank 20 or above */
void dentry_put(struct dentry *d);
/* The root of a super block: takes over the inode's reference. One reference, or NULL. */
struct dentry *dentry_alloc_root(struct superblock *sb, struct inode *root);
/* A name came into being: takes over the inode's reference. => parent's lock held for writing */
void dentry_instantiate(struct dentry *d, struct inode *inode);
/*
 * The name was removed: the dentry becomes a negative one, or leaves the cache if it is in use.
 * Returns the inode whose reference it held, if it dropped it: put it when the locks are gone.
 * => parent's lock held for writing, a reference of d
 */
struct inode *dentry_delete(struct dentry *d);

/* The directory d is gone for good (inode->dead): the names that were not found in it need not be
 * kept, and must not keep it. => a reference of d, no lock of rank 20 or above */
void dentry_forget_children(struct dentry *d);

/* A new place for a dentry: what has to be allocated before, and put afterwards. */
struct dentry_move {
	struct dentry *parent; /* in: new parent. out: the old one, to be put */
	const char *name;
	size_t len;
	char *long_name; /* in: allocated if len needs it. out: to be freed */
};
int __must_check dentry_move_prepare(
	struct dentry_move *mv, struct dentry *parent, const char *name, size_t len);
/* target (may be NULL) leaves the cache. => both directories' locks held for writing */
void dentry_move(struct dentry *d, struct dentry_move *mv, struct dentry *target);
void dentry_move_finish(struct dentry_move *mv); /* => nothing held */

/* Drop the unused dentries of sb (NULL: of all); returns how many. => nothing held */
uint64_t dcache_shrink_superblock(const struct superblock *sb);
void dcache_init(void);

#endif
