/*
 * System calls: every one is `long sys_NAME(const uint64_t *a)` with its six argument registers,
 * listed in abi/syscall.h. It decodes and checks arguments and calls down, nothing else. Results:
 * >= 0 or -errno. => interrupts on, no lock held; may sleep
 */
#ifndef SYS_SYS_H
#define SYS_SYS_H

#include "abi/fcntl.h"
#include "abi/syscall.h"
#include "abi/time.h"
#include "fs/fdtable.h"
#include "fs/file.h"
#include "fs/path.h"
#include "mm/types.h"
#include "proc/process.h"
#include "usercopy.h"

#define SYS_PROTOTYPE(nr, name) long sys_##name(const uint64_t *a);
SYSCALL_LIST(SYS_PROTOTYPE)
#undef SYS_PROTOTYPE

/* Most bytes that one read or write moves (Linux: MAX_RW_COUNT). */
#define RW_BYTES_MAX 0x7ffff000ull

static inline struct fdtable *sys_files(void)
{
	return task_current()->files;
}

static inline struct fs_state *sys_fs(void)
{
	return task_current()->fs;
}

/* A descriptor's file with a reference, or NULL when it is not open or only a path (O_PATH). */
struct file *sys_file_get(int fd);

/* The same without a reference of its own (fd_borrow); ends with fd_return. */
static inline struct file *sys_file_borrow(int fd, bool *owned)
{
	struct file *f = fd_borrow(sys_files(), fd, owned);

	if (f && unlikely(f->mode & FMODE_PATH)) {
		fd_return(f, *owned);
		return NULL;
	}
	return f;
}

/* Change attributes of an open file, also of one that is on no path. */
int __must_check sys_file_setattr(struct file *f, const struct inode_attr *attr);

/* A path from user memory: kmalloc'd, or ERR_PTR(-EFAULT, -ENAMETOOLONG, -ENOMEM). */
char *sys_path_get(uaddr_t addr);
void sys_path_put(char *name);

#define SYS_NAME_FEW 128

/*
 * The *at calls: a name and the directory that it starts from. `at` is NULL for the cwd and
 * absolute names; else &dir, which `file` keeps.
 */
struct sys_at {
	char *name; /* `few`, or kmalloc'd when it is longer */
	const struct path *at;
	struct file *file;
	char few[SYS_NAME_FEW];
};
int __must_check sys_at_get(struct sys_at *sa, int dfd, uaddr_t name);
void sys_at_put(struct sys_at *sa);
/* Look the name up: LOOKUP_* flags. With AT_EMPTY_PATH (LOOKUP_EMPTY) and "" the descriptor itself;
 * a descriptor without a path (a pipe) gives its file in *file_out, and out is empty. */
int __must_check sys_at_lookup(struct sys_at *sa, unsigned flags, struct path *out);

/* struct timespec, struct timeval from user memory, checked. 0, -EFAULT, -EINVAL. */
int __must_check sys_timespec_get(uaddr_t addr, uint64_t *ns);
int __must_check sys_timeval_get(uaddr_t addr, uint64_t *ns);
int __must_check sys_timespec_put(uaddr_t addr, uint64_t ns);
/* A relative time-out: NULL is for ever, else now + it. */
int __must_check sys_deadline_get(uaddr_t addr, uint64_t *deadline_ns);
/* A signal mask of the size that the kernel has. 0, -EINVAL, -EFAULT. */
int __must_check sys_sigset_get(uaddr_t addr, uint64_t size, uint64_t *set);

#endif
