/*
 * procfs as a file system: inodes from tables, texts made when a file is read from its beginning,
 * links that jump to what they name. See procfs_priv.h for the idea.
 *
 * The VFS keeps no names of it and takes no directory or offset lock, since the texts need locks of
 * processes, which rank below those. A file's text belongs to the open file and is replaced under
 * text_lock of its own (rank 78 is enough: it is a pointer swap).
 */
#include "proc/procfs.h"

#include "abi/fcntl.h"
#include "abi/stat.h"
#include "fs/mount.h"
#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "proc/procfs_priv.h"
#include "proc/signal.h"

#define PROC_MAGIC	 0x9fa0
#define PROC_ROOT_INO	 1
#define PROC_WRITE_MAX	 4096
#define PROC_FIRST_ENTRY 2
#define PROC_FIRST_NR	 256 /* position of number 0 in a directory */

/* ---- text ---- */

static bool text_reserve(struct proc_text *t, size_t n)
{
	size_t cap = t->cap ? t->cap : 512;
	char *fresh;

	if (t->err)
		return false;
	if (t->len + n <= t->cap)
		return true;
	while (cap < t->len + n)
		cap *= 2;
	fresh = kmalloc(cap, 0);
	if (!fresh) {
		t->err = -ENOMEM;
		return false;
	}
	if (t->len)
		memcpy(fresh, t->buf, t->len);
	kfree(t->buf);
	t->buf = fresh;
	t->cap = cap;
	return true;
}

void proc_putn(struct proc_text *t, const char *s, size_t n)
{
	if (!text_reserve(t, n))
		return;
	memcpy(t->buf + t->len, s, n);
	t->len += n;
}

void proc_puts(struct proc_text *t, const char *s)
{
	proc_putn(t, s, strlen(s));
}

static void text_put(void *cookie, const char *s, size_t n)
{
	proc_putn(cookie, s, n);
}

void proc_printf(struct proc_text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fmt_vprint(text_put, t, fmt, ap);
	va_end(ap);
}

void proc_pad(struct proc_text *t, size_t from, size_t column)
{
	while (!t->err && t->len - from < column)
		proc_putn(t, " ", 1);
}

/* ---- files ---- */

struct proc_node {
	struct proc_ref ref;
};

/* An open file's text. */
struct proc_open {
	struct mutex lock; /* rank 25 class: taken alone, never around show */
	struct proc_text text;
	bool made;
};

static const struct proc_ref *ref_of(const struct inode *inode)
{
	return &((const struct proc_node *)inode->priv)->ref;
}

struct process *proc_ref_process(const struct proc_ref *ref)
{
	return ref->pid ? process_find(ref->pid) : NULL;
}

static int proc_open(struct inode *inode, struct file *f)
{
	struct proc_open *po;

	(void)inode;
	po = kzalloc(sizeof(*po), 0);
	if (!po)
		return -ENOMEM;
	mutex_init(&po->lock, RANK_FILE_OFFSET, "proc text");
	f->priv = po;
	return 0;
}

static void proc_release(struct file *f)
{
	struct proc_open *po = f->priv;

	kfree(po->text.buf);
	kfree(po);
}

/* Make the text anew when the file is read from its beginning. */
static int proc_refresh(struct file *f, struct proc_open *po)
{
	const struct proc_ref *ref = ref_of(f->inode);
	struct proc_text text = {0}, old;
	int err = ref->entry->show ? ref->entry->show(&text, ref) : -EINVAL;

	if (!err)
		err = text.err;
	if (err) {
		kfree(text.buf);
		return err;
	}
	mutex_lock(&po->lock);
	old = po->text;
	po->text = text;
	po->made = true;
	mutex_unlock(&po->lock);
	kfree(old.buf);
	return 0;
}

static ssize_t proc_read(struct file *f, struct uio *u, uint64_t *pos)
{
	const struct proc_ref *ref = ref_of(f->inode);
	struct proc_open *po = f->priv;
	ssize_t n = 0;

	if (ref->entry->read)
		return ref->entry->read(ref, u, pos);
	if (*pos == 0 || !READ_ONCE(po->made)) {
		int err = proc_refresh(f, po);

		if (err)
			return err;
	}
	mutex_lock(&po->lock);
	if (*pos < po->text.len) {
		size_t want = MIN(po->text.len - *pos, u->left);
		size_t left = uio_copy_to(u, po->text.buf + *pos, want);

		n = left == want && want ? -EFAULT : (ssize_t)(want - left);
	}
	mutex_unlock(&po->lock);
	if (n > 0)
		*pos += (uint64_t)n;
	return n;
}

static ssize_t proc_write(struct file *f, struct uio *u, uint64_t *pos)
{
	const struct proc_ref *ref = ref_of(f->inode);
	size_t n = u->left, len = n;
	char *text;
	ssize_t err;

	if (ref->entry->write)
		return ref->entry->write(ref, u, pos);
	if (!ref->entry->store)
		return -EINVAL;
	if (n >= PROC_WRITE_MAX)
		return -EINVAL;
	text = kmalloc(n + 1, 0);
	if (!text)
		return -ENOMEM;
	err = uio_copy_from(u, text, n) ? -EFAULT : 0;
	if (!err) {
		if (len && text[len - 1] == '\n')
			len--;
		text[len] = 0;
		err = ref->entry->store(ref, text, len);
	}
	kfree(text);
	if (err)
		return err;
	*pos += n;
	return (ssize_t)n;
}

static int64_t proc_llseek(struct file *f, int64_t off, int whence)
{
	int64_t base = 0, at;

	if (whence == SEEK_CUR)
		base = (int64_t)READ_ONCE(f->pos);
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (__builtin_add_overflow(base, off, &at))
		return -EOVERFLOW;
	if (at < 0)
		return -EINVAL;
	f->pos = (uint64_t)at;
	return at;
}

static const struct file_ops proc_file_ops = {
	.open = proc_open,
	.release = proc_release,
	.read = proc_read,
	.write = proc_write,
	.llseek = proc_llseek,
	.free_pos = true,
};

/* ---- directories ---- */

static unsigned type_of(uint32_t mode)
{
	return (mode & S_IFMT) >> 12;
}

static uint64_t ino_of(const struct proc_ref *ref)
{
	uint64_t h = (uint64_t)(uintptr_t)ref->entry;

	/* Any number will do that stays the same while the inode lives and is not the root's. */
	h = (h ^ (uint64_t)ref->pid << 40 ^ (uint64_t)ref->tid << 20 ^ (uint64_t)(ref->fd + 1)) *
	    0x9e3779b97f4a7c15ull;
	return (h >> 16) | 2;
}

static bool numbers_have(const struct proc_ref *dir, int nr)
{
	return dir->entry->dir->next && dir->entry->dir->next(dir, nr - 1) == nr;
}

/* A plain decimal number without leading zeros, as the names are. */
static int name_number(const char *name, size_t len)
{
	int nr = 0;

	if (!len || len > 9 || (name[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		nr = nr * 10 + (name[i] - '0');
	}
	return nr;
}

static struct inode *proc_inode(struct superblock *sb, const struct proc_ref *ref, uint64_t ino);

static int proc_lookup(struct inode *dir, const char *name, size_t len, struct inode **out)
{
	struct proc_ref ref = *ref_of(dir);
	const struct proc_dir *table = ref.entry->dir;
	struct inode *inode;
	int nr = name_number(name, len);

	if (nr >= 0 && numbers_have(&ref, nr)) {
		table->note(&ref, nr);
		ref.entry = table->number_entry;
		goto found;
	}
	for (unsigned i = 0; i < table->nentries; i++) {
		const struct proc_entry *e = &table->entries[i];

		if (strlen(e->name) == len && !memcmp(e->name, name, len)) {
			ref.entry = e;
			goto found;
		}
	}
	return -ENOENT;
found:
	inode = proc_inode(dir->sb, &ref, ino_of(&ref));
	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	*out = inode;
	return 0;
}

static bool put_entry(struct dir_sink *sink, const struct proc_ref *dir, const struct proc_entry *e,
	uint64_t next)
{
	struct proc_ref ref = *dir;

	ref.entry = e;
	return sink->put(sink, e->name, strlen(e->name), ino_of(&ref), type_of(e->mode), next);
}

static bool put_number(struct dir_sink *sink, const struct proc_ref *dir, int nr, uint64_t next)
{
	const struct proc_dir *table = dir->entry->dir;
	struct proc_ref ref = *dir;
	char name[12];
	int len = fmt_snprintf(name, sizeof(name), "%d", nr);

	table->note(&ref, nr);
	ref.entry = table->number_entry;
	return sink->put(sink, name, (size_t)len, ino_of(&ref), type_of(ref.entry->mode), next);
}

static int proc_readdir(struct file *f, struct dir_sink *sink)
{
	const struct proc_ref *dir = ref_of(f->inode);
	const struct proc_dir *table = dir->entry->dir;
	int nr;

	if (f->pos == 0) {
		if (!sink->put(sink, ".", 1, f->inode->ino, DT_DIR, 1))
			return 0;
		f->pos = 1;
	}
	if (f->pos == 1) {
		if (!sink->put(sink, "..", 2, path_parent_ino(&f->path), DT_DIR, PROC_FIRST_ENTRY))
			return 0;
		f->pos = PROC_FIRST_ENTRY;
	}
	while (f->pos < PROC_FIRST_ENTRY + table->nentries) {
		const struct proc_entry *e = &table->entries[f->pos - PROC_FIRST_ENTRY];

		if (!put_entry(sink, dir, e, f->pos + 1))
			return 0;
		f->pos++;
	}
	if (!table->next)
		return 0;
	f->pos = MAX(f->pos, (uint64_t)PROC_FIRST_NR);
	/* Behind all numbers there are. */
	if (f->pos - PROC_FIRST_NR > INT_MAX)
		return 0;
	while ((nr = table->next(dir, (int)(f->pos - PROC_FIRST_NR) - 1)) >= 0) {
		if (!put_number(sink, dir, nr, PROC_FIRST_NR + (uint64_t)nr + 1))
			return 0;
		f->pos = PROC_FIRST_NR + (uint64_t)nr + 1;
	}
	return 0;
}

static const struct file_ops proc_dir_ops = {
	.readdir = proc_readdir,
	.llseek = proc_llseek,
	.free_pos = true,
};

/* ---- links ---- */

static ssize_t proc_readlink(struct inode *inode, char *buf, size_t size)
{
	const struct proc_ref *ref = ref_of(inode);

	return ref->entry->readlink(ref, buf, size);
}

static int proc_follow(struct inode *inode, struct path *out)
{
	const struct proc_ref *ref = ref_of(inode);

	return ref->entry->follow(ref, out);
}

/* ---- inodes ---- */

static int proc_setattr(struct inode *inode, const struct inode_attr *attr)
{
	(void)inode;
	/* "> /proc/sys/..." truncates first. */
	return attr->valid == ATTR_SIZE ? 0 : -EPERM;
}

static const struct inode_ops proc_dir_inode_ops = {.lookup = proc_lookup, .setattr = proc_setattr};
static const struct inode_ops proc_file_inode_ops = {.setattr = proc_setattr};
static const struct inode_ops proc_text_link_ops = {
	.readlink = proc_readlink, .setattr = proc_setattr};
static const struct inode_ops proc_jump_link_ops = {
	.readlink = proc_readlink, .follow = proc_follow, .setattr = proc_setattr};

static struct inode *proc_inode(struct superblock *sb, const struct proc_ref *ref, uint64_t ino)
{
	struct proc_node *node = kmalloc(sizeof(*node), 0);
	struct inode *inode;

	if (!node)
		return ERR_PTR(-ENOMEM);
	node->ref = *ref;
	inode = inode_alloc(sb, ino, ref->entry->mode);
	if (IS_ERR(inode)) {
		kfree(node);
		return inode;
	}
	inode->priv = node;
	inode->nlink = 1;
	inode->atime = inode->mtime = inode->ctime = timespec_now();
	switch (ref->entry->mode & S_IFMT) {
	case S_IFDIR:
		inode->nlink = 2;
		inode->ops = &proc_dir_inode_ops;
		inode->fops = &proc_dir_ops;
		break;
	case S_IFLNK:
		inode->ops = ref->entry->follow ? &proc_jump_link_ops : &proc_text_link_ops;
		break;
	default:
		inode->ops = &proc_file_inode_ops;
		inode->fops = &proc_file_ops;
	}
	return inode;
}

/* ---- the file system ---- */

static ssize_t self_readlink(const struct proc_ref *ref, char *buf, size_t size)
{
	char text[16];
	int n;

	(void)ref;
	if (!process_current())
		return -ENOENT;
	n = fmt_snprintf(text, sizeof(text), "%d", process_current()->node.nr);
	memcpy(buf, text, MIN((size_t)n, size));
	return (ssize_t)MIN((size_t)n, size);
}

static ssize_t thread_self_readlink(const struct proc_ref *ref, char *buf, size_t size)
{
	char text[40];
	int n;

	(void)ref;
	if (!process_current())
		return -ENOENT;
	n = fmt_snprintf(text, sizeof(text), "%d/task/%d", process_current()->node.nr,
		task_current()->node.nr);
	memcpy(buf, text, MIN((size_t)n, size));
	return (ssize_t)MIN((size_t)n, size);
}

static ssize_t mounts_readlink(const struct proc_ref *ref, char *buf, size_t size)
{
	static const char text[] = "self/mounts";
	size_t n = MIN(sizeof(text) - 1, size);

	(void)ref;
	memcpy(buf, text, n);
	return (ssize_t)n;
}

#define ROOT_LINKS 5
static struct proc_entry root_entries[48] = {
	PROC_LINK("self", self_readlink, NULL),
	PROC_LINK("thread-self", thread_self_readlink, NULL),
	PROC_LINK("mounts", mounts_readlink, NULL),
	PROC_DIR("sys", &proc_sys_dir),
	PROC_DIR("sysvipc", &proc_sysvipc_dir),
};
static struct proc_dir root_dir = {
	.entries = root_entries,
	.next = proc_pid_next,
	.number_entry = &proc_pid_entry,
	.note = proc_pid_note,
};
static const struct proc_entry root_entry = PROC_DIR("/", &root_dir);

static void proc_evict(struct inode *inode)
{
	kfree(inode->priv);
}

static int proc_statfs(struct superblock *sb, struct fs_statfs *st)
{
	(void)sb;
	*st = (struct fs_statfs){.type = PROC_MAGIC, .bsize = PAGE_SIZE, .namelen = NAME_MAX_LEN};
	return 0;
}

static int proc_remount(struct superblock *sb, bool read_only)
{
	(void)sb;
	(void)read_only;
	return 0;
}

static const struct superblock_ops proc_super_ops = {
	.evict = proc_evict,
	.statfs = proc_statfs,
	.remount = proc_remount,
};

static int proc_mount(
	struct block_device *bdev, bool read_only, const char *data, struct superblock **out)
{
	struct superblock *sb = superblock_alloc("proc", &proc_super_ops);
	struct proc_ref ref = {.entry = &root_entry, .fd = -1};
	struct inode *root;

	(void)bdev;
	(void)data;
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	sb->no_cache = true;
	sb->read_only = read_only;
	root = proc_inode(sb, &ref, PROC_ROOT_INO);
	if (IS_ERR(root)) {
		superblock_free(sb);
		return (int)PTR_ERR(root);
	}
	sb->root = root;
	*out = sb;
	return 0;
}

static struct fs_type proc_type = {.name = "proc", .mount = proc_mount};

void procfs_init(void)
{
	assert(ROOT_LINKS + proc_system_count <= ARRAY_SIZE(root_entries));
	memcpy(&root_entries[ROOT_LINKS], proc_system_entries,
		proc_system_count * sizeof(root_entries[0]));
	root_dir.nentries = ROOT_LINKS + proc_system_count;
	proc_sys_init();
	profile_init();
	fs_register(&proc_type);
}
