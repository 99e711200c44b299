/*
 * Inodes and super blocks: what a file system provides. Fields: (30) the inode's lock (21 for
 * directories), (a) atomic, (c) constant, (78) small spinlock.
 */
#ifndef FS_INODE_H
#define FS_INODE_H

#include "lib/list.h"
#include "mm/object.h"
#include "sync/rwlock.h"

struct superblock;
struct inode;
struct file;
struct file_ops;
struct block_device;
struct path;
struct fs_statfs;
struct dentry;
struct pipe;
struct direct_run;

struct timespec64 {
	int64_t sec;
	int64_t nsec;
};

/* What setattr changes: bits of valid. */
#define ATTR_MODE  0x01u
#define ATTR_UID   0x02u
#define ATTR_GID   0x04u
#define ATTR_SIZE  0x08u
#define ATTR_ATIME 0x10u
#define ATTR_MTIME 0x20u
#define ATTR_CHOWN 0x40u /* even to the same owner: a program is set-id no more */
struct inode_attr {
	unsigned valid;
	uint32_t mode, uid, gid;
	uint64_t size;
	struct timespec64 atime, mtime;
};

/*
 * Directory operations: the VFS holds dir->lock for writing (lookup: at least for reading; none for
 * no_cache file systems), for rename both directories', and the lock of a directory that rmdir or
 * rename removes. The lock (30) of another inode that is named (its nlink, ctime) is not held: take
 * it. Names have been checked for length and slashes, existence was checked
 * by lookup. Results carry a reference. Absent hooks: -EPERM for creating ones, -ENOTDIR for
 * lookup.
 */
struct inode_ops {
	int (*lookup)(
		struct inode *dir, const char *name, size_t len, struct inode **out); /* -ENOENT */
	/* Regular files, devices, FIFOs, sockets by mode & S_IFMT. */
	int (*mknod)(struct inode *dir, const char *name, size_t len, uint32_t mode, uint32_t rdev,
		struct inode **out);
	int (*mkdir)(
		struct inode *dir, const char *name, size_t len, uint32_t mode, struct inode **out);
	int (*symlink)(struct inode *dir, const char *name, size_t len, const char *target,
		struct inode **out);
	int (*link)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	int (*unlink)(struct inode *dir, const char *name, size_t len, struct inode *inode);
	int (*rmdir)(struct inode *dir, const char *name, size_t len,
		struct inode *inode); /* -ENOTEMPTY */
	/* target: what newname names now, or NULL; RENAME_EXCHANGE and RENAME_NOREPLACE are
	 * resolved or refused by the VFS. */
	int (*rename)(struct inode *olddir, const char *oldname, size_t oldlen, struct inode *inode,
		struct inode *newdir, const char *newname, size_t newlen, struct inode *target);
	/* The target of a symbolic link into buf (no NUL); returns the length. */
	ssize_t (*readlink)(struct inode *inode, char *buf, size_t size);
	/* procfs: jump straight to a path (/proc/self/exe, fd/N). *out gets references. */
	int (*follow)(struct inode *inode, struct path *out);
	/*
	 * => inode locked for writing. Size: the VFS calls cache_truncate itself, before this when
	 * the file shrinks (free the blocks past the end), after it when it grows. Absent:
	 * inode_setattr_copy.
	 */
	int (*setattr)(struct inode *inode, const struct inode_attr *attr);
	/*
	 * O_DIRECT: where do the bytes of a regular file from off on lie on sb->bdev? off is a
	 * multiple of 512. => inode locked, as long as the answer is used. Absent: O_DIRECT is
	 * refused.
	 */
	int (*map_direct)(struct inode *inode, uint64_t off, uint64_t max, bool write,
		struct direct_run *run);
	/* Refresh the fields below before stat (procfs); absent: they are true. */
	int (*getattr)(struct inode *inode);
};

struct inode {
	uint32_t refs;		  /* (a) */
	struct superblock *sb;	  /* (c) */
	uint64_t ino;		  /* (c) */
	uint32_t mode;		  /* (30) type bits (c) */
	uint32_t nlink, uid, gid; /* (30) */
	uint32_t rdev;		  /* (c) */
	uint32_t blksize;
	uint64_t blocks; /* (30) 512-byte units */
	uint64_t size;	 /* (30) bytes of what has no object: directories, symbolic links */
	struct timespec64 atime, mtime, ctime; /* (30) */
	struct rwlock lock;		       /* rank 30; directories 21 */
	struct vm_object *object;    /* (c) regular files: pages; its vo_size is the file's size */
	const struct inode_ops *ops; /* (c) */
	const struct file_ops *fops; /* (c) given to files that open it */
	int32_t writecount; /* (a) > 0: open for writing so often; < 0: run as a program (ETXTBSY) */
	uint32_t seals; /* (30) F_SEAL_*: what may not be done with the contents any more (memfd) */
	bool dirty;	/* (30) on-disk inode is behind */
	bool dead;	/* (21) a directory that was removed: nothing may be made in it */
	uint32_t state; /* INODE_* of inode.c, under its cache's lock */
	struct pipe *pipe;	 /* (30) a FIFO that somebody has open */
	void *flocks;		 /* (a) struct lock_list of locks.c: made at the first lock */
	struct list sb_link;	 /* in sb->inodes, under sb->lock */
	struct inode *hash_next; /* under the cache's lock */
	void *priv;		 /* the file system's */
};

/* The file's length: of the object when it has one (regular files), else `size`. */
static inline uint64_t inode_size(const struct inode *inode)
{
	return inode->object ? READ_ONCE(inode->object->vo_size) : inode->size;
}

struct superblock_ops {
	/* Free what the file system keeps for an inode; nlink 0: free its blocks and the inode
	 * itself. Last reference went. The VFS has written back and discarded the pages (nlink 0:
	 * only discarded), called write_inode if it was dirty, and drops inode->object
	 * afterwards. No lock is held. */
	void (*evict)(struct inode *inode);
	/* Write the inode's metadata to the device's cache. */
	int (*write_inode)(struct inode *inode);
	int (*sync)(struct superblock *sb); /* all metadata to the device */
	int (*statfs)(struct superblock *sb, struct fs_statfs *st);
	int (*remount)(struct superblock *sb, bool read_only);
	void (*unmount)(struct superblock *sb); /* after sync; free sb->priv */
};

struct fs_statfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree, namelen;
};

struct superblock {
	const struct superblock_ops *ops; /* (c) */
	const char *fs_name;		  /* (c) */
	uint32_t devno;			  /* (c) st_dev */
	uint64_t max_size; /* (c) largest file in bytes (-EFBIG beyond); 0: INT64_MAX */
	bool read_only;
	/* (c) procfs: do not keep looked-up names; no directory is changed through the VFS, so
	 * lookup and readdir are called without the directory's lock (they take the locks of
	 * processes, which rank lower). */
	bool no_cache;
	struct inode *root;	   /* (c) one reference, given by fs_type.mount */
	struct block_device *bdev; /* (c) or NULL */
	struct spinlock lock;	   /* (78) guards inodes */
	struct list inodes;
	struct list link;	    /* mount.c: all super blocks in use */
	uint32_t active;	    /* mount.c: mounts of it */
	struct dentry *root_dentry; /* mount.c */
	void *priv;
};

/* An empty super block with a device number of its own (replace it by bdev->devno where there is
 * one). ERR_PTR(-ENOMEM). Freed by the VFS after ops->unmount, or by superblock_free when mount
 * fails. */
struct superblock *superblock_alloc(const char *fs_name, const struct superblock_ops *ops);
void superblock_free(struct superblock *sb);

/* A kind of file system, by name for mount(2). */
struct fs_type {
	const char *name;
	bool needs_device;
	/* Make a superblock with its root inode. data: mount options or NULL. */
	int (*mount)(struct block_device *bdev, bool read_only, const char *data,
		struct superblock **out);
	struct list link;
};
void fs_register(struct fs_type *type);
struct fs_type *fs_find(const char *name);
struct fs_type *fs_nth(unsigned n);

/* New inode of sb, one reference, fields zero, lock ready. ERR_PTR(-ENOMEM). Regular files: the
 * caller sets object. */
struct inode *inode_alloc(struct superblock *sb, uint64_t ino, uint32_t mode);
/* The cached inode of (sb, ino) with a reference, or NULL. Waits while that inode is being evicted.
 * => nothing of rank 30 or above */
struct inode *inode_find(struct superblock *sb, uint64_t ino);
/* Enter into the (sb, ino) cache; when another was faster, that one is returned with a reference
 * and `inode` is freed (evict is not called: its priv must be NULL or owned elsewhere). */
struct inode *inode_hash(struct inode *inode);
struct inode *inode_get(struct inode *inode);
void inode_put(struct inode *inode); /* may sleep and do I/O. => no lock of rank 21 or above */
void inode_touch(struct inode *inode,
	unsigned which); /* ATTR_ATIME | ATTR_MTIME, ctime with MTIME; marks dirty */

/* chmod, chown, utimes, truncate of a regular file, without the check of a mount. Takes the inode's
 * lock. 0, -ETXTBSY, -EFBIG, -EIO. */
int __must_check inode_setattr(struct inode *inode, const struct inode_attr *attr);
/* Copy mode, owner and times of attr into the inode, set ctime, mark it dirty. => locked (30) */
void inode_setattr_copy(struct inode *inode, const struct inode_attr *attr);
/* Write the inode's metadata and pages to the device's cache and wait. 0 or -EIO. */
int __must_check inode_write_back(struct inode *inode);
/* ETXTBSY: claim write access, or the right to run it as a program; each is refused while the other
 * is held. 0 or -ETXTBSY. */
int __must_check inode_get_write(struct inode *inode);
void inode_put_write(struct inode *inode);
int __must_check inode_deny_write(struct inode *inode);
void inode_allow_write(struct inode *inode);
struct timespec64 timespec_now(void); /* CLOCK_REALTIME */
/* Write back every inode of sb that is in use. The first error. => no lock of rank 21 or above */
int inode_sync_superblock(struct superblock *sb);
void inode_init(void);

#define S_IFMT	    0170000u
#define S_IFSOCK    0140000u
#define S_ISUID	    04000
#define S_ISGID	    02000
#define S_IXGRP	    00010
#define S_IFLNK	    0120000u
#define S_IFREG	    0100000u
#define S_IFBLK	    0060000u
#define S_IFDIR	    0040000u
#define S_IFCHR	    0020000u
#define S_IFIFO	    0010000u
#define S_ISREG(m)  (((m)&S_IFMT) == S_IFREG)
#define S_ISDIR(m)  (((m)&S_IFMT) == S_IFDIR)
#define S_ISLNK(m)  (((m)&S_IFMT) == S_IFLNK)
#define S_ISBLK(m)  (((m)&S_IFMT) == S_IFBLK)
#define S_ISCHR(m)  (((m)&S_IFMT) == S_IFCHR)
#define S_ISFIFO(m) (((m)&S_IFMT) == S_IFIFO)

#define MKDEV(major, minor) \
	(((uint32_t)(major) << 8) | ((minor)&0xffu) | (((uint32_t)(minor) & ~0xffu) << 12))
#define DEV_MAJOR(d) (((d) >> 8) & 0xfffu)
#define DEV_MINOR(d) (((d)&0xffu) | (((d) >> 12) & 0xfff00u))

#endif
