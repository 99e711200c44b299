/* Names, files, mounts, pipes on tmpfs: one behaviour a test. No test leaves memory behind. */
#include "cmocka_host.h"
#include "abi/fcntl.h"
#include "abi/mount.h"
#include "fs/dcache.h"
#include "fs/devfs/devfs.h"
#include "fs/fdtable.h"
#include "fs/locks.h"
#include "fs/mount.h"
#include "fs/namespace.h"
#include "fs/pipe.h"
#include "fs/poll.h"
#include "fs/tmpfs/tmpfs.h"
#include "mm/buddy.h"
#include "mm/context.h"
#include "mm/slab.h"
#include "user_mem.h"

static struct fs_state *fs;
static uint64_t before;

static uint64_t settle(void)
{
	dcache_shrink();
	slab_reap();
	buddy_drain();
	return buddy_free_frames();
}

static int remove_tree(const char *name);

static int begin(void **state)
{
	(void)state;
	settle();
	before = settle();
	assert_int_equal(path_mkdir(fs, NULL, "/t", 0777), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	remove_tree("/t");
	return settle() == before ? 0 : -1;
}

/* Collect names for remove_tree and the listing tests. */
struct names {
	struct dir_sink sink;
	char name[64][256];
	unsigned n, max;
};

static bool names_put(struct dir_sink *sink, const char *name, size_t len, uint64_t ino,
	unsigned type, uint64_t next)
{
	struct names *l = (struct names *)sink;

	(void)ino;
	(void)type;
	(void)next;
	if (l->n == l->max)
		return false;
	memcpy(l->name[l->n], name, len);
	l->name[l->n++][len] = '\0';
	return true;
}

static struct file *open_ok(const char *name, uint32_t flags)
{
	struct file *f = path_open(fs, NULL, name, flags, 0644);

	assert_false(IS_ERR(f));
	return f;
}

static int open_err(const char *name, uint32_t flags)
{
	struct file *f = path_open(fs, NULL, name, flags, 0644);

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	file_put(f);
	return 0;
}

static int remove_tree(const char *name)
{
	for (;;) {
		struct names l = {.sink = {names_put}, .max = 64};
		struct file *f = open_ok(name, O_RDONLY | O_DIRECTORY);
		char child[600];

		assert_int_equal(file_readdir(f, &l.sink), 0);
		file_put(f);
		if (l.n == 2)
			return path_rmdir(fs, NULL, name);
		snprintf(child, sizeof(child), "%s/%s", name, l.name[2]);
		if (path_unlink(fs, NULL, child))
			remove_tree(child);
	}
}

static void put_text(const char *name, const char *text)
{
	struct file *f = open_ok(name, O_CREAT | O_WRONLY | O_TRUNC);

	assert_int_equal(file_write_kernel(f, text, strlen(text), 0), strlen(text));
	file_put(f);
}

static void expect_text(const char *name, const char *text)
{
	struct file *f = open_ok(name, O_RDONLY);
	char buf[256] = "";

	assert_int_equal(file_read_kernel(f, buf, sizeof(buf), 0), strlen(text));
	assert_string_equal(buf, text);
	file_put(f);
}

static int lookup(const char *name, unsigned flags)
{
	struct path p;
	int err = path_lookup(fs, NULL, name, flags, &p);

	if (!err)
		path_put(&p);
	return err;
}

static void files_keep_what_is_written(void **state)
{
	struct file *f = open_ok("/t/f", O_CREAT | O_RDWR);
	char buf[16] = "";

	(void)state;
	assert_int_equal(file_write_kernel(f, "hello", 5, 0), 5);
	assert_int_equal(file_write_kernel(f, "world", 5, 10000), 5);
	assert_int_equal(inode_size(f->inode), 10005);
	assert_int_equal(file_read_kernel(f, buf, 5, 0), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(file_read_kernel(f, buf, 8, 4996), 8);
	assert_memory_equal(buf, "\0\0\0\0\0\0\0\0", 8);
	assert_int_equal(file_read_kernel(f, buf, 16, 10000), 5);
	assert_int_equal(file_read_kernel(f, buf, 16, 10005), 0);
	file_put(f);
}

static void append_writes_at_the_end(void **state)
{
	struct file *f;

	(void)state;
	put_text("/t/f", "one");
	f = open_ok("/t/f", O_WRONLY | O_APPEND);
	assert_int_equal(file_write_kernel(f, "two", 3, 0), 3);
	file_put(f);
	expect_text("/t/f", "onetwo");
}

static void truncate_cuts_and_grows_with_zeros(void **state)
{
	struct file *f;
	char buf[8];

	(void)state;
	put_text("/t/f", "abcdef");
	f = open_ok("/t/f", O_RDWR);
	assert_int_equal(path_truncate(&f->path, 2), 0);
	assert_int_equal(path_truncate(&f->path, 5), 0);
	assert_int_equal(file_read_kernel(f, buf, 8, 0), 5);
	assert_memory_equal(buf, "ab\0\0\0", 5);
	file_put(f);
}

static void a_write_whose_source_faults_moves_what_it_can(void **state)
{
	struct file *f = open_ok("/t/f", O_CREAT | O_RDWR);
	struct iovec_user iov = {
		.base = USER_BASE + (USER_PAGES - 2) * PAGE_SIZE, .len = 3 * PAGE_SIZE};
	struct uio u;
	uint64_t pos = 100;

	(void)state;
	memset(host_user, 'x', sizeof(host_user));
	host_user_absent[USER_PAGES - 1] = true;
	uio_init_user(&u, &iov, 1);
	assert_int_equal(file_write(f, &u, &pos), 2 * PAGE_SIZE);
	assert_int_equal(inode_size(f->inode), 100 + 2 * PAGE_SIZE);
	assert_int_equal(pos, 100 + 2 * PAGE_SIZE);
	assert_int_equal(file_write(f, &u, &pos), -EFAULT);
	assert_int_equal(inode_size(f->inode), 100 + 2 * PAGE_SIZE);
	file_put(f);
}

#define MANY (40 * PAGE_SIZE)

static uint8_t byte_at(uint64_t pos)
{
	uint64_t page = pos / PAGE_SIZE;

	return page == 5 || page == 6 || page >= 37 ? 0 : (uint8_t)(page * 13 + pos * 7 + 1);
}

/* Forty pages less one byte; the 5th, the 6th and those from the 37th on are holes. */
static struct file *file_with_holes(void)
{
	struct file *f = open_ok("/t/f", O_CREAT | O_RDWR);

	for (uint64_t page = 0; page < 37; page++) {
		uint8_t buf[PAGE_SIZE];

		if (page == 5 || page == 6)
			continue;
		for (uint64_t i = 0; i < PAGE_SIZE; i++)
			buf[i] = byte_at(page * PAGE_SIZE + i);
		assert_int_equal(file_write_kernel(f, buf, PAGE_SIZE, page * PAGE_SIZE), PAGE_SIZE);
	}
	assert_int_equal(path_truncate(&f->path, MANY - 1), 0);
	return f;
}

static void a_read_goes_over_pages_holes_and_parts_of_memory(void **state)
{
	static const uint64_t starts[] = {
		0, 1, 4095, 4 * 4096 + 9, 5 * 4096, 30 * 4096 + 1, MANY - 2, MANY};
	struct iovec_user iov[] = {{USER_BASE + 3, 5000}, {USER_BASE, 0},
		{USER_BASE + 6001, 20 * PAGE_SIZE}, {USER_BASE + 30 * PAGE_SIZE, 1},
		{USER_BASE + 31 * PAGE_SIZE, 3 * PAGE_SIZE}, {USER_BASE, 0}};
	struct file *f = file_with_holes();

	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(starts); s++) {
		uint64_t pos = starts[s], at = pos;
		uint64_t want = MIN(5000 + 23 * PAGE_SIZE + 1, MAX(MANY - 1, pos) - pos);
		struct uio u;

		memset(host_user, 0xee, sizeof(host_user));
		uio_init_user(&u, iov, ARRAY_SIZE(iov));
		assert_int_equal(file_read(f, &u, &pos), want);
		assert_int_equal(pos, starts[s] + want);
		for (unsigned v = 0; v < ARRAY_SIZE(iov); v++)
			for (uint64_t i = 0; i < iov[v].len; i++, at++)
				assert_int_equal(host_user[iov[v].base - USER_BASE + i],
					at < pos ? byte_at(at) : 0xee);
	}
	file_put(f);
}

static void a_read_whose_memory_ends_in_a_run_moves_what_it_can(void **state)
{
	static const uint64_t room[] = {0, 1, 100, PAGE_SIZE, 3 * PAGE_SIZE + 7};
	struct file *f = file_with_holes();

	(void)state;
	for (unsigned s = 0; s < ARRAY_SIZE(room); s++) {
		struct iovec_user iov = {
			USER_BASE + USER_PAGES * PAGE_SIZE - room[s], 16 * PAGE_SIZE};
		uint64_t pos = 8 * PAGE_SIZE + 5;
		struct uio u;

		uio_init_user(&u, &iov, 1);
		assert_int_equal(file_read(f, &u, &pos), room[s] ? (int64_t)room[s] : -EFAULT);
		assert_int_equal(pos, 8 * PAGE_SIZE + 5 + room[s]);
		assert_int_equal(u.left, 16 * PAGE_SIZE - room[s]);
		for (uint64_t i = 0; i < room[s]; i++)
			assert_int_equal(host_user[USER_PAGES * PAGE_SIZE - room[s] + i],
				byte_at(8 * PAGE_SIZE + 5 + i));
	}
	file_put(f);
}

static void walk_knows_dots_slashes_and_kinds(void **state)
{
	char longname[400];

	(void)state;
	assert_int_equal(path_mkdir(fs, NULL, "/t/d", 0777), 0);
	put_text("/t/d/f", "x");
	assert_int_equal(lookup("//t///d/./../d/f", 0), 0);
	assert_int_equal(lookup("/../../t", 0), 0);
	assert_int_equal(lookup("/t/d/", 0), 0);
	assert_int_equal(lookup("/t/d/f/", 0), -ENOTDIR);
	assert_int_equal(lookup("/t/d/f/.", 0), -ENOTDIR);
	assert_int_equal(lookup("/t/d/f/x", 0), -ENOTDIR);
	assert_int_equal(lookup("/t/d/f", LOOKUP_DIRECTORY), -ENOTDIR);
	assert_int_equal(lookup("", 0), -ENOENT);
	assert_int_equal(lookup("", LOOKUP_EMPTY), 0);
	assert_int_equal(lookup("/t/none/x", 0), -ENOENT);
	memset(longname, 'a', sizeof(longname));
	memcpy(longname, "/t/", 3);
	longname[3 + 256] = '\0';
	assert_int_equal(lookup(longname, 0), -ENAMETOOLONG);
	longname[3 + 255] = '\0';
	assert_int_equal(lookup(longname, 0), -ENOENT);
	put_text(longname, "long");
	expect_text(longname, "long");
}

static void links_are_followed_up_to_a_limit(void **state)
{
	char a[32], b[32];

	(void)state;
	put_text("/t/f", "target");
	assert_int_equal(path_mkdir(fs, NULL, "/t/d", 0777), 0);
	assert_int_equal(path_symlink(fs, "../f", NULL, "/t/d/rel"), 0);
	assert_int_equal(path_symlink(fs, "/t/d", NULL, "/t/abs"), 0);
	assert_int_equal(path_symlink(fs, "self", NULL, "/t/self"), 0);
	expect_text("/t/d/rel", "target");
	expect_text("/t/abs/rel", "target");
	expect_text("/t/abs/../f", "target");
	assert_int_equal(lookup("/t/self", LOOKUP_FOLLOW), -ELOOP);
	assert_int_equal(lookup("/t/self", 0), 0);
	assert_int_equal(lookup("/t/abs", LOOKUP_DIRECTORY), -ENOTDIR);
	assert_int_equal(lookup("/t/abs/", 0), 0);
	assert_int_equal(open_err("/t/abs", O_RDONLY | O_NOFOLLOW), -ELOOP);
	assert_int_equal(open_err("/t/abs", O_PATH | O_NOFOLLOW), 0);
	for (unsigned i = 0; i < 41; i++) {
		snprintf(a, sizeof(a), "/t/l%u", i);
		snprintf(b, sizeof(b), i ? "l%u" : "f", i - 1);
		assert_int_equal(path_symlink(fs, b, NULL, a), 0);
	}
	assert_int_equal(lookup("/t/l39", LOOKUP_FOLLOW), 0);
	assert_int_equal(lookup("/t/l40", LOOKUP_FOLLOW), -ELOOP);
}

static void open_creates_through_links_and_refuses_what_linux_refuses(void **state)
{
	(void)state;
	assert_int_equal(path_symlink(fs, "new", NULL, "/t/link"), 0);
	assert_int_equal(open_err("/t/link", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
	assert_int_equal(open_err("/t/link", O_CREAT | O_NOFOLLOW | O_WRONLY), -ELOOP);
	put_text("/t/link", "made");
	expect_text("/t/new", "made");
	assert_int_equal(open_err("/t/new", O_CREAT | O_EXCL | O_WRONLY), -EEXIST);
	assert_int_equal(open_err("/t", O_WRONLY), -EISDIR);
	assert_int_equal(open_err("/t", O_CREAT | O_RDONLY), -EISDIR);
	assert_int_equal(open_err("/t/.", O_CREAT | O_RDONLY), -EISDIR);
	assert_int_equal(open_err("/t/x/", O_CREAT | O_WRONLY), -EISDIR);
	assert_int_equal(open_err("/t/new/", O_CREAT | O_WRONLY), -ENOTDIR);
	assert_int_equal(open_err("/t/new", O_DIRECTORY), -ENOTDIR);
	assert_int_equal(open_err("/t", O_TMPFILE | O_RDWR), -EOPNOTSUPP);
	assert_int_equal(open_err("/t", O_TMPFILE), -EINVAL);
	assert_int_equal(open_err("/t/none", O_RDONLY), -ENOENT);
	assert_int_equal(open_err("/t/new", O_RDONLY | O_DIRECT), -EINVAL);
}

static void remove_and_make_again(void **state)
{
	struct file *f;
	char buf[8];

	(void)state;
	put_text("/t/f", "one");
	f = open_ok("/t/f", O_RDONLY);
	assert_int_equal(path_unlink(fs, NULL, "/t/f"), 0);
	assert_int_equal(open_err("/t/f", O_RDONLY), -ENOENT);
	assert_int_equal(path_unlink(fs, NULL, "/t/f"), -ENOENT);
	put_text("/t/f", "two");
	assert_int_equal(file_read_kernel(f, buf, 8, 0), 3);
	assert_memory_equal(buf, "one", 3);
	file_put(f);
	expect_text("/t/f", "two");
	assert_int_equal(path_unlink(fs, NULL, "/t"), -EISDIR);
	assert_int_equal(path_rmdir(fs, NULL, "/t"), -ENOTEMPTY);
	assert_int_equal(path_rmdir(fs, NULL, "/t/f"), -ENOTDIR);
	assert_int_equal(path_unlink(fs, NULL, "/t/f/"), -ENOTDIR);
	assert_int_equal(path_rmdir(fs, NULL, "/t/."), -EINVAL);
	assert_int_equal(path_rmdir(fs, NULL, "/t/.."), -ENOTEMPTY);
	assert_int_equal(path_rmdir(fs, NULL, "/"), -EBUSY);
}

static void a_removed_directory_takes_no_entries(void **state)
{
	struct file *d;

	(void)state;
	assert_int_equal(path_mkdir(fs, NULL, "/t/d", 0777), 0);
	d = open_ok("/t/d", O_RDONLY);
	assert_int_equal(path_rmdir(fs, NULL, "/t/d"), 0);
	assert_int_equal(path_mkdir(fs, &d->path, "x", 0777), -ENOENT);
	assert_true(IS_ERR(path_open(fs, &d->path, "y", O_CREAT | O_WRONLY, 0644)));
	assert_int_equal(d->inode->nlink, 0);
	file_put(d);
}

static int do_rename(const char *from, const char *to, unsigned flags)
{
	return path_rename(fs, NULL, from, NULL, to, flags);
}

static void rename_moves_and_replaces(void **state)
{
	(void)state;
	assert_int_equal(path_mkdir(fs, NULL, "/t/a", 0777), 0);
	assert_int_equal(path_mkdir(fs, NULL, "/t/b", 0777), 0);
	put_text("/t/a/f", "f");
	put_text("/t/b/g", "g");
	assert_int_equal(do_rename("/t/a/f", "/t/b/f", 0), 0);
	assert_int_equal(lookup("/t/a/f", 0), -ENOENT);
	expect_text("/t/b/f", "f");
	assert_int_equal(do_rename("/t/b/f", "/t/b/g", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(do_rename("/t/b/f", "/t/b/g", 0), 0);
	expect_text("/t/b/g", "f");
	assert_int_equal(do_rename("/t/b", "/t/b/sub", 0), -EINVAL);
	assert_int_equal(do_rename("/t/b/g", "/t/a", 0), -EISDIR);
	assert_int_equal(do_rename("/t/a", "/t/b/g", 0), -ENOTDIR);
	assert_int_equal(do_rename("/t/a", "/t/b", 0), -ENOTEMPTY);
	assert_int_equal(do_rename("/t/b", "/t/a", 0), 0);
	expect_text("/t/a/g", "f");
	assert_int_equal(
		do_rename("/t/a/g", "/t/a/a-name-that-is-longer-than-forty-characters-long", 0), 0);
	expect_text("/t/a/a-name-that-is-longer-than-forty-characters-long", "f");
	assert_int_equal(do_rename("/t/none", "/t/x", 0), -ENOENT);
	assert_int_equal(do_rename("/t/a/.", "/t/x", 0), -EBUSY);
	assert_int_equal(do_rename("/t/a", "/t/c", RENAME_EXCHANGE), -EINVAL);
}

static void hard_links_count(void **state)
{
	struct path p;

	(void)state;
	put_text("/t/f", "x");
	assert_int_equal(path_lookup(fs, NULL, "/t/f", 0, &p), 0);
	assert_int_equal(path_link(fs, &p, NULL, "/t/g"), 0);
	assert_int_equal(path_inode(&p)->nlink, 2);
	assert_int_equal(path_link(fs, &p, NULL, "/t/g"), -EEXIST);
	assert_int_equal(do_rename("/t/f", "/t/g", 0), 0);
	expect_text("/t/f", "x");
	assert_int_equal(path_unlink(fs, NULL, "/t/f"), 0);
	assert_int_equal(path_inode(&p)->nlink, 1);
	path_put(&p);
	expect_text("/t/g", "x");
	assert_int_equal(path_lookup(fs, NULL, "/t", 0, &p), 0);
	assert_int_equal(path_link(fs, &p, NULL, "/t/dir"), -EPERM);
	path_put(&p);
}

static void listing_survives_removal(void **state)
{
	struct names l = {.sink = {names_put}, .max = 4};
	char name[32];
	struct file *d;

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		snprintf(name, sizeof(name), "/t/%u", i);
		put_text(name, "");
	}
	d = open_ok("/t", O_RDONLY);
	assert_int_equal(file_readdir(d, &l.sink), 0);
	assert_int_equal(l.n, 4);
	assert_int_equal(path_unlink(fs, NULL, "/t/1"), 0);
	assert_int_equal(path_unlink(fs, NULL, "/t/2"), 0);
	l.n = 0;
	assert_int_equal(file_readdir(d, &l.sink), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.name[0], "3");
	l.n = 0;
	assert_int_equal(file_readdir(d, &l.sink), 0);
	assert_int_equal(l.n, 0);
	file_put(d);
}

static void names_of_places(void **state)
{
	char buf[64];
	struct path p;

	(void)state;
	assert_int_equal(path_mkdir(fs, NULL, "/t/d", 0777), 0);
	assert_int_equal(path_lookup(fs, NULL, "/t/d", 0, &p), 0);
	assert_string_equal(path_name(fs, &p, buf, sizeof(buf)), "/t/d");
	assert_int_equal(PTR_ERR(path_name(fs, &p, buf, 4)), -ENAMETOOLONG);
	assert_int_equal(path_rmdir(fs, NULL, "/t/d"), 0);
	assert_int_equal(PTR_ERR(path_name(fs, &p, buf, sizeof(buf))), -ENOENT);
	assert_string_equal(path_describe(fs, &p, buf, sizeof(buf)), "/t/d (deleted)");
	path_put(&p);
}

static int mount_at(const char *where, const char *type, const char *data)
{
	struct path p;
	int err = path_lookup(fs, NULL, where, LOOKUP_FOLLOW, &p);

	assert_int_equal(err, 0);
	err = mount_do(fs, "none", &p, type, 0, data);
	path_put(&p);
	return err;
}

static int umount_at(const char *where, int flags)
{
	struct path p;
	int err = path_lookup(fs, NULL, where, LOOKUP_FOLLOW, &p);

	assert_int_equal(err, 0);
	err = mount_undo(fs, &p, flags);
	path_put(&p);
	return err;
}

static void mounts_cover_and_uncover(void **state)
{
	struct file *f;
	char buf[64];
	struct path p;

	(void)state;
	assert_int_equal(path_mkdir(fs, NULL, "/t/m", 0777), 0);
	put_text("/t/m/under", "u");
	assert_int_equal(mount_at("/t/m", "tmpfs", "size=64k,mode=755"), 0);
	assert_int_equal(lookup("/t/m/under", 0), -ENOENT);
	put_text("/t/m/over", "o");
	assert_int_equal(lookup("/t/m/../m/over", 0), 0);
	assert_int_equal(path_lookup(fs, NULL, "/t/m/over", 0, &p), 0);
	assert_string_equal(path_name(fs, &p, buf, sizeof(buf)), "/t/m/over");
	path_put(&p);
	assert_int_equal(path_rmdir(fs, NULL, "/t/m"), -EBUSY);
	assert_int_equal(do_rename("/t/m/over", "/t/over", 0), -EXDEV);
	f = open_ok("/t/m/over", O_RDONLY);
	assert_int_equal(umount_at("/t/m", 0), -EBUSY);
	assert_int_equal(umount_at("/t/m", MNT_DETACH), 0);
	assert_int_equal(lookup("/t/m/under", 0), 0);
	assert_int_equal(file_read_kernel(f, buf, 8, 0), 1);
	file_put(f);
	assert_int_equal(umount_at("/t/m", 0), -EINVAL);
	assert_int_equal(umount_at("/", 0), -EBUSY);
	assert_int_equal(mount_at("/t/m", "nosuchfs", NULL), -ENODEV);
	assert_int_equal(mount_at("/t/m", "tmpfs", "what"), -EINVAL);
}

static void a_full_tmpfs_says_so(void **state)
{
	struct file *f;
	static char page[PAGE_SIZE];

	(void)state;
	assert_int_equal(path_mkdir(fs, NULL, "/t/m", 0777), 0);
	assert_int_equal(mount_at("/t/m", "tmpfs", "size=8k"), 0);
	f = open_ok("/t/m/f", O_CREAT | O_RDWR);
	assert_int_equal(file_write_kernel(f, page, sizeof(page), 0), PAGE_SIZE);
	assert_int_equal(file_write_kernel(f, page, sizeof(page), PAGE_SIZE), PAGE_SIZE);
	assert_int_equal(file_write_kernel(f, page, sizeof(page), 2 * PAGE_SIZE), -ENOSPC);
	assert_int_equal(inode_size(f->inode), 2 * PAGE_SIZE);
	assert_int_equal(file_write_kernel(f, page, sizeof(page), 0), PAGE_SIZE);
	assert_int_equal(path_truncate(&f->path, 0), 0);
	assert_int_equal(file_write_kernel(f, page, sizeof(page), 0), PAGE_SIZE);
	file_put(f);
	assert_int_equal(umount_at("/t/m", 0), 0);
}

static void bind_and_read_only(void **state)
{
	struct path p;

	(void)state;
	assert_int_equal(path_mkdir(fs, NULL, "/t/a", 0777), 0);
	assert_int_equal(path_mkdir(fs, NULL, "/t/b", 0777), 0);
	put_text("/t/a/f", "x");
	assert_int_equal(path_lookup(fs, NULL, "/t/b", 0, &p), 0);
	assert_int_equal(mount_do(fs, "/t/a", &p, NULL, MS_BIND, NULL), 0);
	path_put(&p);
	expect_text("/t/b/f", "x");
	assert_int_equal(path_lookup(fs, NULL, "/t/b", 0, &p), 0);
	assert_int_equal(mount_do(fs, NULL, &p, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), 0);
	path_put(&p);
	assert_int_equal(open_err("/t/b/f", O_WRONLY), -EROFS);
	assert_int_equal(open_err("/t/b/g", O_CREAT | O_WRONLY), -EROFS);
	assert_int_equal(path_unlink(fs, NULL, "/t/b/f"), -EROFS);
	assert_int_equal(open_err("/t/a/f", O_WRONLY), 0);
	assert_int_equal(umount_at("/t/b", 0), 0);
}

static void programs_that_run_are_not_written(void **state)
{
	struct file *f;

	(void)state;
	put_text("/t/f", "x");
	f = open_ok("/t/f", O_RDONLY);
	assert_int_equal(inode_deny_write(f->inode), 0);
	assert_int_equal(open_err("/t/f", O_WRONLY), -ETXTBSY);
	assert_int_equal(path_truncate(&f->path, 0), -ETXTBSY);
	inode_allow_write(f->inode);
	assert_int_equal(open_err("/t/f", O_WRONLY), 0);
	file_put(f);
}

static void device_nodes_work_on_any_file_system(void **state)
{
	struct file *f;
	char buf[4] = "abc";

	(void)state;
	assert_int_equal(path_mknod(fs, NULL, "/t/zero", S_IFCHR | 0666, MKDEV(1, 5)), 0);
	assert_int_equal(path_mknod(fs, NULL, "/t/none", S_IFCHR | 0666, MKDEV(99, 5)), 0);
	f = open_ok("/t/zero", O_RDWR);
	assert_int_equal(file_read_kernel(f, buf, 4, 0), 4);
	assert_memory_equal(buf, "\0\0\0\0", 4);
	file_put(f);
	assert_int_equal(open_err("/t/none", O_RDWR), -ENXIO);
	assert_int_equal(path_mkdir(fs, NULL, "/t/dev", 0777), 0);
	assert_int_equal(mount_at("/t/dev", "devtmpfs", NULL), 0);
	f = open_ok("/t/dev/full", O_RDWR);
	assert_int_equal(file_write_kernel(f, "x", 1, 0), -ENOSPC);
	file_put(f);
	assert_int_equal(umount_at("/t/dev", 0), 0);
}

static void descriptors_are_the_lowest_free(void **state)
{
	struct fdtable *t = fdtable_create(), *copy;
	struct file *f = open_ok("/t", O_RDONLY);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(fd_install(t, file_get(f), 0, 1024, i & 1), i);
	assert_int_equal(fd_close(t, 3), 0);
	assert_int_equal(fd_close(t, 70), 0);
	assert_int_equal(fd_close(t, 70), -EBADF);
	assert_int_equal(fd_install(t, file_get(f), 10, 1024, false), 70);
	assert_int_equal(fd_install(t, file_get(f), 0, 1024, false), 3);
	assert_int_equal(fd_install(t, f, 0, 100, false), -EMFILE);
	assert_int_equal(fd_replace(t, 500, file_get(f), 1024, true), 500);
	assert_int_equal(fd_replace(t, 5000, f, 1024, true), -EBADF);
	copy = fdtable_clone(t);
	fdtable_close_on_exec(copy);
	assert_null(fd_get(copy, 5));
	assert_null(fd_get(copy, 500));
	assert_int_equal(fd_get_cloexec(copy, 4), 0);
	assert_int_equal(fd_get_cloexec(t, 5), 1);
	fd_set_cloexec_range(t, 10, 1000);
	assert_int_equal(fd_next(t, 10), 10);
	assert_int_equal(fd_get_cloexec(t, 12), 1);
	assert_int_equal(fd_get_cloexec(t, 500), 1);
	assert_int_equal(fd_get_cloexec(t, 8), 0);
	fd_close_range(t, 10, 1000);
	assert_int_equal(fd_next(t, 10), -1);
	fdtable_put(copy);
	fdtable_put(t);
	assert_int_equal(f->refs, 1);
	file_put(f);
}

static ssize_t pipe_put(struct file *w, const void *buf, size_t n)
{
	struct uio u;

	uio_init_kernel(&u, (void *)(uintptr_t)buf, n);
	return file_write(w, &u, NULL);
}

static ssize_t pipe_take(struct file *r, void *buf, size_t n)
{
	struct uio u;

	uio_init_kernel(&u, buf, n);
	return file_read(r, &u, NULL);
}

static unsigned sigpipes;
static void count_sigpipe(void)
{
	sigpipes++;
}

static void pipes_hold_64k_and_small_writes_are_whole(void **state)
{
	static char buf[70000], out[70000];
	struct file *r, *w;

	(void)state;
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7);
	assert_int_equal(pipe_create(O_NONBLOCK, &r, &w), 0);
	assert_int_equal(pipe_take(r, out, 1), -EAGAIN);
	assert_int_equal(pipe_put(w, buf, sizeof(buf)), 65536);
	assert_int_equal(pipe_put(w, buf, 1), -EAGAIN);
	assert_int_equal(pipe_take(r, out, 4096), 4096);
	assert_int_equal(pipe_put(w, buf + 65536, 4000), 4000);
	assert_int_equal(pipe_put(w, buf, 200), -EAGAIN);
	assert_int_equal(pipe_take(r, out + 4096, sizeof(out)), 65536 - 4096 + 4000);
	assert_memory_equal(out, buf, 65536 + 4000);
	assert_int_equal(r->ops->fcntl(r, F_SETPIPE_SZ, 5000), 8192);
	assert_int_equal(r->ops->fcntl(r, F_GETPIPE_SZ, 0), 8192);
	assert_int_equal(pipe_put(w, buf, sizeof(buf)), 8192);
	assert_int_equal(r->ops->fcntl(r, F_SETPIPE_SZ, 4096), -EBUSY);
	assert_int_equal(file_poll(r, NULL) & (POLLIN | POLLHUP), POLLIN);
	assert_int_equal(file_poll(w, NULL) & (POLLOUT | POLLERR), 0);
	file_put(w);
	assert_int_equal(pipe_take(r, out, sizeof(out)), 8192);
	assert_int_equal(pipe_take(r, out, 1), 0);
	file_put(r);
}

static void a_pipe_without_reader_breaks(void **state)
{
	struct file *r, *w;

	(void)state;
	sigpipes = 0;
	pipe_set_sigpipe(count_sigpipe);
	assert_int_equal(pipe_create(0, &r, &w), 0);
	file_put(r);
	assert_int_equal(pipe_put(w, "x", 1), -EPIPE);
	assert_int_equal(sigpipes, 1);
	assert_true(file_poll(w, NULL) & POLLERR);
	file_put(w);
}

static void small_writes_fill_one_frame(void **state)
{
	struct file *r, *w;
	char out[64];

	(void)state;
	assert_int_equal(pipe_create(O_NONBLOCK, &r, &w), 0);
	for (unsigned i = 0; i < 65536; i++)
		assert_int_equal(pipe_put(w, "z", 1), 1);
	assert_int_equal(pipe_put(w, "z", 1), -EAGAIN);
	assert_int_equal(pipe_take(r, out, 64), 64);
	file_put(r);
	file_put(w);
}

static void fifos_connect_by_name(void **state)
{
	struct file *r, *w;
	char out[8];

	(void)state;
	assert_int_equal(path_mknod(fs, NULL, "/t/fifo", S_IFIFO | 0666, 0), 0);
	assert_int_equal(open_err("/t/fifo", O_WRONLY | O_NONBLOCK), -ENXIO);
	r = open_ok("/t/fifo", O_RDONLY | O_NONBLOCK);
	assert_int_equal(file_poll(r, NULL) & POLLHUP, 0);
	w = open_ok("/t/fifo", O_WRONLY);
	assert_int_equal(pipe_put(w, "abc", 3), 3);
	assert_int_equal(pipe_take(r, out, 8), 3);
	file_put(w);
	assert_int_equal(pipe_take(r, out, 8), 0);
	assert_true(file_poll(r, NULL) & POLLHUP);
	file_put(r);
}

static void poll_tells_ready_from_not(void **state)
{
	struct fdtable *t = fdtable_create();
	struct pollfd_kernel fds[3] = {
		{.fd = 0, .events = POLLIN}, {.fd = 1, .events = POLLOUT}, {.fd = 9}};
	struct file *r, *w;

	(void)state;
	assert_int_equal(pipe_create(0, &r, &w), 0);
	assert_int_equal(fd_install(t, r, 0, 16, false), 0);
	assert_int_equal(fd_install(t, w, 0, 16, false), 1);
	assert_int_equal(poll_run(t, fds, 3, WAIT_FOREVER), 2);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(fds[1].revents, POLLOUT);
	assert_int_equal(fds[2].revents, POLLNVAL);
	assert_int_equal(poll_run(t, fds, 1, 1), 0);
	fdtable_put(t);
}

static void record_locks_split_and_conflict(void **state)
{
	struct file *f = open_ok("/t/f", O_CREAT | O_RDWR), *g = open_ok("/t/f", O_RDWR);
	struct file_lock_range all = {0, INT64_MAX, F_WRLCK, 0}, mid = {10, 19, F_UNLCK, 0};
	struct file_lock_range want = {12, 12, F_WRLCK, 0}, low = {0, 0, F_RDLCK, 0};
	int a, b;

	(void)state;
	assert_int_equal(locks_set(f, &a, 1, &all, false), 0);
	assert_int_equal(locks_set(f, &b, 2, &want, false), -EAGAIN);
	assert_int_equal(locks_set(f, &a, 1, &mid, false), 0);
	assert_int_equal(locks_set(f, &b, 2, &want, false), 0);
	locks_test(f, &b, &low);
	assert_int_equal(low.type, F_WRLCK);
	assert_int_equal(low.pid, 1);
	assert_int_equal(low.end, 9);
	locks_release_owner(f, &a);
	locks_release_owner(f, &b);
	assert_int_equal(locks_flock(f, LOCK_EX), 0);
	assert_int_equal(locks_flock(g, LOCK_SH | LOCK_NB), -EAGAIN);
	file_put(f);
	assert_int_equal(locks_flock(g, LOCK_SH | LOCK_NB), 0);
	file_put(g);
}

static void memfds_live_without_a_name(void **state)
{
	struct file *f = tmpfs_create_file("box", O_RDWR, false);
	char buf[64];

	(void)state;
	assert_int_equal(file_write_kernel(f, "abc", 3, 0), 3);
	assert_string_equal(file_describe(fs, f, buf, sizeof(buf)), "/memfd:box (deleted)");
	file_put(f);
}

static void unmount_frees_a_deep_tree(void **state)
{
	struct path at, next;

	(void)state;
	assert_int_equal(path_mkdir(fs, NULL, "/t/m", 0777), 0);
	assert_int_equal(mount_at("/t/m", "tmpfs", NULL), 0);
	assert_int_equal(path_lookup(fs, NULL, "/t/m", 0, &at), 0);
	for (unsigned i = 0; i < 2000; i++) {
		assert_int_equal(path_mkdir(fs, &at, "d", 0777), 0);
		assert_int_equal(path_lookup(fs, &at, "d", 0, &next), 0);
		path_put(&at);
		at = next;
	}
	path_put(&at);
	assert_int_equal(umount_at("/t/m", 0), 0);
}

int main(void)
{
	struct CMUnitTest tests[64];
	unsigned n = 0;

	host_machine_start(64ul << 20, 1);
	mm_init();
	path_init();
	devfs_init();
	if (mount_root_kernel("tmpfs"))
		return 1;
	fs = fs_state_create();
#define CLEAN(fn) tests[n++] = (struct CMUnitTest)cmocka_unit_test_setup_teardown(fn, begin, end)
	CLEAN(files_keep_what_is_written);
	CLEAN(append_writes_at_the_end);
	CLEAN(truncate_cuts_and_grows_with_zeros);
	CLEAN(a_write_whose_source_faults_moves_what_it_can);
	CLEAN(a_read_goes_over_pages_holes_and_parts_of_memory);
	CLEAN(a_read_whose_memory_ends_in_a_run_moves_what_it_can);
	CLEAN(walk_knows_dots_slashes_and_kinds);
	CLEAN(links_are_followed_up_to_a_limit);
	CLEAN(open_creates_through_links_and_refuses_what_linux_refuses);
	CLEAN(remove_and_make_again);
	CLEAN(a_removed_directory_takes_no_entries);
	CLEAN(rename_moves_and_replaces);
	CLEAN(hard_links_count);
	CLEAN(listing_survives_removal);
	CLEAN(names_of_places);
	CLEAN(mounts_cover_and_uncover);
	CLEAN(a_full_tmpfs_says_so);
	CLEAN(bind_and_read_only);
	CLEAN(programs_that_run_are_not_written);
	CLEAN(device_nodes_work_on_any_file_system);
	CLEAN(descriptors_are_the_lowest_free);
	CLEAN(pipes_hold_64k_and_small_writes_are_whole);
	CLEAN(a_pipe_without_reader_breaks);
	CLEAN(small_writes_fill_one_frame);
	CLEAN(fifos_connect_by_name);
	CLEAN(poll_tells_ready_from_not);
	CLEAN(record_locks_split_and_conflict);
	CLEAN(memfds_live_without_a_name);
	CLEAN(unmount_frees_a_deep_tree);
	return _cmocka_run_group_tests("vfs", tests, n, NULL, NULL);
}
