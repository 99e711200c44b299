/* Inside tmpfs. */
#ifndef FS_TMPFS_PRIV_H
#define FS_TMPFS_PRIV_H

#include "fs/tmpfs/tmpfs.h"
#include "lib/rbtree.h"
#include "mm/object.h"

#define TMPFS_FIRST_COOKIE 2u  /* positions 0 and 1 are "." and ".." */
#define TMPFS_ENTRY_SIZE   20u /* what an entry adds to its directory's size, as on Linux */

struct tmpfs_super {
	struct vm_quota pages; /* of all files; limit 0: none, and not counted */
	uint64_t next_ino;     /* (a) */
	uint64_t ninodes;      /* (a) */
	struct list doomed;    /* unmount: nodes whose entry went */
	bool dropping;
};

/* inode.priv */
struct tmpfs_node {
	struct inode *inode;	  /* (c) */
	struct rb_tree by_name;	  /* (21) directories */
	struct rb_tree by_cookie; /* (21) */
	uint64_t next_cookie;	  /* (21) */
	char *target;		  /* (c) symbolic links */
	struct list doomed;
};

struct tmpfs_entry {
	struct rb_node name_node, cookie_node; /* (21) of the directory */
	struct inode *inode;		       /* reference */
	uint64_t cookie;
	uint8_t len;
	char name[];
};

extern const struct inode_ops tmpfs_dir_ops, tmpfs_node_ops;
extern const struct file_ops tmpfs_dir_file_ops, tmpfs_file_ops;

/* ERR_PTR. One reference, nlink 1 (directories 2). */
struct inode *tmpfs_inode_create(struct superblock *sb, uint32_t mode, uint32_t rdev);

/* tmpfs_file.c */
int __must_check tmpfs_file_setup(struct inode *inode); /* the object of a regular file */
void tmpfs_file_forget(struct inode *inode);		/* it goes; its object may outlive it */
int tmpfs_setattr(struct inode *inode, const struct inode_attr *attr);
int tmpfs_getattr(struct inode *inode);
int tmpfs_fsync(struct file *f, bool datasync);
void tmpfs_file_init(void);

#endif
