/*
 * Open files.
 *
 * A file is what descriptors share: an inode, the operations of its kind, an offset. Its references
 * are plain atomics; the last put calls release and gives back what open took. The offset has a
 * lock of its own (rank 25), held over read and write of files that have one, so that threads that
 * share a descriptor do not read the same bytes twice; pread and pwrite never take it.
 */
#include "fs/file.h"

#include "abi/fcntl.h"
#include "fs/dcache.h"
#include "fs/devfs/devfs.h"
#include "fs/locks.h"
#include "fs/mount.h"
#include "fs/pipe.h"
#include "fs/poll.h"
#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "mm/vmap.h"

#define OPEN_ONLY (O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)

static struct slab_cache *file_slab;

/* O_PATH: a place in the tree, nothing to do with its contents. */
static const struct file_ops path_file_ops;

static void vmap_file_get(void *file)
{
	file_get(file);
}

static void vmap_file_put(void *file)
{
	file_put(file);
}

void file_init(void)
{
	static const struct vmap_file_ops ops = {.get = vmap_file_get, .put = vmap_file_put};

	file_slab = slab_cache_create("file", sizeof(struct file), 16, NULL);
	assert(file_slab);
	vmap_set_file_ops(&ops);
}

static const struct file_limit_ops *limit_ops;

void file_set_limit_ops(const struct file_limit_ops *ops)
{
	STORE_RELEASE(limit_ops, ops);
}

uint64_t file_size_limit(void)
{
	const struct file_limit_ops *ops = LOAD_ACQUIRE(limit_ops);

	return ops ? ops->size() : UINT64_MAX;
}

void file_size_exceeded(void)
{
	LOAD_ACQUIRE(limit_ops)->exceeded();
}

static uint32_t mode_of_flags(uint32_t flags)
{
	static const uint8_t mode[4] = {FMODE_READ, FMODE_WRITE, FMODE_READ | FMODE_WRITE, 0};

	return flags & O_PATH ? FMODE_PATH : mode[flags & O_ACCMODE];
}

/* One reference, no inode yet. */
static struct file *file_new(uint32_t flags)
{
	struct file *f = slab_alloc(file_slab, ALLOC_ZERO);

	if (!f)
		return NULL;
	f->refs = 1;
	f->mode = mode_of_flags(flags);
	f->flags = flags;
	mutex_init(&f->pos_lock, RANK_FILE_OFFSET, "file offset");
	return f;
}

struct file *file_alloc(struct inode *inode, const struct file_ops *ops, uint32_t flags)
{
	struct file *f = file_new(flags);

	if (!f)
		return ERR_PTR(-ENOMEM);
	f->inode = inode;
	f->ops = ops;
	f->flags &= ~(uint32_t)OPEN_ONLY;
	return f;
}

/* The operations of what the inode is: devices and FIFOs have theirs whatever file system names
 * them. */
static int file_choose_ops(struct file *f)
{
	struct inode *inode = f->inode;

	if (f->mode & FMODE_PATH) {
		f->ops = &path_file_ops;
		return 0;
	}
	switch (inode->mode & S_IFMT) {
	case S_IFCHR:
	case S_IFBLK:
		f->ops = devfs_lookup(inode->mode, inode->rdev, &f->priv);
		return f->ops ? 0 : -ENXIO;
	case S_IFIFO:
		f->ops = &fifo_file_ops;
		return 0;
	case S_IFSOCK:
		return -ENXIO;
	default:
		f->ops = inode->fops;
		return f->ops ? 0 : -ENXIO;
	}
}

static bool can_direct(const struct file *f)
{
	return f->ops->can_direct && f->ops->can_direct(f);
}

struct file *file_open(const struct path *p, uint32_t flags)
{
	struct inode *inode = path_inode(p);
	struct file *f = file_new(flags);
	int err;

	if (!f)
		return ERR_PTR(-ENOMEM);
	f->inode = inode_get(inode);
	err = file_choose_ops(f);
	if (!err && flags & O_DIRECT && !(f->mode & FMODE_PATH) && !can_direct(f))
		err = -EINVAL;
	if (err)
		goto out_free;
	if ((f->mode & FMODE_WRITE) && S_ISREG(inode->mode)) {
		err = inode_get_write(inode);
		if (err)
			goto out_free;
	}
	f->path = *p;
	path_get(p);
	if (f->ops->open) {
		err = f->ops->open(inode, f);
		if (err)
			goto out_put;
	}
	/* F_GETFL does not show what only open looks at. */
	f->flags &= ~(uint32_t)OPEN_ONLY;
	return f;

out_put:
	if ((f->mode & FMODE_WRITE) && S_ISREG(inode->mode))
		inode_put_write(inode);
out_free:
	inode_put(f->inode);
	path_put(&f->path);
	slab_free(file_slab, f);
	return ERR_PTR(err);
}

struct file *file_get(struct file *f)
{
	uint32_t old = __atomic_fetch_add(&f->refs, 1, __ATOMIC_RELAXED);

	assert(old > 0);
	return f;
}

static void file_destroy(struct file *f)
{
	struct inode *inode = f->inode;

	if (READ_ONCE(inode->flocks))
		locks_release_file(f);
	if (f->ops->release)
		f->ops->release(f);
	if ((f->mode & FMODE_WRITE) && S_ISREG(inode->mode) && f->path.dentry)
		inode_put_write(inode);
	/* The inode first: the mount may be the last one of its file system. */
	inode_put(inode);
	path_put(&f->path);
	slab_free(file_slab, f);
}

void file_put(struct file *f)
{
	uint32_t left = __atomic_sub_fetch(&f->refs, 1, __ATOMIC_ACQ_REL);

	assert(left != UINT32_MAX);
	if (left == 0)
		file_destroy(f);
}

ssize_t file_read(struct file *f, struct uio *u, uint64_t *pos)
{
	const struct file_ops *ops = f->ops;
	ssize_t n;

	if (!(f->mode & FMODE_READ))
		return -EBADF;
	if (!ops->read)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	if (pos)
		return ops->no_seek ? -ESPIPE : ops->read(f, u, pos);
	if (ops->no_seek || ops->free_pos)
		return ops->read(f, u, &f->pos);
	mutex_lock(&f->pos_lock);
	n = ops->read(f, u, &f->pos);
	mutex_unlock(&f->pos_lock);
	return n;
}

ssize_t file_write(struct file *f, struct uio *u, uint64_t *pos)
{
	const struct file_ops *ops = f->ops;
	ssize_t n;

	if (!(f->mode & FMODE_WRITE))
		return -EBADF;
	if (!ops->write)
		return -EINVAL;
	if (pos)
		return ops->no_seek ? -ESPIPE : ops->write(f, u, pos);
	if (ops->no_seek || ops->free_pos)
		return ops->write(f, u, &f->pos);
	mutex_lock(&f->pos_lock);
	n = ops->write(f, u, &f->pos);
	mutex_unlock(&f->pos_lock);
	return n;
}

ssize_t file_read_kernel(struct file *f, void *buf, size_t n, uint64_t pos)
{
	struct uio u;

	uio_init_kernel(&u, buf, n);
	return file_read(f, &u, &pos);
}

ssize_t file_write_kernel(struct file *f, const void *buf, size_t n, uint64_t pos)
{
	struct uio u;

	/* A write only reads from the buffer. */
	uio_init_kernel(&u, (void *)(uintptr_t)buf, n);
	return file_write(f, &u, &pos);
}

/* lseek of what has a length. Holes are not reported: the whole file counts as data, which
 * lseek(2) allows. => offset lock held */
static int64_t seek_regular(struct file *f, int64_t off, int whence)
{
	int64_t size = (int64_t)inode_size(f->inode), pos;

	switch (whence) {
	case SEEK_SET:
		pos = off;
		break;
	case SEEK_CUR:
		if (__builtin_add_overflow((int64_t)f->pos, off, &pos))
			return -EOVERFLOW;
		break;
	case SEEK_END:
		if (__builtin_add_overflow(size, off, &pos))
			return -EOVERFLOW;
		break;
	case SEEK_DATA:
	case SEEK_HOLE:
		if (off < 0 || off >= size)
			return -ENXIO;
		pos = whence == SEEK_DATA ? off : size;
		break;
	default:
		return -EINVAL;
	}
	if (pos < 0)
		return -EINVAL;
	f->pos = (uint64_t)pos;
	return pos;
}

int64_t file_seek(struct file *f, int64_t off, int whence)
{
	int64_t pos;

	if (f->mode & FMODE_PATH)
		return -EBADF;
	if (f->ops->no_seek)
		return -ESPIPE;
	mutex_lock(&f->pos_lock);
	pos = f->ops->llseek ? f->ops->llseek(f, off, whence) : seek_regular(f, off, whence);
	mutex_unlock(&f->pos_lock);
	return pos;
}

int file_readdir(struct file *f, struct dir_sink *sink)
{
	struct inode *dir = f->inode;
	bool lock = !dir->sb->no_cache;
	int err;

	if (f->mode & FMODE_PATH)
		return -EBADF;
	if (!f->ops->readdir)
		return -ENOTDIR;
	if (!lock)
		return f->ops->readdir(f, sink);
	rw_read_lock(&dir->lock);
	mutex_lock(&f->pos_lock);
	err = dir->dead ? -ENOENT : f->ops->readdir(f, sink);
	mutex_unlock(&f->pos_lock);
	rw_read_unlock(&dir->lock);
	if (!err && !(f->flags & O_NOATIME))
		inode_touch(dir, ATTR_ATIME);
	return err;
}

int file_set_flags(struct file *f, uint32_t flags)
{
	const uint32_t mask = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
	uint32_t old = READ_ONCE(f->flags);

	if (f->mode & FMODE_PATH)
		return -EBADF;
	if (flags & O_DIRECT && !can_direct(f))
		return -EINVAL;
	while (!__atomic_compare_exchange_n(&f->flags, &old, (old & ~mask) | (flags & mask), false,
		__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
	return 0;
}

unsigned file_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return f->ops->poll(f, pt);
}

char *file_describe(struct fs_state *fs, struct file *f, char *buf, size_t size)
{
	if (f->path.dentry && !f->path.mnt->lone)
		return path_describe(fs, &f->path, buf, size);
	if (S_ISFIFO(f->inode->mode))
		fmt_snprintf(buf, size, "pipe:[%llu]", (unsigned long long)f->inode->ino);
	else
		fmt_snprintf(buf, size, "/memfd:%s (deleted)",
			f->inode->object ? f->inode->object->vo_name : "");
	return buf;
}
