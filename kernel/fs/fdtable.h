/* Descriptor tables, shared by threads (CLONE_FILES). */
#ifndef FS_FDTABLE_H
#define FS_FDTABLE_H

#include "fs/file.h"

struct fdtable;

struct fdtable *fdtable_create(void);		  /* ERR_PTR */
struct fdtable *fdtable_clone(struct fdtable *t); /* fork */
struct fdtable *fdtable_get(struct fdtable *t);
void fdtable_put(struct fdtable *t); /* the last put closes all files */
uint32_t fdtable_refs(const struct fdtable *t);
/* exec: close those with FD_CLOEXEC. */
void fdtable_close_on_exec(struct fdtable *t);

/* The file of fd with a reference, or NULL. */
struct file *fd_get(struct fdtable *t, int fd);
/* Lowest free descriptor >= from, below limit: takes over the reference. fd, -EMFILE, -ENOMEM. */
int __must_check fd_install(
	struct fdtable *t, struct file *f, int from, uint64_t limit, bool cloexec);
/* dup2: put f (takes over the reference) at fd exactly, closing what was there. */
int __must_check fd_replace(
	struct fdtable *t, int fd, struct file *f, uint64_t limit, bool cloexec);
int __must_check fd_close(struct fdtable *t, int fd); /* -EBADF */
int __must_check fd_close_range(
	struct fdtable *t, unsigned first, unsigned last, bool only_cloexec);
int __must_check fd_get_cloexec(struct fdtable *t, int fd); /* 0, 1, -EBADF */
int __must_check fd_set_cloexec(struct fdtable *t, int fd, bool on);
/* The next open descriptor >= fd, or -1 (for /proc/PID/fd). */
int fd_next(struct fdtable *t, int fd);

#endif
