/* File locks: flock(2) and POSIX record locks (fcntl(2)), advisory, per inode. */
#ifndef FS_LOCKS_H
#define FS_LOCKS_H

#include "fs/file.h"

/* The pid of record locks that an open file owns. */
#define LOCK_PID_OFD (-1)

/* A lock wanted or found. end: last byte, INT64_MAX: to the end of the file and beyond. */
struct file_lock_range {
	uint64_t start, end;
	int16_t type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	int32_t pid;  /* F_GETLK: who holds it; 0 on the way in */
};

/* flock(2): op is LOCK_SH, LOCK_EX or LOCK_UN, with LOCK_NB. 0, -EWOULDBLOCK, -EINVAL, -ENOLCK,
 * -ERESTARTSYS. May sleep. */
int __must_check locks_flock(struct file *f, int op);
/*
 * fcntl(2) F_SETLK, F_SETLKW (wait). owner: the descriptor table, as on Linux (closing any of its
 * descriptors of the file releases the locks), or for F_OFD_* f itself, whose end releases them;
 * pid: shown by F_GETLK. 0, -EAGAIN, -EBADF (mode), -EDEADLK, -ENOLCK, -ERESTARTSYS.
 */
int __must_check locks_set(struct file *f, const void *owner, int32_t pid,
	const struct file_lock_range *want, bool wait);
/* F_GETLK: the first lock that stands in the way; type F_UNLCK if none does. */
void locks_test(struct file *f, const void *owner, struct file_lock_range *range);
/* close(2) of any descriptor of the file by the owner: all its record locks on it go. Cheap when
 * there are none. */
void locks_release_owner(struct file *f, const void *owner);
/* The last reference of the open file went: its flock goes. */
void locks_release_file(struct file *f);

void locks_init(void);

#endif
