/*
 * Names: the dentry cache and path walk. A dentry is a name in a directory (inode NULL: known not
 * to exist).
 */
#ifndef FS_PATH_H
#define FS_PATH_H

#include "lib/list.h"
#include "sync/spinlock.h"

struct inode;
struct mount;
struct dentry;
struct file;

#define NAME_MAX_LEN 255
#define PATH_MAX_LEN 4096

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};

/* Working directory, root, umask: shared by threads (CLONE_FS), owned by the process layer. */
struct fs_state {
	uint32_t refs;	       /* (a) */
	struct spinlock lock;  /* (78) */
	struct path cwd, root; /* (78) */
	uint32_t umask;	       /* (78) */
};
struct fs_state *fs_state_create(void); /* root and cwd: the root mount; umask 022 */
struct fs_state *fs_state_clone(struct fs_state *fs);
struct fs_state *fs_state_get(struct fs_state *fs);
void fs_state_put(struct fs_state *fs);

void path_get(const struct path *p);
void path_put(struct path *p);			/* may sleep; NULL members are harmless */
struct inode *path_inode(const struct path *p); /* no reference */

#define LOOKUP_FOLLOW	 0x1u /* follow a symbolic link at the end */
#define LOOKUP_DIRECTORY 0x2u /* -ENOTDIR if it is none */
#define LOOKUP_EMPTY	 0x4u /* AT_EMPTY_PATH */

/* at NULL: the cwd. 0, -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EIO. out carries references. May
 * sleep. */
int __must_check path_lookup(struct fs_state *fs, const struct path *at, const char *name,
	unsigned flags, struct path *out);
/* Open or create: flags and mode are open(2)'s. ERR_PTR. */
struct file *path_open(struct fs_state *fs, const struct path *at, const char *name, uint32_t flags,
	uint32_t mode);
int __must_check path_mknod(
	struct fs_state *fs, const struct path *at, const char *name, uint32_t mode, uint32_t rdev);
int __must_check path_mkdir(
	struct fs_state *fs, const struct path *at, const char *name, uint32_t mode);
int __must_check path_unlink(struct fs_state *fs, const struct path *at, const char *name);
int __must_check path_rmdir(struct fs_state *fs, const struct path *at, const char *name);
int __must_check path_symlink(
	struct fs_state *fs, const char *target, const struct path *at, const char *name);
int __must_check path_link(
	struct fs_state *fs, const struct path *old, const struct path *at, const char *name);
int __must_check path_rename(struct fs_state *fs, const struct path *oldat, const char *oldname,
	const struct path *newat, const char *newname, unsigned flags);
int __must_check path_truncate(const struct path *p, uint64_t size);
struct inode_attr;
int __must_check path_setattr(const struct path *p, const struct inode_attr *attr);
ssize_t path_readlink(const struct path *p, char *buf, size_t size);
/* The name from fs's root, NUL-terminated at the end of buf: pointer into buf, or
 * ERR_PTR(-ENAMETOOLONG, -ENOENT). */
char *path_name(struct fs_state *fs, const struct path *p, char *buf, size_t size);
/* The same for a person: " (deleted)" behind the name of what was removed. */
char *path_describe(struct fs_state *fs, const struct path *p, char *buf, size_t size);
/* Inode number of the directory above (".." of readdir); at a root its own. */
uint64_t path_parent_ino(const struct path *p);
/* chdir, chroot: takes references of p. */
void fs_state_set_cwd(struct fs_state *fs, const struct path *p);
void fs_state_set_root(struct fs_state *fs, const struct path *p);
void fs_state_get_cwd(struct fs_state *fs, struct path *out); /* with references */
void fs_state_get_root(struct fs_state *fs, struct path *out);
/* Drop unused dentries and inodes (drop_caches 2, memory pressure). Returns how many. */
uint64_t dcache_shrink(void); /* => nothing held */
/* All of fs: caches, files, pipes, tmpfs. After the slab caches; before any driver registers a
 * node. */
void path_init(void);

#endif
