/* Descriptors: open and close, duplicates, flags, locks, pipes. */
#include "abi/fcntl.h"
#include "fs/locks.h"
#include "fs/pipe.h"
#include "proc/rlimit.h"
#include "sys/sys.h"

static uint64_t fd_limit(void)
{
	return rlimit_get(process_current(), RLIMIT_NOFILE);
}

long sys_close(const uint64_t *a)
{
	return fd_close(sys_files(), (int)a[0]);
}

long sys_close_range(const uint64_t *a)
{
	unsigned first = (unsigned)a[0], last = (unsigned)a[1], flags = (unsigned)a[2];
	struct task *task = task_current();

	if (first > last || (flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
		return -EINVAL;
	if ((flags & CLOSE_RANGE_UNSHARE) && fdtable_refs(task->files) > 1) {
		struct fdtable *own = fdtable_clone(task->files), *old = task->files;
		irqflags_t irq;

		if (IS_ERR(own))
			return PTR_ERR(own);
		irq = process_lock(task->process);
		task->files = own;
		process_unlock(task->process, irq);
		fdtable_put(old);
	}
	if (flags & CLOSE_RANGE_CLOEXEC)
		fd_set_cloexec_range(sys_files(), first, last);
	else
		fd_close_range(sys_files(), first, last);
	return 0;
}

static long dup_from(int fd, int from, bool cloexec)
{
	struct file *f;
	int out;

	f = fd_get(sys_files(), fd);
	if (!f)
		return -EBADF;
	out = fd_install(sys_files(), f, from, fd_limit(), cloexec);
	if (out < 0)
		file_put(f);
	return out;
}

long sys_dup(const uint64_t *a)
{
	return dup_from((int)a[0], 0, false);
}

static long dup_to(int fd, int to, bool cloexec)
{
	struct file *f = fd_get(sys_files(), fd);
	int err;

	if (!f)
		return -EBADF;
	err = fd_replace(sys_files(), to, f, fd_limit(), cloexec);
	if (err < 0) {
		file_put(f);
		return err;
	}
	return to;
}

long sys_dup2(const uint64_t *a)
{
	int fd = (int)a[0];

	if (fd == (int)a[1]) {
		int err = fd_get_cloexec(sys_files(), fd);

		return err < 0 ? err : fd;
	}
	return dup_to(fd, (int)a[1], false);
}

long sys_dup3(const uint64_t *a)
{
	if ((a[2] & ~(uint64_t)O_CLOEXEC) || (int)a[0] == (int)a[1])
		return -EINVAL;
	return dup_to((int)a[0], (int)a[1], a[2] & O_CLOEXEC);
}

/* struct flock <-> range of bytes from the beginning of the file. 0, -EINVAL, -EOVERFLOW. */
static int flock_to_range(struct file *f, const struct abi_flock *fl, struct file_lock_range *r)
{
	int64_t base, start, end;

	switch (fl->l_whence) {
	case SEEK_SET:
		base = 0;
		break;
	case SEEK_CUR:
		base = (int64_t)READ_ONCE(f->pos);
		break;
	case SEEK_END:
		base = (int64_t)inode_size(f->inode);
		break;
	default:
		return -EINVAL;
	}
	if (fl->l_type != F_RDLCK && fl->l_type != F_WRLCK && fl->l_type != F_UNLCK)
		return -EINVAL;
	if (__builtin_add_overflow(base, fl->l_start, &start))
		return -EOVERFLOW;
	end = INT64_MAX;
	if (fl->l_len > 0 && __builtin_add_overflow(start, fl->l_len - 1, &end))
		return -EOVERFLOW;
	if (fl->l_len < 0) {
		end = start - 1;
		if (__builtin_add_overflow(start, fl->l_len, &start))
			return -EINVAL;
	}
	if (start < 0)
		return -EINVAL;
	r->start = (uint64_t)start;
	r->end = (uint64_t)end;
	r->type = fl->l_type;
	r->pid = 0;
	return 0;
}

/*
 * Set a lock. A descriptor that another thread closed meanwhile took its locks with it, but not
 * this one.
 */
static long fcntl_set_lock(struct file *f, int fd, struct file_lock_range *r, bool wait)
{
	int err = locks_set(f, sys_files(), process_current()->node.nr, r, wait);
	struct file *now;

	if (err || r->type == F_UNLCK)
		return err;
	now = fd_get(sys_files(), fd);
	if (now != f) {
		r->type = F_UNLCK;
		(void)!locks_set(f, sys_files(), 0, r, false);
		err = -EBADF;
	}
	if (now)
		file_put(now);
	return err;
}

static long fcntl_lock(struct file *f, int fd, unsigned cmd, uaddr_t addr)
{
	bool ofd = cmd >= F_OFD_GETLK, get = cmd == F_GETLK || cmd == F_OFD_GETLK;
	struct file_lock_range r;
	struct abi_flock fl;
	int err = copy_from_user(&fl, addr, sizeof(fl));

	if (err)
		return err;
	err = flock_to_range(f, &fl, &r);
	if (err)
		return err;
	if (ofd && fl.l_pid)
		return -EINVAL;
	if (cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW)
		return locks_set(f, f, LOCK_PID_OFD, &r, cmd == F_OFD_SETLKW);
	if (!get)
		return fcntl_set_lock(f, fd, &r, cmd == F_SETLKW);
	if (r.type == F_UNLCK)
		return -EINVAL;
	locks_test(f, ofd ? (void *)f : sys_files(), &r);
	fl.l_type = r.type;
	if (r.type != F_UNLCK) {
		fl.l_whence = SEEK_SET;
		fl.l_start = (int64_t)r.start;
		fl.l_len = r.end == INT64_MAX ? 0 : (int64_t)(r.end - r.start + 1);
		fl.l_pid = r.pid;
	}
	return copy_to_user(addr, &fl, sizeof(fl));
}

static long fcntl_file(struct file *f, int fd, unsigned cmd, uint64_t arg)
{
	if ((f->mode & FMODE_PATH) && cmd != F_GETFL)
		return -EBADF;
	switch (cmd) {
	case F_GETFL:
		return (long)f->flags;
	case F_SETFL:
		return file_set_flags(f, (uint32_t)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_lock(f, fd, cmd, arg);
	default:
		if ((cmd == F_GETPIPE_SZ || cmd == F_SETPIPE_SZ) && !S_ISFIFO(f->inode->mode))
			return -EBADF;
		return f->ops && f->ops->fcntl ? f->ops->fcntl(f, cmd, arg) : -EINVAL;
	}
}

long sys_fcntl(const uint64_t *a)
{
	int fd = (int)a[0];
	unsigned cmd = (unsigned)a[1];
	struct file *f;
	long result;

	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		if ((int)a[2] < 0 || a[2] >= fd_limit())
			return -EINVAL;
		return dup_from(fd, (int)a[2], cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fd_get_cloexec(sys_files(), fd);
	case F_SETFD:
		return fd_set_cloexec(sys_files(), fd, a[2] & FD_CLOEXEC);
	}
	f = fd_get(sys_files(), fd);
	if (!f)
		return -EBADF;
	result = fcntl_file(f, fd, cmd, a[2]);
	file_put(f);
	return result;
}

long sys_flock(const uint64_t *a)
{
	struct file *f = sys_file_get((int)a[0]);
	long err;

	if (!f)
		return -EBADF;
	err = locks_flock(f, (int)a[1]);
	file_put(f);
	return err;
}

static long make_pipe(uaddr_t addr, unsigned flags)
{
	bool cloexec = flags & O_CLOEXEC;
	struct file *rd, *wr;
	int fds[2];
	int err;

	if (flags & ~(unsigned)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = pipe_create(flags & ~(unsigned)O_CLOEXEC, &rd, &wr);
	if (err)
		return err;
	fds[0] = err = fd_install(sys_files(), rd, 0, fd_limit(), cloexec);
	if (err < 0)
		goto out_put_both;
	fds[1] = err = fd_install(sys_files(), wr, 0, fd_limit(), cloexec);
	if (err < 0)
		goto out_close_rd;
	err = copy_to_user(addr, fds, sizeof(fds));
	if (!err)
		return 0;
	(void)!fd_close(sys_files(), fds[1]);
	(void)!fd_close(sys_files(), fds[0]);
	return err;

out_close_rd:
	(void)!fd_close(sys_files(), fds[0]);
	file_put(wr);
	return err;
out_put_both:
	file_put(rd);
	file_put(wr);
	return err;
}

long sys_pipe(const uint64_t *a)
{
	return make_pipe(a[0], 0);
}

long sys_pipe2(const uint64_t *a)
{
	return make_pipe(a[0], (unsigned)a[1]);
}

static long open_at(int dfd, uaddr_t name, uint32_t flags, uint32_t mode)
{
	struct sys_at sa;
	struct file *f;
	int err = sys_at_get(&sa, dfd, name);

	if (err)
		return err;
	/* O_LARGEFILE is what every file is. */
	flags = (flags & O_KNOWN) | O_LARGEFILE;
	f = path_open(sys_fs(), sa.at, sa.name, flags, mode & 07777);
	sys_at_put(&sa);
	if (IS_ERR(f))
		return PTR_ERR(f);
	err = fd_install(sys_files(), f, 0, fd_limit(), flags & O_CLOEXEC);
	if (err < 0)
		file_put(f);
	return err;
}

long sys_open(const uint64_t *a)
{
	return open_at(AT_FDCWD, a[0], (uint32_t)a[1], (uint32_t)a[2]);
}

long sys_openat(const uint64_t *a)
{
	return open_at((int)a[0], a[1], (uint32_t)a[2], (uint32_t)a[3]);
}

long sys_creat(const uint64_t *a)
{
	return open_at(AT_FDCWD, a[0], O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)a[1]);
}
