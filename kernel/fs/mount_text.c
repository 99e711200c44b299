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

bool mount_describe(struct fs_state *fs, unsigned n, char *buf, size_t size)
{
	unsigned long flags;
	struct mount *m;
	struct path at;
	char *name, *room;
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
	fmt_snprintf(buf + MIN(len, size), size - MIN(len, size), " %s %s%s%s%s,relatime 0 0\n",
		m->sb->fs_name, flags & MS_RDONLY ? "ro" : "rw", flags & MS_NOSUID ? ",nosuid" : "",
		flags & MS_NODEV ? ",nodev" : "", flags & MS_NOEXEC ? ",noexec" : "");
	kfree(room);
	path_put(&at);
	return true;
}
