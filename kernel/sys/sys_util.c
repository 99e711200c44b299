/* What several system calls need to decode their arguments. */
#include "abi/fcntl.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "proc/sleep.h"
#include "sched/clock.h"
#include "sys/sys.h"

struct file *sys_file_get(int fd)
{
	struct file *f = fd_get(sys_files(), fd);

	if (f && unlikely(f->mode & FMODE_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

int sys_file_setattr(struct file *f, const struct inode_attr *attr)
{
	return f->path.dentry ? path_setattr(&f->path, attr) : inode_setattr(f->inode, attr);
}

char *sys_path_get(uaddr_t addr)
{
	char *name = kmalloc(PATH_MAX_LEN, 0);
	ssize_t n;

	if (!name)
		return ERR_PTR(-ENOMEM);
	n = strncpy_from_user(name, addr, PATH_MAX_LEN);
	if (n < 0) {
		kfree(name);
		return ERR_PTR(n);
	}
	return name;
}

void sys_path_put(char *name)
{
	kfree(name);
}

int sys_at_get(struct sys_at *sa, int dfd, uaddr_t name)
{
	ssize_t n = strncpy_from_user(sa->few, name, sizeof(sa->few));

	sa->at = NULL;
	sa->file = NULL;
	sa->name = sa->few;
	if (unlikely(n < 0)) {
		if (n != -ENAMETOOLONG)
			return (int)n;
		sa->name = sys_path_get(name);
		if (IS_ERR(sa->name))
			return (int)PTR_ERR(sa->name);
	}
	if (dfd == AT_FDCWD || sa->name[0] == '/')
		return 0;
	sa->file = fd_get(sys_files(), dfd);
	if (!sa->file) {
		sys_at_put(sa);
		return -EBADF;
	}
	sa->at = &sa->file->path;
	return 0;
}

void sys_at_put(struct sys_at *sa)
{
	if (unlikely(sa->name != sa->few))
		kfree(sa->name);
	if (sa->file)
		file_put(sa->file);
}

int sys_at_lookup(struct sys_at *sa, unsigned flags, struct path *out)
{
	if (sa->file && !sa->file->path.dentry)
		return -ENOTDIR; /* a pipe or the like has no place among the names */
	return path_lookup(sys_fs(), sa->at, sa->name, flags, out);
}

static int time_to_ns(int64_t sec, int64_t nsec, uint64_t *ns)
{
	if (sec < 0 || nsec < 0 || nsec >= (int64_t)NSEC_PER_SEC)
		return -EINVAL;
	if ((uint64_t)sec > UINT64_MAX / NSEC_PER_SEC - 1)
		*ns = UINT64_MAX;
	else
		*ns = (uint64_t)sec * NSEC_PER_SEC + (uint64_t)nsec;
	return 0;
}

int sys_timespec_get(uaddr_t addr, uint64_t *ns)
{
	struct abi_timespec ts;
	int err = copy_from_user(&ts, addr, sizeof(ts));

	return err ? err : time_to_ns(ts.tv_sec, ts.tv_nsec, ns);
}

int sys_timeval_get(uaddr_t addr, uint64_t *ns)
{
	struct abi_timeval tv;
	int err = copy_from_user(&tv, addr, sizeof(tv));

	if (err)
		return err;
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EINVAL;
	return time_to_ns(tv.tv_sec, tv.tv_usec * 1000, ns);
}

int sys_timespec_put(uaddr_t addr, uint64_t ns)
{
	struct abi_timespec ts = {(int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC)};

	return copy_to_user(addr, &ts, sizeof(ts));
}

int sys_deadline_get(uaddr_t addr, uint64_t *deadline_ns)
{
	uint64_t ns;
	int err;

	*deadline_ns = WAIT_FOREVER;
	if (!addr)
		return 0;
	err = sys_timespec_get(addr, &ns);
	if (!err)
		*deadline_ns = deadline_after(ns);
	return err;
}

int sys_sigset_get(uaddr_t addr, uint64_t size, uint64_t *set)
{
	if (size != sizeof(*set))
		return -EINVAL;
	return copy_from_user(set, addr, sizeof(*set));
}
