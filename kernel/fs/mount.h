/* Mounts: which file system is seen at which directory. */
#ifndef FS_MOUNT_H
#define FS_MOUNT_H

#include "fs/inode.h"
#include "fs/path.h"

/* At boot: device name ("/dev/ram0") as the root. */
int __must_check mount_root(const char *device, const char *fstype, bool read_only);
/* mount(2) and umount2(2) after the paths were looked up. source: device path or any word. flags:
 * Linux's MS_*. */
int __must_check mount_do(struct fs_state *fs, const char *source, const struct path *target,
	const char *fstype, unsigned long flags, const char *data);
int __must_check mount_undo(struct fs_state *fs, const struct path *target, int flags);
/* Everything to the devices. */
int mount_sync_all(void);
/* For /proc/mounts: text of the n-th mount in fstab form; false: no more. */
bool mount_describe(struct fs_state *fs, unsigned n, char *buf, size_t size);
struct superblock *mount_superblock(const struct mount *m);

#endif
