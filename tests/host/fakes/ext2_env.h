/*
 * ext2 on the host: a volume in memory, made by mke2fs and judged by e2fsck, mounted by the real
 * kernel/fs/ext2 over the real page cache, with a small VFS that takes the locks as the kernel's
 * does.
 *
 *	env_make("-b 1024", 8 << 20);		mke2fs
 *	env_mount(false);			env.sb, env.root
 *	...					env_create, env_write, ...
 *	env_unmount();
 *	assert_true(env_fsck_clean());		e2fsck -fn
 */
#ifndef EXT2_ENV_H
#define EXT2_ENV_H

#include "fs/inode.h"

struct ext2_env {
	uint8_t *disk; /* the volume */
	uint64_t size;
	struct block_device *bdev;
	struct superblock *sb;
	struct inode *root;
	/* Faults: the n-th request from now on fails (0: none); all after it too if sticky. */
	uint64_t fail_at;
	bool fail_sticky;
	unsigned lost; /* write-backs that failed at the end */
	uint64_t requests, sectors_written, flushes;
};
extern struct ext2_env env;

/* A fresh volume; options as for mke2fs -t ext2. */
void env_make(const char *options, uint64_t size);
/* Copy and restore the volume (not mounted). */
uint8_t *env_snapshot(void);
void env_restore(const uint8_t *snapshot);
/* 0 or what mount answered. */
int env_mount(bool read_only);
void env_unmount(void);
/* sync(2): pages, inodes, super block. */
int env_sync(void);
/* Drop everything that is clean from the caches. */
void env_drop_caches(void);
/* Is `e2fsck -fn` content? Its output goes to stderr if not. */
bool env_fsck_clean(void);

/* Lookup with the directory locked; *out has a reference. */
int env_lookup(struct inode *dir, const char *name, struct inode **out);
int env_create(struct inode *dir, const char *name, uint32_t mode, struct inode **out);
int env_mkdir(struct inode *dir, const char *name, struct inode **out);
int env_symlink(struct inode *dir, const char *name, const char *target);
int env_link(struct inode *dir, const char *name, struct inode *inode);
int env_unlink(struct inode *dir, const char *name);
int env_rmdir(struct inode *dir, const char *name);
int env_rename(
	struct inode *olddir, const char *oldname, struct inode *newdir, const char *newname);
/* Bytes moved, or -errno. */
int64_t env_write(struct inode *inode, uint64_t pos, const void *buf, size_t n);
int64_t env_read(struct inode *inode, uint64_t pos, void *buf, size_t n);
int env_truncate(struct inode *inode, uint64_t size);
/* Calls fn for each entry of a directory; 0 or -errno. */
int env_readdir(struct inode *dir,
	void (*fn)(const char *name, size_t len, uint64_t ino, unsigned type, void *arg),
	void *arg);

#endif
