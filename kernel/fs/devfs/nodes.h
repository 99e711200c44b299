/* The devices that have no hardware. */
#ifndef FS_DEVFS_NODES_H
#define FS_DEVFS_NODES_H

/* null, zero, full, kmsg. */
void devfs_init_nodes(void);

#endif
