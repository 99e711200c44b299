/*
 * tmpfs: names and inodes. (Files' contents: tmpfs_file.c)
 *
 * A directory keeps its entries in two trees: by name for look-ups, and by a number that grows with
 * each new entry for readdir, whose position is that number, so that entries that come and go do
 * not disturb a listing. An entry holds a reference of its inode; the inode lives in no cache but
 * that.
 *
 * Locking: entries under the directory's lock (21), which the VFS holds; nlink and times under the
 * inode's own lock (30; a directory's under its own 21). The count of used bytes is atomic.
 */
#include "fs/tmpfs/tmpfs_priv.h"

#include "abi/stat.h"
#include "klog.h"
#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/buddy.h"
#include "mm/slab.h"

#define TMPFS_MAGIC 0x01021994u

static struct tmpfs_node *node_of(const struct inode *inode)
{
	return inode->priv;
}

struct inode *tmpfs_inode_create(struct superblock *sb, uint32_t mode, uint32_t rdev)
{
	struct tmpfs_super *ts = sb->priv;
	struct tmpfs_node *node = kzalloc(sizeof(*node), 0);
	struct inode *inode;

	if (!node)
		return ERR_PTR(-ENOMEM);
	inode = inode_alloc(sb, __atomic_add_fetch(&ts->next_ino, 1, __ATOMIC_RELAXED), mode);
	if (IS_ERR(inode)) {
		kfree(node);
		return inode;
	}
	node->inode = inode;
	node->next_cookie = TMPFS_FIRST_COOKIE;
	list_init(&node->doomed);
	inode->priv = node;
	inode->rdev = rdev;
	inode->ops = S_ISDIR(mode) ? &tmpfs_dir_ops : &tmpfs_node_ops;
	inode->atime = inode->mtime = inode->ctime = timespec_now();
	if (S_ISDIR(mode)) {
		inode->nlink = 2;
		inode->fops = &tmpfs_dir_file_ops;
	}
	__atomic_add_fetch(&ts->ninodes, 1, __ATOMIC_RELAXED);
	if (S_ISREG(mode) && tmpfs_file_setup(inode)) {
		inode->nlink = 0;
		inode_put(inode);
		return ERR_PTR(-ENOMEM);
	}
	return inode;
}

static int name_compare(const struct tmpfs_entry *e, const char *name, size_t len)
{
	int c = memcmp(e->name, name, MIN((size_t)e->len, len));

	return c ? c : (int)e->len - (int)len;
}

static struct tmpfs_entry *entry_find(const struct inode *dir, const char *name, size_t len)
{
	struct rb_node *n = node_of(dir)->by_name.root;

	while (n) {
		struct tmpfs_entry *e = rb_entry(n, struct tmpfs_entry, name_node);
		int c = name_compare(e, name, len);

		if (!c)
			return e;
		n = c > 0 ? n->left : n->right;
	}
	return NULL;
}

static void link_by_name(struct tmpfs_node *dir, struct tmpfs_entry *e)
{
	struct rb_node **link = &dir->by_name.root, *parent = NULL;

	while (*link) {
		parent = *link;
		if (name_compare(rb_entry(parent, struct tmpfs_entry, name_node), e->name, e->len) >
			0)
			link = &parent->left;
		else
			link = &parent->right;
	}
	rb_insert(&dir->by_name, &e->name_node, parent, link);
}

/* The newest entry has the largest number: it goes to the right end. */
static void link_by_cookie(struct tmpfs_node *dir, struct tmpfs_entry *e)
{
	struct rb_node *last = rb_last(&dir->by_cookie);

	e->cookie = dir->next_cookie++;
	rb_insert(
		&dir->by_cookie, &e->cookie_node, last, last ? &last->right : &dir->by_cookie.root);
}

static struct tmpfs_entry *entry_alloc(const char *name, size_t len)
{
	struct tmpfs_entry *e = kmalloc(sizeof(*e) + len, 0);

	if (!e)
		return NULL;
	e->len = (uint8_t)len;
	memcpy(e->name, name, len);
	return e;
}

static void dir_changed(struct inode *dir)
{
	dir->mtime = dir->ctime = timespec_now();
}

/* Enter e, which takes over a reference of inode. */
static void entry_link(struct inode *dir, struct tmpfs_entry *e, struct inode *inode)
{
	e->inode = inode;
	link_by_name(node_of(dir), e);
	link_by_cookie(node_of(dir), e);
	dir->size += TMPFS_ENTRY_SIZE;
	dir_changed(dir);
}

/* Take e out and free it. The VFS holds a reference of the inode besides, so this is not its last
 * put. */
static void entry_unlink(struct inode *dir, struct tmpfs_entry *e)
{
	rb_remove(&node_of(dir)->by_name, &e->name_node);
	rb_remove(&node_of(dir)->by_cookie, &e->cookie_node);
	dir->size -= TMPFS_ENTRY_SIZE;
	dir_changed(dir);
	inode_put(e->inode);
	kfree(e);
}

static int tmpfs_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct tmpfs_entry *e = entry_find(dir, name, len);

	if (!e)
		return -ENOENT;
	*out = inode_get(e->inode);
	return 0;
}

/* A new inode under a new name. *out gets the caller's reference. */
static int make_node(struct inode *dir, const char *name, size_t len, uint32_t mode, uint32_t rdev,
	struct inode **out)
{
	struct tmpfs_entry *e = entry_alloc(name, len);
	struct inode *inode;

	if (!e)
		return -ENOMEM;
	inode = tmpfs_inode_create(dir->sb, mode, rdev);
	if (IS_ERR(inode)) {
		kfree(e);
		return (int)PTR_ERR(inode);
	}
	entry_link(dir, e, inode_get(inode));
	if (S_ISDIR(mode))
		dir->nlink++;
	*out = inode;
	return 0;
}

static int tmpfs_mkdir(
	struct inode *dir, const char *name, size_t len, uint32_t mode, struct inode **out)
{
	return make_node(dir, name, len, mode, 0, out);
}

static int tmpfs_symlink(
	struct inode *dir, const char *name, size_t len, const char *target, struct inode **out)
{
	char *copy = kstrdup(target, 0);
	int err;

	if (!copy)
		return -ENOMEM;
	err = make_node(dir, name, len, S_IFLNK | 0777, 0, out);
	if (err) {
		kfree(copy);
		return err;
	}
	node_of(*out)->target = copy;
	(*out)->size = strlen(copy);
	return 0;
}

static void nlink_add(struct inode *inode, int n)
{
	rw_write_lock(&inode->lock);
	inode->nlink += (uint32_t)n;
	inode->ctime = timespec_now();
	rw_write_unlock(&inode->lock);
}

static int tmpfs_link(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	struct tmpfs_entry *e = entry_alloc(name, len);

	if (!e)
		return -ENOMEM;
	nlink_add(inode, 1);
	entry_link(dir, e, inode_get(inode));
	return 0;
}

static int tmpfs_unlink(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	nlink_add(inode, -1);
	entry_unlink(dir, entry_find(dir, name, len));
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, const char *name, size_t len, struct inode *inode)
{
	if (node_of(inode)->by_name.root)
		return -ENOTEMPTY;
	inode->nlink = 0;
	dir->nlink--;
	entry_unlink(dir, entry_find(dir, name, len));
	return 0;
}

static int tmpfs_rename(struct inode *olddir, const char *oldname, size_t oldlen,
	struct inode *inode, struct inode *newdir, const char *newname, size_t newlen,
	struct inode *target)
{
	struct tmpfs_entry *e;
	int err = 0;

	if (target && S_ISDIR(target->mode) && node_of(target)->by_name.root)
		return -ENOTEMPTY;
	e = entry_alloc(newname, newlen);
	if (!e)
		return -ENOMEM;
	if (target && S_ISDIR(target->mode))
		err = tmpfs_rmdir(newdir, newname, newlen, target);
	else if (target)
		err = tmpfs_unlink(newdir, newname, newlen, target);
	assert(!err);
	entry_link(newdir, e, inode_get(inode));
	entry_unlink(olddir, entry_find(olddir, oldname, oldlen));
	if (S_ISDIR(inode->mode)) {
		olddir->nlink--;
		newdir->nlink++;
	} else {
		/* A directory that moves is not locked, and keeps its time. */
		nlink_add(inode, 0);
	}
	return 0;
}

static ssize_t tmpfs_readlink(struct inode *inode, char *buf, size_t size)
{
	size_t n = MIN(size, (size_t)inode->size);

	memcpy(buf, node_of(inode)->target, n);
	return (ssize_t)n;
}

static unsigned type_of_mode(uint32_t mode)
{
	return (mode & S_IFMT) >> 12;
}

/* The first entry whose number is at least `cookie`. */
static struct tmpfs_entry *entry_from(const struct inode *dir, uint64_t cookie)
{
	struct rb_node *n = node_of(dir)->by_cookie.root;
	struct tmpfs_entry *best = NULL;

	while (n) {
		struct tmpfs_entry *e = rb_entry(n, struct tmpfs_entry, cookie_node);

		if (e->cookie >= cookie) {
			best = e;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

static int tmpfs_readdir(struct file *f, struct dir_sink *sink)
{
	struct inode *dir = f->inode;
	struct tmpfs_entry *e;

	if (f->pos == 0) {
		if (!sink->put(sink, ".", 1, dir->ino, DT_DIR, 1))
			return 0;
		f->pos = 1;
	}
	if (f->pos == 1) {
		uint64_t up = path_parent_ino(&f->path);

		if (!sink->put(sink, "..", 2, up, DT_DIR, TMPFS_FIRST_COOKIE))
			return 0;
		f->pos = TMPFS_FIRST_COOKIE;
	}
	e = entry_from(dir, f->pos);
	while (e) {
		struct rb_node *n = rb_next(&e->cookie_node);

		if (!sink->put(sink, e->name, e->len, e->inode->ino, type_of_mode(e->inode->mode),
			    e->cookie + 1))
			break;
		f->pos = e->cookie + 1;
		e = n ? rb_entry(n, struct tmpfs_entry, cookie_node) : NULL;
	}
	return 0;
}

const struct inode_ops tmpfs_dir_ops = {
	.lookup = tmpfs_lookup,
	.mknod = make_node,
	.mkdir = tmpfs_mkdir,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
};

const struct inode_ops tmpfs_node_ops = {
	.readlink = tmpfs_readlink,
	.setattr = tmpfs_setattr,
	.getattr = tmpfs_getattr,
};

const struct file_ops tmpfs_dir_file_ops = {
	.readdir = tmpfs_readdir,
	.fsync = tmpfs_fsync,
};

/*
 * A directory that goes with entries in it (unmount): they are queued and dropped here one by one,
 * not recursively, however deep the tree is. Only the thread that unmounts comes here with entries,
 * hence no lock.
 */
static void drop_entries(struct tmpfs_super *ts, struct tmpfs_node *node)
{
	struct rb_node *n;
	struct list *item;

	while ((n = rb_first(&node->by_cookie))) {
		struct tmpfs_entry *e = rb_entry(n, struct tmpfs_entry, cookie_node);

		rb_remove(&node->by_cookie, n);
		list_add_tail(&ts->doomed, &node_of(e->inode)->doomed);
		kfree(e);
	}
	if (ts->dropping)
		return;
	ts->dropping = true;
	while ((item = list_pop(&ts->doomed)))
		inode_put(list_entry(item, struct tmpfs_node, doomed)->inode);
	ts->dropping = false;
}

static void tmpfs_evict(struct inode *inode)
{
	struct tmpfs_super *ts = inode->sb->priv;
	struct tmpfs_node *node = node_of(inode);

	if (node->by_cookie.root)
		drop_entries(ts, node);
	tmpfs_file_forget(inode);
	__atomic_sub_fetch(&ts->ninodes, 1, __ATOMIC_RELAXED);
	kfree(node->target);
	kfree(node);
}

static int tmpfs_statfs(struct superblock *sb, struct fs_statfs *st)
{
	struct tmpfs_super *ts = sb->priv;
	uint64_t used = READ_ONCE(ts->pages.used), limit = ts->pages.limit;

	*st = (struct fs_statfs){.type = TMPFS_MAGIC, .bsize = PAGE_SIZE, .namelen = NAME_MAX_LEN};
	if (limit) {
		st->blocks = limit;
		st->bfree = st->bavail = used < limit ? limit - used : 0;
	}
	return 0;
}

static int tmpfs_remount(struct superblock *sb, bool read_only)
{
	(void)sb;
	(void)read_only;
	return 0;
}

static void tmpfs_unmount(struct superblock *sb)
{
	kfree(sb->priv);
}

static const struct superblock_ops tmpfs_super_ops = {
	.evict = tmpfs_evict,
	.statfs = tmpfs_statfs,
	.remount = tmpfs_remount,
	.unmount = tmpfs_unmount,
};

int tmpfs_create_superblock(const char *fs_name, uint64_t limit, struct superblock **out)
{
	struct superblock *sb = superblock_alloc(fs_name, &tmpfs_super_ops);
	struct tmpfs_super *ts;
	struct inode *root;
	int err = -ENOMEM;

	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	ts = kzalloc(sizeof(*ts), 0);
	if (!ts)
		goto out_sb;
	ts->pages.limit = page_count(limit);
	list_init(&ts->doomed);
	sb->priv = ts;
	root = tmpfs_inode_create(sb, S_IFDIR | 01777, 0);
	if (IS_ERR(root)) {
		err = (int)PTR_ERR(root);
		goto out_ts;
	}
	sb->root = root;
	*out = sb;
	return 0;

out_ts:
	kfree(ts);
out_sb:
	superblock_free(sb);
	return err;
}

/* n with what follows it: a unit, or percent of memory. */
static int parse_size(const char *unit, const char *end, uint64_t n, uint64_t *bytes)
{
	static const char units[] = "kmgt";
	const char *found = unit < end ? strchr(units, *unit | 0x20) : NULL;

	if (unit < end && *unit == '%')
		n = buddy_total_frames() * PAGE_SIZE / 100 * n;
	else if (found && __builtin_mul_overflow(n, 1024ull << 10 * (found - units), &n))
		return -EINVAL;
	if (unit + (found || (unit < end && *unit == '%')) != end)
		return -EINVAL;
	*bytes = n;
	return 0;
}

/* One option: "size=N[kmg%]", "mode=OCTAL", "nr_inodes=N" (accepted, not limited). */
static int parse_option(const char *opt, size_t len, uint64_t *limit, uint32_t *mode)
{
	const char *end;
	uint64_t n;

	if (len > 5 && !strncmp(opt, "size=", 5)) {
		if (!fmt_parse_u64(opt + 5, &end, 0, &n))
			return -EINVAL;
		return parse_size(end, opt + len, n, limit);
	}
	if (len > 5 && !strncmp(opt, "mode=", 5)) {
		if (!fmt_parse_u64(opt + 5, &end, 8, &n) || end != opt + len)
			return -EINVAL;
		*mode = n & 07777;
		return 0;
	}
	return len > 10 && !strncmp(opt, "nr_inodes=", 10) ? 0 : -EINVAL;
}

static int tmpfs_mount(
	struct block_device *bdev, bool read_only, const char *data, struct superblock **out)
{
	/* Linux's default: half of memory. */
	uint64_t limit = buddy_total_frames() / 2 * PAGE_SIZE;
	uint32_t mode = 01777;
	int err = 0;

	(void)bdev;
	while (data && *data && !err) {
		const char *comma = strchr(data, ',');
		size_t len = comma ? (size_t)(comma - data) : strlen(data);

		err = len ? parse_option(data, len, &limit, &mode) : 0;
		data += len + (comma ? 1 : 0);
	}
	if (!err)
		err = tmpfs_create_superblock("tmpfs", limit, out);
	if (err)
		return err;
	(*out)->root->mode = S_IFDIR | mode;
	(*out)->read_only = read_only;
	return 0;
}

static struct fs_type tmpfs_type = {.name = "tmpfs", .mount = tmpfs_mount};

static int add_node(
	struct superblock *sb, const char *name, uint32_t mode, uint32_t rdev, const char *target)
{
	struct inode *dir = sb->root, *inode;
	size_t len = strlen(name);
	int err = -EEXIST;

	rw_write_lock(&dir->lock);
	if (!entry_find(dir, name, len))
		err = target ? tmpfs_symlink(dir, name, len, target, &inode)
			     : make_node(dir, name, len, mode, rdev, &inode);
	rw_write_unlock(&dir->lock);
	if (!err)
		inode_put(inode);
	return err;
}

int tmpfs_add_node(struct superblock *sb, const char *name, uint32_t mode, uint32_t rdev)
{
	return add_node(sb, name, mode, rdev, NULL);
}

int tmpfs_add_symlink(struct superblock *sb, const char *name, const char *target)
{
	return add_node(sb, name, 0, 0, target);
}

int tmpfs_add_dir(struct superblock *sb, const char *name, uint32_t mode)
{
	return add_node(sb, name, S_IFDIR | mode, 0, NULL);
}

void tmpfs_init(void)
{
	fs_register(&tmpfs_type);
	tmpfs_file_init();
}
