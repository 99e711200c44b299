/* Asking about files and file systems: stat, statx, statfs; directory entries. */
#include "abi/fcntl.h"
#include "abi/stat.h"
#include "fs/mount.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "sys/sys.h"

/* The inode's fields as one moment shows them. */
static int stat_inode(struct inode *inode, struct abi_stat *st)
{
	if (inode->ops && unlikely(inode->ops->getattr)) {
		int err = inode->ops->getattr(inode);

		if (err)
			return err;
	}
	st->pad0 = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(st->unused); i++)
		st->unused[i] = 0;
	rw_read_lock(&inode->lock);
	st->st_dev = inode->sb->devno;
	st->st_ino = inode->ino;
	st->st_nlink = inode->nlink;
	st->st_mode = inode->mode;
	st->st_uid = inode->uid;
	st->st_gid = inode->gid;
	st->st_rdev = inode->rdev;
	st->st_size = (int64_t)inode_size(inode);
	st->st_blksize = inode->blksize ? inode->blksize : (int64_t)PAGE_SIZE;
	st->st_blocks = (int64_t)inode->blocks;
	st->st_atime_sec = inode->atime.sec;
	st->st_atime_nsec = inode->atime.nsec;
	st->st_mtime_sec = inode->mtime.sec;
	st->st_mtime_nsec = inode->mtime.nsec;
	st->st_ctime_sec = inode->ctime.sec;
	st->st_ctime_nsec = inode->ctime.nsec;
	rw_read_unlock(&inode->lock);
	return 0;
}

static inline int stat_fd(int fd, struct abi_stat *st)
{
	bool owned;
	struct file *f = fd_borrow(sys_files(), fd, &owned);
	int err = -EBADF;

	if (likely(f)) {
		err = stat_inode(f->inode, st);
		fd_return(f, owned);
	}
	return err;
}

static int stat_at(int dfd, uaddr_t name, unsigned flags, struct abi_stat *st)
{
	struct sys_at sa;
	struct path p;
	int err;

	if (flags & ~(unsigned)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
				AT_STATX_SYNC_TYPE))
		return -EINVAL;
	if (!name && (flags & AT_EMPTY_PATH) && dfd >= 0)
		return stat_fd(dfd, st);
	err = sys_at_get(&sa, dfd, name);
	if (err)
		return err;
	if ((flags & AT_EMPTY_PATH) && !sa.name[0] && sa.file) {
		err = stat_fd(dfd, st);
		goto out;
	}
	err = sys_at_lookup(&sa,
		(flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
			(flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0),
		&p);
	if (err)
		goto out;
	err = stat_inode(path_inode(&p), st);
	path_put(&p);
out:
	sys_at_put(&sa);
	return err;
}

static long stat_put(int err, const struct abi_stat *st, uaddr_t addr)
{
	return err ? err : copy_to_user(addr, st, sizeof(*st));
}

long sys_stat(const uint64_t *a)
{
	struct abi_stat st;

	return stat_put(stat_at(AT_FDCWD, a[0], 0, &st), &st, a[1]);
}

long sys_lstat(const uint64_t *a)
{
	struct abi_stat st;

	return stat_put(stat_at(AT_FDCWD, a[0], AT_SYMLINK_NOFOLLOW, &st), &st, a[1]);
}

long sys_fstat(const uint64_t *a)
{
	struct abi_stat st;

	return stat_put(stat_fd((int)a[0], &st), &st, a[1]);
}

long sys_newfstatat(const uint64_t *a)
{
	struct abi_stat st;

	return stat_put(stat_at((int)a[0], a[1], (unsigned)a[3], &st), &st, a[2]);
}

static struct abi_statx_timestamp statx_time(int64_t sec, int64_t nsec)
{
	return (struct abi_statx_timestamp){.tv_sec = sec, .tv_nsec = (uint32_t)nsec};
}

long sys_statx(const uint64_t *a)
{
	struct abi_stat st;
	struct abi_statx sx;
	int err;

	if ((a[3] & STATX_RESERVED) || (a[2] & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	err = stat_at((int)a[0], a[1], (unsigned)a[2], &st);
	if (err)
		return err;
	memset(&sx, 0, sizeof(sx));
	sx.stx_mask = STATX_BASIC_STATS;
	sx.stx_blksize = (uint32_t)st.st_blksize;
	sx.stx_nlink = (uint32_t)st.st_nlink;
	sx.stx_uid = st.st_uid;
	sx.stx_gid = st.st_gid;
	sx.stx_mode = (uint16_t)st.st_mode;
	sx.stx_ino = st.st_ino;
	sx.stx_size = (uint64_t)st.st_size;
	sx.stx_blocks = (uint64_t)st.st_blocks;
	sx.stx_atime = statx_time(st.st_atime_sec, st.st_atime_nsec);
	sx.stx_mtime = statx_time(st.st_mtime_sec, st.st_mtime_nsec);
	sx.stx_ctime = statx_time(st.st_ctime_sec, st.st_ctime_nsec);
	sx.stx_rdev_major = DEV_MAJOR((uint32_t)st.st_rdev);
	sx.stx_rdev_minor = DEV_MINOR((uint32_t)st.st_rdev);
	sx.stx_dev_major = DEV_MAJOR((uint32_t)st.st_dev);
	sx.stx_dev_minor = DEV_MINOR((uint32_t)st.st_dev);
	return copy_to_user(a[4], &sx, sizeof(sx));
}

static long statfs_put(const struct mount *mnt, struct inode *inode, uaddr_t addr)
{
	struct superblock *sb = inode->sb;
	struct fs_statfs in = {0};
	struct abi_statfs out = {0};
	int err = sb->ops && sb->ops->statfs ? sb->ops->statfs(sb, &in) : -ENOSYS;

	if (err)
		return err;
	out.f_type = (int64_t)in.type;
	out.f_bsize = out.f_frsize = (int64_t)in.bsize;
	out.f_blocks = in.blocks;
	out.f_bfree = in.bfree;
	out.f_bavail = in.bavail;
	out.f_files = in.files;
	out.f_ffree = in.ffree;
	out.f_namelen = (int64_t)in.namelen;
	out.f_fsid[0] = (int32_t)sb->devno;
	out.f_flags = mnt ? (int64_t)mount_statfs_flags(mnt) : 0;
	return copy_to_user(addr, &out, sizeof(out));
}

long sys_statfs(const uint64_t *a)
{
	struct sys_at sa;
	struct path p;
	long err = sys_at_get(&sa, AT_FDCWD, a[0]);

	if (err)
		return err;
	err = sys_at_lookup(&sa, LOOKUP_FOLLOW, &p);
	sys_at_put(&sa);
	if (err)
		return err;
	err = statfs_put(p.mnt, path_inode(&p), a[1]);
	path_put(&p);
	return err;
}

long sys_fstatfs(const uint64_t *a)
{
	struct file *f = fd_get(sys_files(), (int)a[0]);
	long err;

	if (!f)
		return -EBADF;
	err = statfs_put(f->path.mnt, f->inode, a[1]);
	file_put(f);
	return err;
}

/*
 * Directory entries are built in a kernel buffer, since the sink is called with the directory's
 * lock held and a user copy may not be made then.
 */
struct dents {
	struct dir_sink sink;
	uint8_t *buf;
	size_t size, used;
	bool old; /* getdents(2): another layout */
	bool too_small;
};

static bool dents_put(struct dir_sink *sink, const char *name, size_t len, uint64_t ino,
	unsigned type, uint64_t next_pos)
{
	struct dents *d = container_of(sink, struct dents, sink);
	size_t head = d->old ? offsetof(struct abi_dirent, d_name)
			     : offsetof(struct abi_dirent64, d_name);
	size_t reclen = ALIGN_UP(head + len + 1 + (d->old ? 1 : 0), 8ul);
	uint8_t *at = d->buf + d->used;

	if (reclen > d->size - d->used) {
		d->too_small = d->used == 0;
		return false;
	}
	memset(at, 0, reclen);
	if (d->old) {
		struct abi_dirent *e = (struct abi_dirent *)at;

		e->d_ino = ino;
		e->d_off = next_pos;
		e->d_reclen = (uint16_t)reclen;
		memcpy(e->d_name, name, len);
		at[reclen - 1] = (uint8_t)type;
	} else {
		struct abi_dirent64 *e = (struct abi_dirent64 *)at;

		e->d_ino = ino;
		e->d_off = (int64_t)next_pos;
		e->d_reclen = (uint16_t)reclen;
		e->d_type = (uint8_t)type;
		memcpy(e->d_name, name, len);
	}
	d->used += reclen;
	return true;
}

#define DENTS_BUFFER (8 * PAGE_SIZE)

static long get_dents(const uint64_t *a, bool old)
{
	struct dents d = {.sink = {.put = dents_put}, .old = old};
	struct file *f = sys_file_get((int)a[0]);
	int64_t pos;
	long n;

	if (!f)
		return -EBADF;
	d.size = MIN((unsigned)a[2], DENTS_BUFFER);
	d.buf = kmalloc(MAX(d.size, (size_t)8), 0);
	n = -ENOMEM;
	if (!d.buf)
		goto out;
	pos = file_seek(f, 0, SEEK_CUR);
	n = file_readdir(f, &d.sink);
	if (!n && d.too_small)
		n = -EINVAL;
	if (!n && d.used && copy_to_user(a[1], d.buf, d.used)) {
		/* Entries that did not arrive come again. */
		(void)file_seek(f, pos, SEEK_SET);
		n = -EFAULT;
	}
	if (!n)
		n = (long)d.used;
	kfree(d.buf);
out:
	file_put(f);
	return n;
}

long sys_getdents64(const uint64_t *a)
{
	return get_dents(a, false);
}

long sys_getdents(const uint64_t *a)
{
	return get_dents(a, true);
}
