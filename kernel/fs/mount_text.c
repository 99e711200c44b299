/* Mounts as text: /proc/mounts, and the flags of statfs(2). */
#include "abi/mount.h"
#include "fs/dcache.h"
#include "fs/mount.h"
#include "fs/namespace.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/slab.h"

/* f_flags of statfs(2). */
#define ST_VALID    0x20ul
#define ST_RELATIME 0x1000ul

unsigned long mount_statfs_flags(const struct mount *m)
{
	/* The flags of mount(2) and statfs(2) have the same low bits. */
	unsigned long flags = READ_ONCE(m->flags) & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);

	if (m->sb->read_only)
		flags |= MS_RDONLY;
	return flags | ST_VALID | ST_RELATIME;
}

/* Append s, with what would end a field written as octal escapes, as getmntent(3) reads it. */
static size_t put_field(char *buf, size_t size, size_t at, const char *s)
{
	for (; *s; s++) {
		bool escape = *s == ' ' || *s == '\t' || *s == '\n' || *s == '\\';

		at += (size_t)fmt_snprintf(buf + MIN(at, size), size - MIN(at, size),
			escape ? "\\%03o" : "%c", (unsigned char)*s);
	}
	return at;
}

static size_t put_text(char *buf, size_t size, size_t at, const char *s)
{
	return at + (size_t)fmt_snprintf(buf + MIN(at, size), size - MIN(at, size), "%s", s);
}

/*
 * What the mount shows at its point, as a path of its file system: not all of it when it is a bind.
 */
static const char *root_text(const struct mount *m, char *buf, size_t size)
{
	const struct dentry *d;
	char *s = buf + size - 1;

	*s = '\0';
	dcache_read_lock();
	for (d = m->root; d != m->sb->root_dentry && (size_t)(s - buf) > d->len; d = d->parent) {
		s -= d->len;
		memcpy(s, d->name, d->len);
		*--s = '/';
	}
	dcache_read_unlock();
	return *s ? s : "/";
}

static const char *mount_words(unsigned long flags, char *buf, size_t size)
{
	fmt_snprintf(buf, size, "%s%s%s%s,relatime", flags & MS_RDONLY ? "ro" : "rw",
		flags & MS_NOSUID ? ",nosuid" : "", flags & MS_NODEV ? ",nodev" : "",
		flags & MS_NOEXEC ? ",noexec" : "");
	return buf;
}

/* proc(5): mountinfo. "37 23 0:21 /root-of-it /where rw,relatime - tmpfs source rw" */
static void put_info(const struct mount *m, unsigned parent, const char *root, const char *name,
	char *buf, size_t size)
{
	uint32_t dev = m->sb->devno;
	char words[64];
	size_t len;

	len = (size_t)fmt_snprintf(
		buf, size, "%u %u %u:%u ", m->id, parent, dev >> 8 & 0xfff, dev & 0xff);
	len = put_field(buf, size, len, root);
	len = put_field(buf, size, put_text(buf, size, len, " "), name);
	len = put_text(buf, size, len, " ");
	len = put_text(buf, size, len, mount_words(mount_statfs_flags(m), words, sizeof(words)));
	len = put_text(buf, size, len, " - ");
	len = put_text(buf, size, len, m->sb->fs_name);
	len = put_field(buf, size, put_text(buf, size, len, " "), m->source);
	put_text(buf, size, len, m->sb->read_only ? " ro\n" : " rw\n");
}

bool mount_describe_info(struct fs_state *fs, unsigned n, char *buf, size_t size)
{
	char *room, *name;
	const char *root;
	unsigned parent;
	struct path at;
	struct mount *m = mount_nth(n, &at);

	if (!m)
		return false;
	parent = mount_parent_id(m);
	room = kmalloc(2 * PATH_MAX_LEN, 0);
	name = room ? path_describe(fs, &at, room, PATH_MAX_LEN) : ERR_PTR(-ENOMEM);
	root = room ? root_text(m, room + PATH_MAX_LEN, PATH_MAX_LEN) : "/";
	put_info(m, parent, root, IS_ERR(name) ? "/" : name, buf, size);
	kfree(room);
	path_put(&at);
	return true;
}

bool mount_describe(struct fs_state *fs, unsigned n, char *buf, size_t size)
{
	unsigned long flags;
	struct mount *m;
	struct path at;
	char *name, *room, words[64];
	size_t len = 0;

	m = mount_nth(n, &at);
	if (!m)
		return false;
	flags = mount_statfs_flags(m);
	room = kmalloc(PATH_MAX_LEN, 0);
	name = room ? path_describe(fs, &at, room, PATH_MAX_LEN) : ERR_PTR(-ENOMEM);
	len = put_field(buf, size, len, m->source);
	len = put_field(buf, size,
		len + (size_t)fmt_snprintf(buf + MIN(len, size), size - MIN(len, size), " "),
		IS_ERR(name) ? "/" : name);
	fmt_snprintf(buf + MIN(len, size), size - MIN(len, size), " %s %s 0 0\n", m->sb->fs_name,
		mount_words(flags, words, sizeof(words)));
	kfree(room);
	path_put(&at);
	return true;
}
