/*
 * Operations on names: open and create.
 *
 * Each looks its parent directory up (walk.c), takes the directory's lock, looks the last component
 * up again under it, and calls the file system. References are put after the locks are gone,
 * because a put may end an inode.
 */
#include "fs/path.h"

#include "abi/fcntl.h"
#include "fs/file.h"
#include "fs/locks.h"
#include "fs/mount.h"
#include "fs/namespace.h"
#include "fs/pipe.h"
#include "fs/tmpfs/tmpfs.h"
#include "fs/walk.h"
#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/cache.h"

#define O_TMPFILE_BIT 020000000u /* of O_TMPFILE, besides O_DIRECTORY */

void path_init(void)
{
	inode_init();
	dcache_init();
	mount_init();
	file_init();
	locks_init();
	pipe_init();
	tmpfs_init();
}

void path_get(const struct path *p)
{
	if (p->dentry)
		dentry_get(p->dentry);
	if (p->mnt)
		mount_get(p->mnt);
}

void path_put(struct path *p)
{
	struct path old = *p;

	*p = (struct path){NULL, NULL};
	if (old.dentry)
		dentry_put(old.dentry);
	if (old.mnt)
		mount_put(old.mnt);
}

struct inode *path_inode(const struct path *p)
{
	return p->dentry->inode;
}

/* Directories of file systems without cached names (procfs) are never changed through the VFS and
 * are not locked. */
static void lock_dir(struct inode *dir)
{
	if (!dir->sb->no_cache)
		rw_write_lock(&dir->lock);
}

static void unlock_dir(struct inode *dir)
{
	if (!dir->sb->no_cache)
		rw_write_unlock(&dir->lock);
}

/* The last component under its directory's lock, which is taken (for writing) and held on success.
 * A reference, ERR_PTR. */
static struct dentry *lock_and_lookup(struct walk *w)
{
	struct inode *dir = path_inode(&w->pin);
	struct dentry *d;

	if (!(dentry_flags(w->pin.dentry) & DENTRY_DIR))
		return ERR_PTR(-ENOTDIR);
	lock_dir(dir);
	d = dcache_lookup_locked(w->pin.dentry, w->last, w->last_len, w->last_hash);
	if (!IS_ERR(d) && dir->dead) {
		unlock_dir(dir);
		dentry_put(d);
		return ERR_PTR(-ENOENT);
	}
	if (IS_ERR(d))
		unlock_dir(dir);
	return d;
}

/* Begin to make a name that must not exist. On success the directory is locked. */
static int create_begin(struct walk *w, struct fs_state *fs, const struct path *at,
	const char *name, struct dentry **out)
{
	struct dentry *d;
	int err = walk_parent(w, fs, at, name);

	if (err)
		return err;
	if (w->last_type != WALK_NAME) {
		walk_end(w);
		return -EEXIST;
	}
	d = lock_and_lookup(w);
	if (IS_ERR(d)) {
		walk_end(w);
		return (int)PTR_ERR(d);
	}
	err = d->inode ? -EEXIST : mount_check_write(w->pin.mnt);
	if (err) {
		unlock_dir(path_inode(&w->pin));
		dentry_put(d);
		walk_end(w);
		return err;
	}
	*out = d;
	return 0;
}

/* End it: inode is the new one (NULL: it failed). */
static void create_end(struct walk *w, struct dentry *d, struct inode *inode)
{
	if (inode)
		dentry_instantiate(d, inode);
	unlock_dir(path_inode(&w->pin));
	dentry_put(d);
	walk_end(w);
}

static uint32_t apply_umask(struct fs_state *fs, uint32_t mode)
{
	return mode & ~READ_ONCE(fs->umask);
}

int path_mknod(
	struct fs_state *fs, const struct path *at, const char *name, uint32_t mode, uint32_t rdev)
{
	struct inode *dir, *inode = NULL;
	struct dentry *d;
	struct walk w;
	int err;

	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	if (!S_ISCHR(mode) && !S_ISBLK(mode))
		rdev = 0;
	err = create_begin(&w, fs, at, name, &d);
	if (err)
		return err;
	dir = path_inode(&w.pin);
	if (w.trailing)
		err = -ENOENT;
	else if (!dir->ops->mknod)
		err = -EPERM;
	else
		err = dir->ops->mknod(dir, w.last, w.last_len,
			(mode & S_IFMT) | apply_umask(fs, mode & 07777), rdev, &inode);
	create_end(&w, d, err ? NULL : inode);
	return err;
}

int path_mkdir(struct fs_state *fs, const struct path *at, const char *name, uint32_t mode)
{
	struct inode *dir, *inode = NULL;
	struct dentry *d;
	struct walk w;
	int err = create_begin(&w, fs, at, name, &d);

	if (err)
		return err;
	dir = path_inode(&w.pin);
	if (!dir->ops->mkdir)
		err = -EPERM;
	else
		err = dir->ops->mkdir(
			dir, w.last, w.last_len, S_IFDIR | apply_umask(fs, mode & 01777), &inode);
	create_end(&w, d, err ? NULL : inode);
	return err;
}

int path_symlink(struct fs_state *fs, const char *target, const struct path *at, const char *name)
{
	struct inode *dir, *inode = NULL;
	struct dentry *d;
	struct walk w;
	int err;

	if (!*target)
		return -ENOENT;
	err = create_begin(&w, fs, at, name, &d);
	if (err)
		return err;
	dir = path_inode(&w.pin);
	if (w.trailing)
		err = -ENOENT;
	else if (!dir->ops->symlink)
		err = -EPERM;
	else
		err = dir->ops->symlink(dir, w.last, w.last_len, target, &inode);
	create_end(&w, d, err ? NULL : inode);
	return err;
}

int path_link(struct fs_state *fs, const struct path *old, const struct path *at, const char *name)
{
	struct inode *inode = path_inode(old), *dir;
	struct dentry *d;
	struct walk w;
	int err = create_begin(&w, fs, at, name, &d);

	if (err)
		return err;
	dir = path_inode(&w.pin);
	if (w.trailing)
		err = -ENOENT;
	else if (old->mnt != w.pin.mnt)
		err = -EXDEV;
	else if (S_ISDIR(inode->mode) || !dir->ops->link)
		err = -EPERM;
	else if (READ_ONCE(inode->nlink) == 0)
		err = -ENOENT;
	else
		err = dir->ops->link(dir, w.last, w.last_len, inode);
	create_end(&w, d, err ? NULL : inode_get(inode));
	return err;
}

static struct file *open_tmpfile(
	struct fs_state *fs, const struct path *at, const char *name, uint32_t flags)
{
	struct path p;
	int err;

	if ((flags & (O_TMPFILE | O_CREAT)) != O_TMPFILE || (flags & O_ACCMODE) == O_RDONLY)
		return ERR_PTR(-EINVAL);
	err = path_lookup(fs, at, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
	if (err)
		return ERR_PTR(err);
	path_put(&p);
	/* No file system here makes files without a name. */
	return ERR_PTR(-EOPNOTSUPP);
}

/* O_TRUNC of what is open: with write access claimed, as for any writer. */
static int truncate_opened(struct file *f)
{
	struct inode *inode = f->inode;
	int err = mount_check_write(f->path.mnt);

	if (!err)
		err = inode_get_write(inode);
	if (err)
		return err;
	err = path_truncate(&f->path, 0);
	inode_put_write(inode);
	return err;
}

/* Open what was found. created: it is new, O_TRUNC has nothing to do. */
static struct file *open_found(const struct path *p, uint32_t flags, bool created)
{
	struct inode *inode = path_inode(p);
	bool write = (flags & O_ACCMODE) != O_RDONLY;
	struct file *f;
	int err = 0;

	if (flags & O_PATH)
		return file_open(p, flags);
	if (S_ISLNK(inode->mode))
		return ERR_PTR(-ELOOP);
	if (S_ISDIR(inode->mode) && (write || (flags & (O_CREAT | O_TRUNC))))
		return ERR_PTR(-EISDIR);
	if (write && S_ISREG(inode->mode))
		err = mount_check_write(p->mnt);
	if (err)
		return ERR_PTR(err);
	f = file_open(p, flags);
	if (IS_ERR(f) || !(flags & O_TRUNC) || created || !S_ISREG(inode->mode) || !inode->object)
		return f;
	err = truncate_opened(f);
	if (!err)
		return f;
	file_put(f);
	return ERR_PTR(err);
}

/* Make the regular file w->last in the locked directory; d is its negative dentry. */
static int create_file(struct fs_state *fs, struct walk *w, struct dentry *d, uint32_t mode)
{
	struct inode *dir = path_inode(&w->pin), *inode = NULL;
	int err = mount_check_write(w->pin.mnt);

	if (err)
		return err;
	if (w->trailing)
		return -EISDIR;
	if (!dir->ops->mknod)
		return -EPERM;
	err = dir->ops->mknod(
		dir, w->last, w->last_len, S_IFREG | apply_umask(fs, mode & 07777), 0, &inode);
	if (!err)
		dentry_instantiate(d, inode);
	return err;
}

/* Down through what is mounted on a name that was found: *p holds references before and after. */
static void descend_mounts(struct path *p)
{
	struct path to = *p;
	struct mount *m;

	if (!p->dentry->mounted)
		return;
	dcache_read_lock();
	while (to.dentry->mounted && (m = mount_on(to.mnt, to.dentry)))
		to = (struct path){.mnt = m, .dentry = m->root};
	path_get(&to);
	dcache_read_unlock();
	path_put(p);
	*p = to;
}

/*
 * One round of O_CREAT: the last component of w, made if it is not there. *f: the file, or NULL:
 * the name is a link, w has gone where it leads, once more. w has ended unless *f is NULL and 0 is
 * returned.
 */
static int open_create_round(
	struct fs_state *fs, struct walk *w, uint32_t flags, uint32_t mode, struct file **f)
{
	struct path p = w->pin;
	bool created = false;
	struct dentry *d;
	int err = 0;

	*f = NULL;
	if (w->last_type == WALK_NAME) {
		d = lock_and_lookup(w);
		if (IS_ERR(d)) {
			walk_end(w);
			return (int)PTR_ERR(d);
		}
		if (!d->inode) {
			err = create_file(fs, w, d, mode);
			created = true;
		} else if (flags & O_EXCL) {
			err = -EEXIST;
		}
		unlock_dir(path_inode(&w->pin));
		if (!err && (dentry_flags(d) & DENTRY_LINK) &&
			(w->trailing || !(flags & O_NOFOLLOW)))
			return walk_follow_last(w, d);
		p.dentry = d;
	} else {
		/* "/", "." and "..": directories. After a jump: a file of any kind. */
		dentry_get(p.dentry);
		if (flags & O_EXCL)
			err = -EEXIST;
		else if (w->last_type != WALK_ROOT)
			err = -EISDIR;
	}
	mount_get(p.mnt);
	walk_end(w);
	if (!err) {
		descend_mounts(&p);
		if (w->trailing && !(dentry_flags(p.dentry) & DENTRY_DIR))
			err = -ENOTDIR;
	}
	if (!err) {
		*f = open_found(&p, flags, created);
		if (IS_ERR(*f))
			err = (int)PTR_ERR(*f);
	}
	path_put(&p);
	return err;
}

static struct file *open_create(
	struct fs_state *fs, const struct path *at, const char *name, uint32_t flags, uint32_t mode)
{
	struct file *f = NULL;
	struct walk w;
	int err;

	if (flags & O_DIRECTORY)
		return ERR_PTR(-EINVAL);
	err = walk_parent(&w, fs, at, name);
	while (!err && !f)
		err = open_create_round(fs, &w, flags, mode, &f);
	return err ? ERR_PTR(err) : f;
}

struct file *path_open(
	struct fs_state *fs, const struct path *at, const char *name, uint32_t flags, uint32_t mode)
{
	unsigned lookup = flags & O_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	struct file *f;
	int err;

	if (flags & O_PATH)
		flags &= O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;
	if (flags & O_TMPFILE_BIT)
		return open_tmpfile(fs, at, name, flags);
	if (flags & O_CREAT)
		return open_create(fs, at, name, flags, mode);
	if (flags & O_DIRECTORY)
		lookup |= LOOKUP_DIRECTORY;
	err = path_lookup(fs, at, name, lookup, &p);
	if (err)
		return ERR_PTR(err);
	f = open_found(&p, flags, false);
	path_put(&p);
	return f;
}

int path_truncate(const struct path *p, uint64_t size)
{
	struct inode_attr attr = {.valid = ATTR_SIZE, .size = size};
	struct inode *inode = path_inode(p);

	if (S_ISDIR(inode->mode))
		return -EISDIR;
	if (!S_ISREG(inode->mode) || !inode->object)
		return -EINVAL;
	return path_setattr(p, &attr);
}

/*
 * chown(2): a file that is no folder loses its set-id bits; set-group-id without the right to
 * execute means mandatory locks and stays. => inode locked for writing
 */
static void drop_set_id(const struct inode *inode, struct inode_attr *attr)
{
	uint32_t mode = inode->mode, drop = S_ISUID;

	attr->valid &= ~ATTR_CHOWN;
	if (mode & S_IXGRP)
		drop |= S_ISGID;
	if (S_ISDIR(mode) || !(mode & drop))
		return;
	attr->valid |= ATTR_MODE;
	attr->mode = mode & ~drop & 07777;
}

/* => inode locked for writing */
static int setattr_locked(struct inode *inode, const struct inode_attr *attr)
{
	struct vm_object *vo = inode->object;
	bool size = attr->valid & ATTR_SIZE, grow = size && attr->size > inode_size(inode);
	uint64_t max = inode->sb->max_size ? inode->sb->max_size : INT64_MAX;
	int err = 0;

	if (size && attr->size > max)
		return -EFBIG;
	if ((grow && inode->seals & F_SEAL_GROW) ||
		(size && attr->size < inode_size(inode) && inode->seals & F_SEAL_SHRINK))
		return -EPERM;
	if (size && !grow)
		cache_truncate(vo, attr->size);
	if (inode->ops->setattr)
		err = inode->ops->setattr(inode, attr);
	else
		inode_setattr_copy(inode, attr);
	if (!err && grow)
		cache_truncate(vo, attr->size);
	return err;
}

int inode_setattr(struct inode *inode, const struct inode_attr *attr)
{
	struct inode_attr own;
	int err;

	if (attr->valid & ATTR_SIZE) {
		if (attr->size > inode_size(inode) && attr->size > file_size_limit()) {
			file_size_exceeded();
			return -EFBIG;
		}
		err = inode_get_write(inode);
		if (err)
			return err;
	}
	rw_write_lock(&inode->lock);
	if (attr->valid & ATTR_CHOWN) {
		own = *attr;
		attr = &own;
		drop_set_id(inode, &own);
	}
	err = setattr_locked(inode, attr);
	rw_write_unlock(&inode->lock);
	if (attr->valid & ATTR_SIZE)
		inode_put_write(inode);
	return err;
}

int path_setattr(const struct path *p, const struct inode_attr *attr)
{
	int err = mount_check_write(p->mnt);

	return err ? err : inode_setattr(path_inode(p), attr);
}

uint64_t path_parent_ino(const struct path *p)
{
	const struct dentry *d = p->dentry;
	uint64_t ino;

	dcache_read_lock();
	ino = d == p->mnt->root && p->mnt->point ? p->mnt->point->parent->inode->ino
						 : d->parent->inode->ino;
	dcache_read_unlock();
	return ino;
}

ssize_t path_readlink(const struct path *p, char *buf, size_t size)
{
	struct inode *inode = path_inode(p);

	if (!S_ISLNK(inode->mode) || !inode->ops->readlink)
		return -EINVAL;
	return inode->ops->readlink(inode, buf, size);
}

/* Put the path into the end of buf, back to front. Pointer to its start, or ERR_PTR. *deleted: the
 * name was removed. */
static char *path_text(
	struct fs_state *fs, const struct path *p, char *buf, size_t size, bool *deleted)
{
	struct path at = *p, root;
	char *s = buf + size;

	if (size < 2)
		return ERR_PTR(-ENAMETOOLONG);
	*--s = '\0';
	fs_state_get_root(fs, &root);
	dcache_read_lock();
	*deleted = dentry_flags(at.dentry) & DENTRY_DELETED;
	while (at.dentry != root.dentry || at.mnt != root.mnt) {
		const struct dentry *d = at.dentry;

		if (d == at.mnt->root) {
			if (!at.mnt->parent)
				break;
			at.dentry = at.mnt->point;
			at.mnt = at.mnt->parent;
			continue;
		}
		if ((size_t)(s - buf) < (size_t)d->len + 1) {
			s = NULL;
			break;
		}
		s -= d->len;
		memcpy(s, d->name, d->len);
		*--s = '/';
		at.dentry = d->parent;
	}
	dcache_read_unlock();
	path_put(&root);
	if (!s)
		return ERR_PTR(-ENAMETOOLONG);
	if (!*s)
		*--s = '/';
	return s;
}

char *path_name(struct fs_state *fs, const struct path *p, char *buf, size_t size)
{
	bool deleted;
	char *s = path_text(fs, p, buf, size, &deleted);

	return !IS_ERR(s) && deleted ? ERR_PTR(-ENOENT) : s;
}

char *path_describe(struct fs_state *fs, const struct path *p, char *buf, size_t size)
{
	static const char mark[] = " (deleted)";
	bool deleted;
	char *s;

	if (size <= sizeof(mark))
		return ERR_PTR(-ENAMETOOLONG);
	s = path_text(fs, p, buf, size - sizeof(mark) + 1, &deleted);
	if (!IS_ERR(s) && deleted)
		memcpy(buf + size - sizeof(mark), mark, sizeof(mark));
	return s;
}
