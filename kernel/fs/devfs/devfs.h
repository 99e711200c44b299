/* devfs (devtmpfs): device nodes that drivers register. */
#ifndef FS_DEVFS_H
#define FS_DEVFS_H

#include "fs/file.h"

/*
 * mode has S_IFCHR or S_IFBLK. ops serve every open of a node with that number, on any file system.
 */
int __must_check devfs_register(
	const char *name, uint32_t mode, uint32_t devno, const struct file_ops *ops, void *priv);
/* What opens of (type, devno) use; NULL: no such device (-ENXIO). */
const struct file_ops *devfs_lookup(uint32_t mode, uint32_t devno, void **priv);
/* Open a node by its name whether or not anybody has mounted devfs (init's console). ERR_PTR. */
struct file *devfs_open(struct fs_state *fs, const char *name, uint32_t flags);
void devfs_init(void);

#endif
