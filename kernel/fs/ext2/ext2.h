/* The second extended file system, as the kernel starts it. Inside: ext2_priv.h. */
#ifndef FS_EXT2_H
#define FS_EXT2_H

/* Registers the file-system type "ext2". */
void ext2_init(void);

#endif
