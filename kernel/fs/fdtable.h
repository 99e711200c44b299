/* Descriptor tables, shared by threads (CLONE_FILES). */
#ifndef FS_FDTABLE_H
#define FS_FDTABLE_H

#include "fs/file.h"

#define FD_EMBEDDED 64u

/* (a) atomic; (78) under the lock, or read by the owner of a table with one reference */
struct fdtable {
	uint32_t refs; /* (a) */
	unsigned size; /* (78) slots: a multiple of 64 */
	unsigned hint; /* (78) no free slot is below */
	struct spinlock lock;
	struct file **files; /* (78) */
	uint64_t *open;	     /* (78) slot taken or claimed */
	uint64_t *cloexec;   /* (78) */
	struct file *files0[FD_EMBEDDED];
	uint64_t open0[1], cloexec0[1];
};

struct fdtable *fdtable_create(void);		  /* ERR_PTR */
struct fdtable *fdtable_clone(struct fdtable *t); /* fork */
struct fdtable *fdtable_get(struct fdtable *t);
void fdtable_put(struct fdtable *t); /* the last put closes all files */
uint32_t fdtable_refs(const struct fdtable *t);
/* exec: close those with FD_CLOEXEC. */
void fdtable_close_on_exec(struct fdtable *t);

/* The file of fd with a reference, or NULL. */
struct file *fd_get(struct fdtable *t, int fd);
/*
 * The same for the length of one system call of the table's owner, without the cost of a reference:
 * while the table is the caller's alone nobody else can close the file, and the caller does not do
 * so before fd_return.
 */
static inline struct file *fd_borrow(struct fdtable *t, int fd, bool *owned)
{
	*owned = unlikely(READ_ONCE(t->refs) != 1);
	if (*owned)
		return fd_get(t, fd);
	return likely((unsigned)fd < t->size) ? t->files[fd] : NULL;
}

static inline void fd_return(struct file *f, bool owned)
{
	if (unlikely(owned))
		file_put(f);
}

/* Lowest free descriptor >= from, below limit: takes over the reference. fd, -EMFILE, -ENOMEM. */
int __must_check fd_install(
	struct fdtable *t, struct file *f, int from, uint64_t limit, bool cloexec);
/* dup2: put f (takes over the reference) at fd exactly, closing what was there. */
int __must_check fd_replace(
	struct fdtable *t, int fd, struct file *f, uint64_t limit, bool cloexec);
int __must_check fd_close(struct fdtable *t, int fd); /* -EBADF */
/* All of [first, last] that are open: close them, or mark them to be closed by exec. */
void fd_close_range(struct fdtable *t, unsigned first, unsigned last);
void fd_set_cloexec_range(struct fdtable *t, unsigned first, unsigned last);
int __must_check fd_get_cloexec(struct fdtable *t, int fd); /* 0, 1, -EBADF */
int __must_check fd_set_cloexec(struct fdtable *t, int fd, bool on);
/*
 * Frames that its files keep (held_pages), each file's divided by who else has it. False: the table
 * is in use just now, look again. => any spinning lock that keeps the table, interrupts off
 */
bool __must_check fd_held_pages_try(struct fdtable *t, uint64_t *pages);
/* The next open descriptor >= fd, or -1 (for /proc/PID/fd). */
int fd_next(struct fdtable *t, int fd);

#endif
