/*
 * Operations on names: remove and rename.
 *
 * Removing a directory locks it besides its parent, so that nothing is made in it while it is found
 * empty; it is marked dead before the locks go. A rename locks both parents and a directory that it
 * replaces. Directories are locked in address order; what was looked up before the locks were there
 * is looked up again under them. A rename between directories holds the namespace lock, so that the
 * tree does not change while it makes sure that no directory goes below itself.
 */
#include "abi/fcntl.h"
#include "fs/namespace.h"
#include "fs/walk.h"
#include "lib/assert.h"

/* What a rename works on. */
struct rename {
	struct walk old, new;
	struct dentry *od, *nd;	 /* references */
	struct inode *victim;	 /* directory that is replaced: locked and referenced, or NULL */
	struct inode *locked[3]; /* directories locked now */
	unsigned nlocked;
	bool cross; /* from one directory to another: the namespace lock is held */
};

/* Lock up to three directories for writing, in address order; the same one may be named twice. */
static void lock_dirs(struct rename *rn, struct inode *a, struct inode *b, struct inode *c)
{
	struct inode *dirs[3] = {a, b, c};
	unsigned n = 0;

	for (unsigned i = 0; i < 3; i++) {
		unsigned at = n;

		for (unsigned k = 0; k < n; k++)
			if (rn->locked[k] == dirs[i])
				dirs[i] = NULL;
		if (!dirs[i])
			continue;
		for (; at > 0 && rn->locked[at - 1] > dirs[i]; at--)
			rn->locked[at] = rn->locked[at - 1];
		rn->locked[at] = dirs[i];
		n++;
	}
	rn->nlocked = n;
	for (unsigned i = 0; i < n; i++)
		rw_write_lock(&rn->locked[i]->lock);
}

static void unlock_dirs(struct rename *rn)
{
	for (unsigned i = 0; i < rn->nlocked; i++)
		rw_write_unlock(&rn->locked[i]->lock);
	rn->nlocked = 0;
}

/* The checks that unlink and rmdir share. => the directory's lock held */
static int remove_check(const struct walk *w, const struct dentry *d, bool rmdir)
{
	bool dir;
	int err;

	if (!d->inode)
		return -ENOENT;
	dir = dentry_flags(d) & DENTRY_DIR;
	if (dir && !rmdir)
		return -EISDIR;
	if (!dir && (rmdir || w->trailing))
		return -ENOTDIR;
	err = mount_check_write(w->pin.mnt);
	if (err)
		return err;
	return READ_ONCE(d->mounted) ? -EBUSY : 0;
}

int path_unlink(struct fs_state *fs, const struct path *at, const char *name)
{
	struct inode *dir, *gone = NULL;
	struct dentry *d;
	struct walk w;
	int err = walk_parent(&w, fs, at, name);

	if (err)
		return err;
	dir = path_inode(&w.pin);
	err = -EISDIR;
	if (w.last_type != WALK_NAME)
		goto out;
	err = -ENOTDIR;
	if (!(dentry_flags(w.pin.dentry) & DENTRY_DIR))
		goto out;
	err = -EPERM;
	if (dir->sb->no_cache)
		goto out;
	rw_write_lock(&dir->lock);
	d = dcache_lookup_locked(w.pin.dentry, w.last, w.last_len, w.last_hash);
	err = IS_ERR(d) ? (int)PTR_ERR(d) : remove_check(&w, d, false);
	if (!err)
		err = dir->ops->unlink ? dir->ops->unlink(dir, w.last, w.last_len, d->inode)
				       : -EPERM;
	if (!err)
		gone = dentry_delete(d);
	rw_write_unlock(&dir->lock);
	if (gone)
		inode_put(gone);
	if (!IS_ERR(d))
		dentry_put(d);
out:
	walk_end(&w);
	return err;
}

/* rmdir with the directory d and its parent locked. *gone: put it without locks. */
static int rmdir_locked(struct walk *w, struct dentry *d, struct inode **gone)
{
	struct inode *dir = path_inode(&w->pin), *victim = d->inode;
	int err = remove_check(w, d, true);

	if (err)
		return err;
	if (!dir->ops->rmdir)
		return -EPERM;
	err = dir->ops->rmdir(dir, w->last, w->last_len, victim);
	if (err)
		return err;
	victim->dead = true;
	*gone = dentry_delete(d);
	return 0;
}

/* One try: look up, lock both, look again. -EAGAIN: the name changed in between. */
static int rmdir_once(struct walk *w)
{
	struct inode *dir = path_inode(&w->pin), *victim, *gone = NULL;
	struct rename locks = {0};
	struct dentry *d, *again;
	int err;

	d = dcache_lookup(w->pin.dentry, w->last, w->last_len, w->last_hash);
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	victim = LOAD_ACQUIRE(d->inode);
	if (!victim || !(dentry_flags(d) & DENTRY_DIR)) {
		err = remove_check(w, d, true);
		dentry_put(d);
		return err;
	}
	/* Our reference of d keeps its inode from going when the name is removed meanwhile. */
	lock_dirs(&locks, dir, victim, NULL);
	again = dcache_lookup_locked(w->pin.dentry, w->last, w->last_len, w->last_hash);
	if (again == d) {
		/* Not the last reference: the first look-up's is left. */
		dentry_put(again);
		err = rmdir_locked(w, d, &gone);
	} else {
		err = IS_ERR(again) ? (int)PTR_ERR(again) : -EAGAIN;
	}
	unlock_dirs(&locks);
	if (!err)
		dentry_forget_children(d);
	if (gone)
		inode_put(gone);
	if (!IS_ERR(again) && again != d)
		dentry_put(again);
	dentry_put(d);
	return err;
}

int path_rmdir(struct fs_state *fs, const struct path *at, const char *name)
{
	static const int special[] = {
		[WALK_DOT] = -EINVAL, [WALK_DOTDOT] = -ENOTEMPTY, [WALK_ROOT] = -EBUSY};
	struct walk w;
	int err = walk_parent(&w, fs, at, name);

	if (err)
		return err;
	if (w.last_type != WALK_NAME)
		err = special[w.last_type];
	else if (!(dentry_flags(w.pin.dentry) & DENTRY_DIR))
		err = -ENOTDIR;
	else if (path_inode(&w.pin)->sb->no_cache)
		err = -EPERM;
	else
		do
			err = rmdir_once(&w);
		while (err == -EAGAIN);
	walk_end(&w);
	return err;
}

/* Is a the directory d or above it? => namespace lock, so that no directory moves */
static bool is_ancestor(const struct dentry *a, const struct dentry *d)
{
	for (; d != a; d = d->parent)
		if (d == d->parent)
			return false;
	return true;
}

/* What stands in the way of a rename. => the directories are locked. 0: go on; 1: both names are
 * one file, nothing to do */
static int rename_check(const struct rename *rn, unsigned flags)
{
	const struct dentry *od = rn->od, *nd = rn->nd;
	bool dir = dentry_flags(od) & DENTRY_DIR;
	int err;

	if (!od->inode)
		return -ENOENT;
	if (!dir && (rn->old.trailing || rn->new.trailing))
		return -ENOTDIR;
	if (nd->inode && (flags & RENAME_NOREPLACE))
		return -EEXIST;
	if (rn->cross && dir && is_ancestor(od, rn->new.pin.dentry))
		return -EINVAL;
	if (rn->cross && nd->inode && (dentry_flags(nd) & DENTRY_DIR) &&
		is_ancestor(nd, rn->old.pin.dentry))
		return -ENOTEMPTY;
	if (nd->inode == od->inode)
		return 1;
	if (nd->inode && dir && !(dentry_flags(nd) & DENTRY_DIR))
		return -ENOTDIR;
	if (nd->inode && !dir && (dentry_flags(nd) & DENTRY_DIR))
		return -EISDIR;
	err = mount_check_write(rn->old.pin.mnt);
	if (err)
		return err;
	if (READ_ONCE(od->mounted) || READ_ONCE(nd->mounted))
		return -EBUSY;
	return path_inode(&rn->old.pin)->dead || path_inode(&rn->new.pin)->dead ? -ENOENT : 0;
}

/* Look both names up under the locks. 0, or an error with nothing held. */
static int rename_lookup(struct rename *rn)
{
	struct walk *o = &rn->old, *n = &rn->new;

	rn->od = dcache_lookup_locked(o->pin.dentry, o->last, o->last_len, o->last_hash);
	if (IS_ERR(rn->od))
		return (int)PTR_ERR(rn->od);
	rn->nd = dcache_lookup_locked(n->pin.dentry, n->last, n->last_len, n->last_hash);
	if (!IS_ERR(rn->nd))
		return 0;
	return (int)PTR_ERR(rn->nd);
}

static void rename_unlookup(struct rename *rn)
{
	if (!IS_ERR_OR_NULL(rn->od))
		dentry_put(rn->od);
	if (!IS_ERR_OR_NULL(rn->nd))
		dentry_put(rn->nd);
	rn->od = NULL;
	rn->nd = NULL;
}

static int rename_locked(struct rename *rn, unsigned flags, struct dentry_move *mv)
{
	struct walk *o = &rn->old, *n = &rn->new;
	struct inode *olddir = path_inode(&o->pin), *newdir = path_inode(&n->pin);
	struct inode *inode, *target;
	int err = rename_check(rn, flags);

	if (err)
		return err > 0 ? 0 : err;
	if (!olddir->ops->rename)
		return -EPERM;
	inode = rn->od->inode;
	target = rn->nd->inode;
	err = olddir->ops->rename(
		olddir, o->last, o->last_len, inode, newdir, n->last, n->last_len, target);
	if (err)
		return err;
	if (rn->victim)
		rn->victim->dead = true;
	dentry_move(rn->od, mv, rn->nd);
	return 0;
}

/* One try. 1: the target is a directory that must be locked too, it is rn->victim now. */
static int rename_once(struct rename *rn, unsigned flags, struct dentry_move *mv)
{
	struct inode *olddir = path_inode(&rn->old.pin), *newdir = path_inode(&rn->new.pin);
	struct inode *target;
	int err;

	lock_dirs(rn, olddir, newdir, rn->victim);
	err = rename_lookup(rn);
	if (err)
		goto out;
	target = rn->nd->inode;
	if (!target || !(dentry_flags(rn->nd) & DENTRY_DIR))
		target = NULL;
	if (target != rn->victim && target && target != olddir && target != newdir) {
		inode_get(target);
		unlock_dirs(rn);
		if (rn->victim)
			inode_put(rn->victim);
		rn->victim = target;
		rename_unlookup(rn);
		return 1;
	}
	if (!target && rn->victim) {
		/* The directory that was there is gone: it must not be marked dead. */
		unlock_dirs(rn);
		inode_put(rn->victim);
		rn->victim = NULL;
		rename_unlookup(rn);
		return 1;
	}
	err = rename_locked(rn, flags, mv);
out:
	unlock_dirs(rn);
	if (!err && rn->victim && rn->victim->dead)
		dentry_forget_children(rn->nd);
	rename_unlookup(rn);
	return err;
}

/* Both parents are known. */
static int rename_between(struct rename *rn, unsigned flags)
{
	struct dentry_move mv;
	int err;

	rn->cross = rn->old.pin.dentry != rn->new.pin.dentry;
	if (rn->old.pin.mnt != rn->new.pin.mnt)
		return -EXDEV;
	if (rn->old.last_type != WALK_NAME || rn->new.last_type != WALK_NAME)
		return -EBUSY;
	if (!(dentry_flags(rn->old.pin.dentry) & dentry_flags(rn->new.pin.dentry) & DENTRY_DIR))
		return -ENOTDIR;
	if (path_inode(&rn->old.pin)->sb->no_cache)
		return -EPERM;
	err = dentry_move_prepare(&mv, rn->new.pin.dentry, rn->new.last, rn->new.last_len);
	if (err)
		return err;
	if (rn->cross)
		namespace_lock();
	do
		err = rename_once(rn, flags, &mv);
	while (err > 0);
	if (rn->cross)
		namespace_unlock();
	if (rn->victim)
		inode_put(rn->victim);
	dentry_move_finish(&mv);
	return err;
}

int path_rename(struct fs_state *fs, const struct path *oldat, const char *oldname,
	const struct path *newat, const char *newname, unsigned flags)
{
	struct rename rn = {0};
	int err;

	/* No file system here exchanges names or makes whiteouts. */
	if (flags & ~(unsigned)RENAME_NOREPLACE)
		return -EINVAL;
	err = walk_parent(&rn.old, fs, oldat, oldname);
	if (err)
		return err;
	err = walk_parent(&rn.new, fs, newat, newname);
	if (err)
		goto out_old;
	err = rename_between(&rn, flags);
	walk_end(&rn.new);
out_old:
	walk_end(&rn.old);
	return err;
}
