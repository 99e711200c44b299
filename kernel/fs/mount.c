/*
 * Mounts and super blocks.
 *
 * A mount shows a directory of a super block (its root) at a directory of another mount (its
 * point). There is one tree. A mount is in the list of mounts while it is in the tree; the walk
 * finds it from its point, inside a read section of the dentry cache, so attaching and detaching
 * happen under that cache's write lock. A super block lives while a mount of it does.
 *
 *	mount_do -> in the tree --umount (nobody uses it)-----------------> put -> gone
 *	                        --umount MNT_DETACH--> out of the tree --last put--> gone
 *
 * ns_lock (rank 20) serialises all changes of the tree, and renames between directories.
 */
#include "fs/mount.h"

#include "abi/mount.h"
#include "dev/block.h"
#include "fs/dcache.h"
#include "fs/namespace.h"
#include "klog.h"
#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/cache.h"
#include "mm/slab.h"
#include "sync/mutex.h"

/* Propagation that does not exist here: unbindable, slave, shared. */
#define MS_UNPROPAGATED (1ul << 17 | 1ul << 19 | 1ul << 20)
#define MOUNT_FLAGS	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME)

static struct mutex ns_lock;
static struct list mounts = LIST_INIT(mounts);		 /* dcache write lock */
static struct list superblocks = LIST_INIT(superblocks); /* ns_lock */
static struct mount *root_mount;			 /* set once at boot */
static unsigned next_mount_id = 1;			 /* ns_lock */
static struct spinlock types_lock = SPINLOCK_INIT(RANK_FILES, "fs types");
static struct list types = LIST_INIT(types);

void mount_init(void)
{
	mutex_init(&ns_lock, RANK_MOUNT, "mounts");
}

void namespace_lock(void)
{
	mutex_lock(&ns_lock);
}

void namespace_unlock(void)
{
	mutex_unlock(&ns_lock);
}

void fs_register(struct fs_type *type)
{
	spin_lock(&types_lock);
	list_add_tail(&types, &type->link);
	spin_unlock(&types_lock);
}

struct fs_type *fs_find(const char *name)
{
	struct fs_type *t, *found = NULL;

	spin_lock(&types_lock);
	list_for_each_entry (t, &types, link)
		if (!strcmp(t->name, name))
			found = t;
	spin_unlock(&types_lock);
	return found;
}

struct fs_type *fs_nth(unsigned n)
{
	struct fs_type *t, *found = NULL;

	spin_lock(&types_lock);
	list_for_each_entry (t, &types, link)
		if (!found && n-- == 0)
			found = t;
	spin_unlock(&types_lock);
	return found;
}

/* The super block in use of a device, or NULL. => ns_lock */
static struct superblock *superblock_of_device(const struct block_device *bdev)
{
	struct superblock *sb;

	list_for_each_entry (sb, &superblocks, link)
		if (bdev && sb->bdev == bdev)
			return sb;
	return NULL;
}

/*
 * A super block of the type with one more user: a new one, or that which the device (or the type)
 * has in use. => ns_lock
 */
static int superblock_activate(struct fs_type *type, struct block_device *bdev, bool read_only,
	const char *data, struct superblock **out)
{
	struct superblock *sb = superblock_of_device(bdev);
	int err;

	if (sb) {
		if (strcmp(sb->fs_name, type->name) || sb->read_only != read_only)
			return -EBUSY;
	} else {
		err = type->mount(bdev, read_only, data, &sb);
		if (err)
			return err;
	}
	if (sb->active == 0) {
		sb->root_dentry = dentry_alloc_root(sb, sb->root);
		if (!sb->root_dentry) {
			inode_put(sb->root);
			if (sb->ops->unmount)
				sb->ops->unmount(sb);
			superblock_free(sb);
			return -ENOMEM;
		}
		list_add_tail(&superblocks, &sb->link);
	}
	sb->active++;
	*out = sb;
	return 0;
}

int mount_sync(struct superblock *sb)
{
	int err = inode_sync_superblock(sb), err2 = 0;

	if (sb->ops->sync && !sb->read_only)
		err2 = sb->ops->sync(sb);
	return err ? err : err2;
}

/* One user less; the last one ends it. => ns_lock */
static void superblock_deactivate(struct superblock *sb)
{
	assert(sb->active > 0);
	if (--sb->active > 0)
		return;
	list_remove(&sb->link);
	dcache_shrink_superblock(sb);
	/* Eviction writes the inodes back, the root's last. */
	dentry_put(sb->root_dentry);
	if (sb->ops->sync && !sb->read_only && sb->ops->sync(sb))
		klog_err("%s: write-back at unmount failed", sb->fs_name);
	if (sb->ops->unmount)
		sb->ops->unmount(sb);
	superblock_free(sb);
}

static void superblock_put(struct superblock *sb)
{
	mutex_lock(&ns_lock);
	superblock_deactivate(sb);
	mutex_unlock(&ns_lock);
}

/* A mount in no tree: one reference. Takes over one use of sb and the reference of root. On failure
 * they stay the caller's. */
static struct mount *mount_alloc(
	struct superblock *sb, struct dentry *root, const char *source, unsigned long flags)
{
	struct mount *m = kzalloc(sizeof(*m), 0);

	if (!m)
		return NULL;
	m->source = kstrdup(source && *source ? source : "none", 0);
	if (!m->source) {
		kfree(m);
		return NULL;
	}
	m->refs = 1;
	m->sb = sb;
	m->root = root;
	m->flags = flags & MOUNT_FLAGS;
	m->id = next_mount_id++;
	list_init(&m->link);
	return m;
}

void mount_put(struct mount *m)
{
	if (__atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	assert(!m->parent && !m->nchildren);
	/* Sections that saw it as somebody's directory are over. */
	dcache_write_lock();
	dcache_write_unlock();
	dentry_put(m->root);
	/* Inodes without a name are of file systems that the kernel keeps for itself. */
	if (!m->lone)
		superblock_put(m->sb);
	kfree(m->source);
	kfree(m);
}

struct mount *mount_on(const struct mount *mnt, const struct dentry *d)
{
	for (struct list *n = mounts.prev; n != &mounts; n = n->prev) {
		struct mount *m = list_entry(n, struct mount, link);

		if (m->point == d && m->parent == mnt)
			return m;
	}
	return NULL;
}

int mount_check_write(const struct mount *m)
{
	return (READ_ONCE(m->flags) & MS_RDONLY) || READ_ONCE(m->sb->read_only) ? -EROFS : 0;
}

/* Put m into the tree at target (NULL: as the root). => ns_lock */
static void mount_attach(struct mount *m, const struct path *target)
{
	dcache_write_lock();
	if (target) {
		m->parent = mount_get(target->mnt);
		m->point = dentry_get(target->dentry);
		m->point->mounted++;
		m->parent->nchildren++;
	}
	list_add_tail(&mounts, &m->link);
	dcache_write_unlock();
}

/* Take m out of the tree; the caller puts *parent, *point and m. => write lock */
static void mount_detach_locked(struct mount *m, struct path *at)
{
	list_remove(&m->link);
	at->mnt = m->parent;
	at->dentry = m->point;
	m->parent->nchildren--;
	m->point->mounted--;
	m->parent = NULL;
	m->point = NULL;
}

/* A new mount of a file system, in no tree. => ns_lock. ERR_PTR */
static struct mount *mount_new(struct fs_type *type, struct block_device *bdev, const char *source,
	unsigned long flags, const char *data)
{
	struct superblock *sb;
	struct mount *m;
	int err = superblock_activate(type, bdev, flags & MS_RDONLY, data, &sb);

	if (err)
		return ERR_PTR(err);
	m = mount_alloc(sb, dentry_get(sb->root_dentry), source, flags);
	if (!m) {
		dentry_put(sb->root_dentry);
		superblock_deactivate(sb);
		return ERR_PTR(-ENOMEM);
	}
	return m;
}

struct mount *mount_kernel(const char *fstype, const char *data)
{
	struct fs_type *type = fs_find(fstype);
	struct mount *m;

	if (!type || type->needs_device)
		return ERR_PTR(-ENODEV);
	mutex_lock(&ns_lock);
	m = mount_new(type, NULL, fstype, 0, data);
	mutex_unlock(&ns_lock);
	return m;
}

int mount_lone_inode(struct inode *inode, struct path *out)
{
	struct dentry *root = dentry_alloc_root(inode->sb, inode_get(inode));
	struct mount *m = NULL;

	if (!root) {
		inode_put(inode);
		return -ENOMEM;
	}
	mutex_lock(&ns_lock);
	m = mount_alloc(inode->sb, root, NULL, 0);
	mutex_unlock(&ns_lock);
	if (!m) {
		dentry_put(root);
		return -ENOMEM;
	}
	m->lone = true;
	*out = (struct path){.mnt = m, .dentry = dentry_get(root)};
	return 0;
}

static void set_root(struct mount *m)
{
	mount_attach(m, NULL);
	root_mount = m;
}

int mount_root(const char *device, const char *fstype, bool read_only)
{
	struct block_device *bdev = block_find(device);
	unsigned long flags = read_only ? MS_RDONLY : 0;
	struct fs_type *type;
	struct mount *m = ERR_PTR(-ENODEV);

	assert(!root_mount);
	if (!bdev)
		return -ENODEV;
	mutex_lock(&ns_lock);
	for (unsigned n = 0; IS_ERR(m) && (type = fs_nth(n)); n++)
		if (type->needs_device && (!fstype || !strcmp(fstype, type->name)))
			m = mount_new(type, bdev, device, flags, NULL);
	if (!IS_ERR(m))
		set_root(m);
	mutex_unlock(&ns_lock);
	return IS_ERR(m) ? (int)PTR_ERR(m) : 0;
}

int mount_root_kernel(const char *fstype)
{
	struct mount *m;

	assert(!root_mount);
	m = mount_kernel(fstype, NULL);
	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	set_root(m);
	return 0;
}

bool mount_get_root(struct path *out)
{
	struct mount *m = root_mount;

	if (!m)
		return false;
	*out = (struct path){.mnt = m, .dentry = m->root};
	path_get(out);
	return true;
}

/* Does anybody have a file of sb open for writing? */
static bool superblock_has_writers(struct superblock *sb)
{
	struct inode *inode;
	bool found = false;

	spin_lock(&sb->lock);
	list_for_each_entry (inode, &sb->inodes, sb_link)
		found |= READ_ONCE(inode->writecount) > 0;
	spin_unlock(&sb->lock);
	return found;
}

/* MS_REMOUNT. => ns_lock */
static int do_remount(const struct path *target, unsigned long flags)
{
	struct superblock *sb = target->mnt->sb;
	bool read_only = flags & MS_RDONLY;
	int err = 0;

	if (target->dentry != target->mnt->root)
		return -EINVAL;
	if (!(flags & MS_BIND) && read_only != sb->read_only) {
		if (read_only && superblock_has_writers(sb))
			return -EBUSY;
		if (read_only)
			err = mount_sync(sb);
		if (!err && sb->ops->remount)
			err = sb->ops->remount(sb, read_only);
		if (err)
			return err;
		sb->read_only = read_only;
	}
	dcache_write_lock();
	target->mnt->flags = flags & MOUNT_FLAGS;
	dcache_write_unlock();
	return 0;
}

/* MS_BIND: show the directory or file `source` at target too. => ns_lock */
static struct mount *bind_mount(const struct path *source)
{
	struct superblock *sb = source->mnt->sb;
	struct mount *m;

	if (dentry_flags(source->dentry) & DENTRY_DELETED)
		return ERR_PTR(-ENOENT);
	m = mount_alloc(sb, dentry_get(source->dentry), source->mnt->source, source->mnt->flags);
	if (!m) {
		dentry_put(source->dentry);
		return ERR_PTR(-ENOMEM);
	}
	sb->active++;
	return m;
}

/* Attach m, or undo it. => ns_lock on entry, not on exit */
static int attach_or_put(struct mount *m, const struct path *target)
{
	int err = 0;

	if (!IS_ERR(m)) {
		bool dir = dentry_flags(m->root) & DENTRY_DIR;

		if (dentry_flags(target->dentry) & DENTRY_DELETED)
			err = -ENOENT;
		else if (dir != !!(dentry_flags(target->dentry) & DENTRY_DIR))
			err = -ENOTDIR;
		else if (target->mnt->sb == m->sb && target->dentry == m->root &&
			 target->mnt->root == m->root)
			err = -EBUSY;
		if (!err)
			mount_attach(m, target);
	}
	mutex_unlock(&ns_lock);
	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	if (err)
		mount_put(m);
	return err;
}

/* The device that a path names. 0, -ENOTBLK, -ENXIO, or of the look-up. */
static int find_device(struct fs_state *fs, const char *source, struct block_device **out)
{
	struct path p;
	int err;

	if (!source)
		return -EINVAL;
	err = path_lookup(fs, NULL, source, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	if (S_ISBLK(path_inode(&p)->mode)) {
		*out = block_find_devno(path_inode(&p)->rdev);
		err = *out ? 0 : -ENXIO;
	} else {
		err = -ENOTBLK;
	}
	path_put(&p);
	return err;
}

int mount_do(struct fs_state *fs, const char *source, const struct path *target, const char *fstype,
	unsigned long flags, const char *data)
{
	struct block_device *bdev = NULL;
	struct fs_type *type;
	struct path from;
	int err;

	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~(unsigned long)MS_MGC_MSK;
	if (flags & MS_REMOUNT) {
		mutex_lock(&ns_lock);
		err = do_remount(target, flags);
		mutex_unlock(&ns_lock);
		return err;
	}
	if (flags & MS_BIND) {
		/* A recursive bind would have to copy the mounts below. */
		if (!source || (flags & MS_REC))
			return -EINVAL;
		err = path_lookup(fs, NULL, source, LOOKUP_FOLLOW, &from);
		if (err)
			return err;
		mutex_lock(&ns_lock);
		err = attach_or_put(bind_mount(&from), target);
		path_put(&from);
		return err;
	}
	/* All mounts are private; there is no other propagation. */
	if (flags & MS_PRIVATE)
		return target->dentry == target->mnt->root ? 0 : -EINVAL;
	if (flags & (MS_MOVE | MS_UNPROPAGATED))
		return -EINVAL;
	if (!fstype)
		return -EINVAL;
	type = fs_find(fstype);
	if (!type)
		return -ENODEV;
	if (type->needs_device) {
		err = find_device(fs, source, &bdev);
		if (err)
			return err;
	}
	mutex_lock(&ns_lock);
	return attach_or_put(mount_new(type, bdev, source, flags, data), target);
}

/* Take m and everything mounted below it out of the tree, leaves first. => ns_lock */
static void detach_tree(struct mount *m)
{
	for (;;) {
		struct mount *leaf = m, *n;
		struct path at;

		/* Another umount may have come in between. */
		if (!m->parent)
			return;
		dcache_write_lock();
		while (leaf->nchildren) {
			struct mount *child = NULL;

			list_for_each_entry (n, &mounts, link)
				if (n->parent == leaf)
					child = n;
			leaf = child;
		}
		mount_detach_locked(leaf, &at);
		dcache_write_unlock();
		mutex_unlock(&ns_lock);
		path_put(&at);
		/* The tree's reference. m itself is still held by the caller's path. */
		mount_put(leaf);
		mutex_lock(&ns_lock);
		if (leaf == m)
			return;
	}
}

int mount_undo(struct fs_state *fs, const struct path *target, int flags)
{
	struct mount *m = target->mnt;
	struct path at;
	int err = 0;

	(void)fs;
	if (flags & ~(MNT_FORCE | MNT_DETACH | UMOUNT_NOFOLLOW))
		return -EINVAL;
	mutex_lock(&ns_lock);
	if (target->dentry != m->root || !m->parent) {
		err = m == root_mount && target->dentry == m->root ? -EBUSY : -EINVAL;
		mutex_unlock(&ns_lock);
		return err;
	}
	if (flags & MNT_DETACH) {
		detach_tree(m);
		mutex_unlock(&ns_lock);
		return 0;
	}
	dcache_write_lock();
	/* The tree's reference and that of target; more is a user. */
	if (m->nchildren || READ_ONCE(m->refs) > 2)
		err = -EBUSY;
	else
		mount_detach_locked(m, &at);
	dcache_write_unlock();
	mutex_unlock(&ns_lock);
	if (err)
		return err;
	path_put(&at);
	mount_put(m);
	return 0;
}

int mount_sync_all(void)
{
	struct superblock *sb;
	int err = 0;

	mutex_lock(&ns_lock);
	list_for_each_entry (sb, &superblocks, link) {
		int e = mount_sync(sb);

		if (e && !err)
			err = e;
	}
	mutex_unlock(&ns_lock);
	if (cache_sync_all() && !err)
		err = -EIO;
	return err;
}

struct superblock *mount_superblock(const struct mount *m)
{
	return m->sb;
}

unsigned mount_parent_id(const struct mount *m)
{
	unsigned id;

	mutex_lock(&ns_lock);
	id = m->parent ? m->parent->id : 0;
	mutex_unlock(&ns_lock);
	return id;
}

struct mount *mount_nth(unsigned n, struct path *at)
{
	struct mount *m, *found = NULL;

	mutex_lock(&ns_lock);
	list_for_each_entry (m, &mounts, link)
		if (!found && n-- == 0)
			found = m;
	if (found) {
		*at = (struct path){.mnt = found, .dentry = found->root};
		path_get(at);
	}
	mutex_unlock(&ns_lock);
	return found;
}
