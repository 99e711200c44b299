/* The lock of the tree of names, and the list of mounts. Inside fs. */
#ifndef FS_NAMESPACE_H
#define FS_NAMESPACE_H

#include "fs/mount.h"

/* Rank 20: mounts do not change, and no directory moves to another parent. */
void namespace_lock(void);
void namespace_unlock(void);
/* The n-th mount in order of mounting; *at: its root, with references (put it). NULL: no more. */
struct mount *mount_nth(unsigned n, struct path *at);
/* The number of the mount that it is on; 0: on none. */
unsigned mount_parent_id(const struct mount *m);
/* In-kernel tests without a root device: a file system that needs none becomes the root. */
int __must_check mount_root_kernel(const char *fstype);

#endif
