/* Mounts: which file system is seen at which directory. One tree for all processes. */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include "fs/inode.h"
#include "fs/path.h"

/* Fields: (a) atomic, (c) constant, (w) written under the dentry cache's write lock. */
struct mount {
	uint32_t refs;	       /* (a) paths, child mounts, and one while it is in the tree */
	uint32_t nchildren;    /* (w) mounts on directories of this one */
	struct superblock *sb; /* (c) */
	struct dentry *root;   /* (c) reference: what is seen at the mount point */
	struct mount *parent;  /* (w) reference; NULL: the first root, or detached */
	struct dentry *point;  /* (w) reference: the directory it covers */
	unsigned long flags;   /* (w) MS_RDONLY, MS_NOSUID, ...: of this mount alone */
	struct list link;      /* (w) all mounts, in order of mounting */
	char *source;	       /* (c) as given to mount(2) */
	unsigned id;	       /* (c) */
	bool lone;	       /* (c) of mount_lone_inode: the inode has no name */
};

static inline struct mount *mount_get(struct mount *m)
{
	__atomic_fetch_add(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}
/* The last put of a detached mount ends its file system, if no other mount shows it. May sleep. */
void mount_put(struct mount *m);
/* The mount on (mnt, d), or NULL; the one mounted last. => read section */
struct mount *mount_on(const struct mount *mnt, const struct dentry *d);
/* -EROFS when nothing may be changed through this mount. */
int __must_check mount_check_write(const struct mount *m);

/* At boot: device name ("/dev/ram0") as the root. 0, -ENODEV (device or file system), -EINVAL (no
 * such file system on it), -EIO. fstype NULL: each that takes a device is tried. */
int __must_check mount_root(const char *device, const char *fstype, bool read_only);
/*
 * A mount that is in no tree, for the kernel's own use. One reference; path: its root, or ERR_PTR.
 */
struct mount *mount_kernel(const char *fstype, const char *data);
/* A path to an inode that is on none (a pipe, a memfd), so that it can be opened and looked at once
 * more: the root of a mount of its own, in no tree, that lasts as long as the path. 0, -ENOMEM. */
int __must_check mount_lone_inode(struct inode *inode, struct path *out);
/* mount(2) and umount2(2) after the paths were looked up. source: device path or any word. flags:
 * Linux's MS_*. */
int __must_check mount_do(struct fs_state *fs, const char *source, const struct path *target,
	const char *fstype, unsigned long flags, const char *data);
int __must_check mount_undo(struct fs_state *fs, const struct path *target, int flags);
/* Everything to the devices. */
int mount_sync_all(void);
/* One file system (syncfs). */
int __must_check mount_sync(struct superblock *sb);
/* For /proc/mounts: text of the n-th mount in fstab form; false: no more. */
bool mount_describe(struct fs_state *fs, unsigned n, char *buf, size_t size);
/* The same as a line of /proc/PID/mountinfo. */
bool mount_describe_info(struct fs_state *fs, unsigned n, char *buf, size_t size);
struct superblock *mount_superblock(const struct mount *m);
/* f_flags of statfs(2): ST_*. */
unsigned long mount_statfs_flags(const struct mount *m);
/* The root of the tree with references; false: nothing is mounted yet. */
bool mount_get_root(struct path *out);
void mount_init(void);

#endif
