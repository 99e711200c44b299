/*
 * tmpfs: files in memory. Each regular file is a zero object; names live in the directory's inode.
 */
#ifndef FS_TMPFS_H
#define FS_TMPFS_H

#include "fs/file.h"

/* Registers the file-system type "tmpfs" and makes the kernel's own instance for memfd. */
void tmpfs_init(void);
/* A super block of its own (devfs). limit: most bytes of file pages, 0: none. */
int __must_check tmpfs_create_superblock(
	const char *fs_name, uint64_t limit, struct superblock **out);
/* An open, empty regular file that no directory names (memfd_create). flags: O_RDWR and the like.
 * name is shown in /proc/PID/maps. may_seal: F_ADD_SEALS works. ERR_PTR. */
struct file *tmpfs_create_file(const char *name, uint32_t flags, bool may_seal);
/* Make a node in the root directory of a tmpfs super block: device nodes and links of devfs. */
int __must_check tmpfs_add_node(
	struct superblock *sb, const char *name, uint32_t mode, uint32_t rdev);
int __must_check tmpfs_add_dir(struct superblock *sb, const char *name, uint32_t mode);
int __must_check tmpfs_add_symlink(struct superblock *sb, const char *name, const char *target);

#endif
