/*
 * Path walk.
 *
 * Components that are cached are walked in one read section (dcache.h) with no reference taken and
 * nothing allocated; a reference is taken at the end. A component that is not cached, or a symbolic
 * link, makes the walk take a reference to where it stands (pin), leave the section, do the slow
 * thing, and go on in a new section from there:
 *
 *	section: cur moves, pin stays  --miss, link-->  pin = cur, look up or read  -->  section ...
 *
 * What is left of the name is a string: a link's target is put in front of it in a buffer that is
 * allocated with the first link.
 */
#include "fs/walk.h"

#include "lib/assert.h"
#include "lib/string.h"
#include "mm/slab.h"

#define LINKS_MAX 40u /* path_resolution(7) */
#define PATH_BUF  (2 * PATH_MAX_LEN)

static void fs_read_path(struct fs_state *fs, const struct path *from, struct path *out)
{
	/* Alone: only the caller can change it. */
	if (LOAD_ACQUIRE(fs->refs) == 1) {
		*out = *from;
		return;
	}
	spin_lock(&fs->lock);
	*out = *from;
	spin_unlock(&fs->lock);
}

/* Take references to where the walk stands and leave the section. */
static void walk_leave(struct walk *w)
{
	struct path old = w->pin;
	bool same = old.dentry == w->cur.dentry && old.mnt == w->cur.mnt;

	if (!same)
		path_get(&w->cur);
	dcache_read_unlock();
	if (same)
		return;
	w->pin = w->cur;
	if (old.dentry)
		path_put(&old);
}

static void walk_enter(struct walk *w)
{
	dcache_read_lock();
	w->cur = w->pin;
}

/* Give up. => in a section */
static int walk_fail(struct walk *w, int err)
{
	dcache_read_unlock();
	walk_end(w);
	return err;
}

void walk_end(struct walk *w)
{
	path_put(&w->pin);
	if (unlikely(w->buf))
		kfree(w->buf);
	w->buf = NULL;
}

/* => in a section on return */
static void walk_begin(struct walk *w, struct fs_state *fs, const struct path *at, const char *name)
{
	w->fs = fs;
	w->pin = (struct path){NULL, NULL};
	w->rest = name;
	w->buf = NULL;
	w->nlinks = 0;
	dcache_read_lock();
	if (*name == '/')
		fs_read_path(fs, &fs->root, &w->cur);
	else if (at)
		w->cur = *at;
	else
		fs_read_path(fs, &fs->cwd, &w->cur);
}

/* Down through whatever is mounted at p. => section */
static void cross_mounts(struct path *p)
{
	struct mount *m;

	while (unlikely(p->dentry->mounted) && (m = mount_on(p->mnt, p->dentry))) {
		p->mnt = m;
		p->dentry = m->root;
	}
}

/* "..": up, out of mounts, but not above the process's root. => section */
static void walk_dotdot(struct walk *w)
{
	struct path *cur = &w->cur;
	struct path root;

	fs_read_path(w->fs, &w->fs->root, &root);
	for (;;) {
		if (cur->dentry == root.dentry && cur->mnt == root.mnt)
			return;
		if (cur->dentry != cur->mnt->root) {
			cur->dentry = cur->dentry->parent;
			break;
		}
		if (!cur->mnt->parent)
			return;
		cur->dentry = cur->mnt->point;
		cur->mnt = cur->mnt->parent;
	}
	cross_mounts(cur);
}

/* Put the link's target in front of the rest of the name. => no section */
static int splice_target(struct walk *w, struct inode *link)
{
	size_t rest_len = strlen(w->rest);
	char *tail;
	ssize_t n;

	if (!w->buf) {
		w->buf = kmalloc(PATH_BUF, 0);
		if (!w->buf)
			return -ENOMEM;
	}
	if (rest_len + 2 > PATH_BUF)
		return -ENAMETOOLONG;
	tail = w->buf + PATH_BUF - rest_len - 1;
	memmove(tail, w->rest, rest_len + 1);
	w->rest = tail;
	n = link->ops->readlink(link, w->buf, (size_t)(tail - w->buf));
	if (n < 0)
		return (int)n;
	if (n == 0)
		return -ENOENT;
	/* As much as there was room for: perhaps cut short. */
	if (n == tail - w->buf)
		return -ENAMETOOLONG;
	w->rest = tail - n;
	memmove(tail - n, w->buf, (size_t)n);
	return 0;
}

/*
 * Follow a link found in the directory pin. => no section on entry; link: a reference, consumed.
 * On success in a section; on an error not, and pin is still held
 */
static int follow_link(struct walk *w, struct dentry *link)
{
	struct inode *inode = link->inode;
	bool jumped = inode->ops->follow;
	int err = -ELOOP;

	if (++w->nlinks > LINKS_MAX)
		goto out;
	if (jumped) {
		struct path to;

		err = inode->ops->follow(inode, &to);
		if (!err) {
			path_put(&w->pin);
			w->pin = to;
		}
	} else if (inode->ops->readlink) {
		err = splice_target(w, inode);
	} else {
		err = -EINVAL;
	}
out:
	dentry_put(link);
	if (err)
		return err;
	walk_enter(w);
	if (!jumped && *w->rest == '/')
		fs_read_path(w->fs, &w->fs->root, &w->cur);
	return 0;
}

/* The component is not cached: look it up. On success *out has a reference that becomes part of
 * pin, in a section; on an error not in a section, pin held. */
static int lookup_slow(
	struct walk *w, const char *name, size_t len, uint32_t hash, struct dentry **out)
{
	struct dentry *d, *old;

	walk_leave(w);
	d = dcache_lookup(w->pin.dentry, name, len, hash);
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	old = w->pin.dentry;
	w->pin.dentry = d;
	dentry_put(old);
	dcache_read_lock();
	*out = d;
	return 0;
}

/* A component of a name; hash is its own. */
struct component {
	const char *name;
	size_t len;
	uint32_t hash;
};

/*
 * One step down to a name that is not cached, or is a mount's point or a link (d; NULL: not
 * cached). follow: go through it if it is a link. 0 (in a section) or an error (the walk has
 * ended).
 */
static int step_slow(struct walk *w, const struct component *c, struct dentry *d, bool follow)
{
	struct path next;
	int err;

	if (!d) {
		if (!(dentry_flags(w->cur.dentry) & DENTRY_DIR))
			return walk_fail(w, -ENOTDIR);
		err = lookup_slow(w, c->name, c->len, c->hash, &d);
		if (err) {
			walk_end(w);
			return err;
		}
	}
	if (!LOAD_ACQUIRE(d->inode))
		return walk_fail(w, -ENOENT);
	if (dentry_flags(d) & DENTRY_LINK && follow) {
		/* Stand in the link's directory, with the link held besides. */
		dentry_get(d);
		w->cur.dentry = d->parent;
		walk_leave(w);
		err = follow_link(w, d);
		if (err)
			walk_end(w);
		return err;
	}
	next.mnt = w->cur.mnt;
	next.dentry = d;
	cross_mounts(&next);
	w->cur = next;
	return 0;
}

/* Read the component at the start of s, which is not empty; returns what follows it. */
static inline const char *component_read(const char *s, struct component *c)
{
	uint32_t hash = DCACHE_HASH_START;

	c->name = s;
	for (; *s && *s != '/'; s++)
		hash = dcache_hash_step(hash, *s);
	c->len = (size_t)(s - c->name);
	c->hash = hash;
	return s;
}

static inline const char *skip_slashes(const char *s)
{
	while (*s == '/')
		s++;
	return s;
}

/* "." and "..": names that no directory is asked for. */
static inline enum walk_last component_type(const struct component *c)
{
	if (likely(c->name[0] != '.') || c->len > 2)
		return WALK_NAME;
	if (c->len == 1)
		return WALK_DOT;
	return c->name[1] == '.' ? WALK_DOTDOT : WALK_NAME;
}

/*
 * Walk all of w->rest (parent walks: up to the last component). => in a section on entry, and on
 * return when it succeeded; after an error the walk has ended
 *
 * Only a directory has children in the cache: whether one stands in one is asked where the cache
 * does not answer.
 */
static int walk_run(struct walk *w)
{
	const char *s = skip_slashes(w->rest);

	while (*s) {
		struct component c;
		const char *end = component_read(s, &c);
		enum walk_last type = component_type(&c);
		bool last, odd = type != WALK_NAME || c.len > NAME_MAX_LEN;
		struct dentry *d;
		int err;

		s = skip_slashes(end);
		last = !*s;
		if (last)
			w->trailing = s != end;
		if (unlikely(odd || (last && w->parent))) {
			if (!(dentry_flags(w->cur.dentry) & DENTRY_DIR))
				return walk_fail(w, -ENOTDIR);
			if (c.len > NAME_MAX_LEN)
				return walk_fail(w, -ENAMETOOLONG);
			if (last && w->parent) {
				w->rest = end;
				w->last = c.name;
				w->last_len = c.len;
				w->last_hash = c.hash;
				w->last_type = type;
				return 0;
			}
			if (type == WALK_DOTDOT)
				walk_dotdot(w);
			continue;
		}
		d = dcache_find(w->cur.dentry, c.name, c.len, c.hash);
		if (likely(d && LOAD_ACQUIRE(d->inode) && !d->mounted &&
			    !(dentry_flags(d) & DENTRY_LINK))) {
			w->cur.dentry = d;
			continue;
		}
		w->rest = end;
		err = step_slow(w, &c, d, !last || w->trailing || (w->flags & LOOKUP_FOLLOW));
		if (err)
			return err;
		/* A link put its target in front. */
		if (w->rest != end)
			s = skip_slashes(w->rest);
	}
	w->last_type = WALK_ROOT;
	return 0;
}

int path_lookup(struct fs_state *fs, const struct path *at, const char *name, unsigned flags,
	struct path *out)
{
	struct walk w;
	int err;

	if (unlikely(!*name) && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	walk_begin(&w, fs, at, name);
	w.flags = flags;
	w.parent = false;
	w.trailing = false;
	err = walk_run(&w);
	if (err)
		return err;
	if ((w.trailing || (flags & LOOKUP_DIRECTORY)) &&
		!(dentry_flags(w.cur.dentry) & DENTRY_DIR))
		return walk_fail(&w, -ENOTDIR);
	walk_leave(&w);
	*out = w.pin; /* with its references */
	if (unlikely(w.buf))
		kfree(w.buf);
	return 0;
}

int walk_parent(struct walk *w, struct fs_state *fs, const struct path *at, const char *name)
{
	int err;

	if (!*name)
		return -ENOENT;
	walk_begin(w, fs, at, name);
	w->flags = 0;
	w->parent = true;
	w->trailing = false;
	err = walk_run(w);
	if (err)
		return err;
	walk_leave(w);
	return 0;
}

int walk_follow_last(struct walk *w, struct dentry *link)
{
	int err = follow_link(w, link);

	if (err) {
		walk_end(w);
		return err;
	}
	err = walk_run(w);
	if (err)
		return err;
	walk_leave(w);
	return 0;
}
