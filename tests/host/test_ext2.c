/* ext2: one behaviour a test, on volumes of every block size, each judged by e2fsck afterwards. */
#include "cmocka_host.h"
#include "ext2_env.h"
#include "mm/context.h"
#include "mm/buddy.h"
#include "mm/cache.h"
#include "mm/slab.h"

static const char *const kinds[] = {"-b 1024 -N 2048", "-b 2048 -N 2048", "-b 4096 -N 2048",
	"-b 1024 -I 128", "-b 1024 -r 0", "-b 4096 -O ^filetype", "-b 1024 -g 1024 -N 2048",
	"-b 1024 -O ^sparse_super,^resize_inode"};

/* Run a test body on a mounted volume of each kind. */
static void on_every_kind(void (*body)(void))
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		env_make(kinds[i], 8 << 20);
		assert_int_equal(env_mount(false), 0);
		body();
		env_unmount();
		if (!env_fsck_clean())
			fail_msg("e2fsck complains with %s", kinds[i]);
	}
}

static void mount_and_unmount(void)
{
}

static void an_untouched_volume_stays_clean(void **state)
{
	(void)state;
	on_every_kind(mount_and_unmount);
}

static uint8_t pattern(uint64_t pos, unsigned seed)
{
	return (uint8_t)(pos * 7 + (pos >> 8) * 13 + (pos >> 16) + seed);
}

static void write_pattern(struct inode *inode, uint64_t pos, size_t n, unsigned seed)
{
	uint8_t *buf = malloc(n);

	for (size_t i = 0; i < n; i++)
		buf[i] = pattern(pos + i, seed);
	assert_int_equal(env_write(inode, pos, buf, n), n);
	free(buf);
}

static void check_pattern(struct inode *inode, uint64_t pos, size_t n, unsigned seed)
{
	uint8_t *buf = malloc(n);

	assert_int_equal(env_read(inode, pos, buf, n), n);
	for (size_t i = 0; i < n; i++)
		if (buf[i] != pattern(pos + i, seed))
			fail_msg("byte %llu differs", (unsigned long long)(pos + i));
	free(buf);
}

static void check_zero(struct inode *inode, uint64_t pos, size_t n)
{
	uint8_t *buf = malloc(n);

	assert_int_equal(env_read(inode, pos, buf, n), n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf[i], 0);
	free(buf);
}

static void write_read_remount(void)
{
	struct inode *f;

	assert_int_equal(env_create(env.root, "file", S_IFREG | 0644, &f), 0);
	write_pattern(f, 0, 700000, 1);
	inode_put(f);
	env_unmount();
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "file", &f), 0);
	assert_int_equal(inode_size(f), 700000);
	check_pattern(f, 0, 700000, 1);
	inode_put(f);
}

static void what_was_written_is_read_after_a_remount(void **state)
{
	(void)state;
	on_every_kind(write_read_remount);
}

static void sparse(void)
{
	static const uint64_t at[] = {0, 11 << 10, 300 << 10, 70 << 20, 900 << 20};
	struct inode *f;

	assert_int_equal(env_create(env.root, "sparse", S_IFREG | 0644, &f), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
		write_pattern(f, at[i] + 100, 5000, i);
	assert_int_equal(env_sync(), 0);
	env_drop_caches();
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
		check_pattern(f, at[i] + 100, 5000, i);
	check_zero(f, 100000, 100000);
	check_zero(f, 80 << 20, 100000);
	assert_true(f->blocks < 400);
	assert_int_equal(env_truncate(f, 71 << 20), 0);
	assert_int_equal(env_truncate(f, (70 << 20) + 200), 0);
	assert_int_equal(env_sync(), 0);
	env_drop_caches();
	assert_int_equal(env_truncate(f, 100 << 20), 0);
	check_pattern(f, (70 << 20) + 100, 100, 3);
	check_zero(f, (70 << 20) + 200, 10000);
	assert_int_equal(env_truncate(f, 0), 0);
	assert_int_equal(f->blocks, 0);
	inode_put(f);
}

static void holes_at_every_level_of_indirection(void **state)
{
	(void)state;
	on_every_kind(sparse);
}

struct names {
	unsigned count;
	uint64_t inos;
};

static void count_name(const char *name, size_t len, uint64_t ino, unsigned type, void *arg)
{
	struct names *n = arg;

	(void)name;
	(void)len;
	(void)type;
	n->count++;
	n->inos += ino;
}

#define MANY 1000

/* Nowhere in a write is memory wanted that could not be waited for. */
static void a_write_gets_over_an_allocation_that_fails(void **state)
{
	struct inode *f;
	bool failed = true;

	(void)state;
	env_make("-b 1024", 8 << 20);
	assert_int_equal(env_mount(false), 0);
	for (uint64_t n = 1; failed; n++) {
		assert_int_equal(env_create(env.root, "file", S_IFREG | 0644, &f), 0);
		alloc_fail_nth(n);
		assert_int_equal(env_write(f, 5 << 20, "x", 1), 1);
		failed = alloc_fail_countdown == 0;
		alloc_fail_nth(0);
		inode_put(f);
		assert_int_equal(env_unlink(env.root, "file"), 0);
		assert_int_equal(env_sync(), 0);
		env_drop_caches();
	}
	env_unmount();
	assert_true(env_fsck_clean());
}

/*
 * The page stays dirty, and its block is promised still: zeros that were written through a hole get
 * one.
 */
static void a_write_back_that_fails_keeps_the_promise(void **state)
{
	static const char zeros[1024];
	struct inode *f;
	uint64_t before;

	(void)state;
	env_make("-b 1024", 8 << 20);
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_create(env.root, "file", S_IFREG | 0644, &f), 0);
	assert_int_equal(env_sync(), 0);
	env_drop_caches();
	assert_int_equal(env_write(f, 5 << 20, zeros, sizeof(zeros)), sizeof(zeros));
	before = f->blocks;
	env.fail_at = 1; /* the bitmap */
	assert_int_equal(cache_write_back(f->object, 0, UINT64_MAX), -EIO);
	env.fail_at = 0;
	assert_int_equal(cache_write_back(f->object, 0, UINT64_MAX), 0);
	assert_true(f->blocks > before);
	inode_put(f);
	env_unmount();
	assert_true(env_fsck_clean());
}

static void many_files(void)
{
	struct names n = {0};
	struct inode *d, *f;
	char name[32];

	struct fs_statfs st;

	env.sb->ops->statfs(env.sb, &st);
	if (st.ffree < MANY + 10)
		return;
	assert_int_equal(env_mkdir(env.root, "dir", &d), 0);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "some-file-%u", i);
		assert_int_equal(env_create(d, name, S_IFREG | 0644, NULL), 0);
	}
	assert_int_equal(env_create(d, "some-file-7", S_IFREG | 0644, NULL), -EEXIST);
	assert_int_equal(env_readdir(d, count_name, &n), 0);
	assert_int_equal(n.count, MANY + 2);
	assert_int_equal(env_rmdir(env.root, "dir"), -ENOTEMPTY);
	for (unsigned i = 0; i < MANY; i += 2) {
		snprintf(name, sizeof(name), "some-file-%u", i);
		assert_int_equal(env_unlink(d, name), 0);
		assert_int_equal(env_lookup(d, name, &f), -ENOENT);
	}
	assert_int_equal(env_sync(), 0);
	inode_put(d);
	env_unmount();
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "dir", &d), 0);
	for (unsigned i = 1; i < MANY; i += 2) {
		snprintf(name, sizeof(name), "some-file-%u", i);
		assert_int_equal(env_unlink(d, name), 0);
	}
	inode_put(d);
	assert_int_equal(env_rmdir(env.root, "dir"), 0);
}

static void a_thousand_files_in_a_directory(void **state)
{
	(void)state;
	on_every_kind(many_files);
}

static void symlinks(void)
{
	char slow[900], buf[1024];
	struct inode *l;

	memset(slow, 'x', sizeof(slow));
	slow[sizeof(slow) - 1] = 0;
	assert_int_equal(env_symlink(env.root, "fast", "target"), 0);
	assert_int_equal(env_symlink(env.root, "slow", slow), 0);
	slow[60] = 0;
	assert_int_equal(env_symlink(env.root, "sixty", slow), 0);
	slow[59] = 0;
	assert_int_equal(env_symlink(env.root, "fiftynine", slow), 0);
	env_unmount();
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "fast", &l), 0);
	assert_int_equal(l->ops->readlink(l, buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "target", 6);
	inode_put(l);
	assert_int_equal(env_lookup(env.root, "slow", &l), 0);
	assert_int_equal(l->ops->readlink(l, buf, sizeof(buf)), sizeof(slow) - 1);
	assert_int_equal(buf[800], 'x');
	inode_put(l);
	assert_int_equal(env_lookup(env.root, "fiftynine", &l), 0);
	assert_int_equal(l->blocks, 0);
	inode_put(l);
	assert_int_equal(env_unlink(env.root, "slow"), 0);
	assert_int_equal(env_unlink(env.root, "fast"), 0);
}

static void symbolic_links_short_and_long(void **state)
{
	(void)state;
	on_every_kind(symlinks);
}

static void renames(void)
{
	struct inode *a, *b, *f, *g;

	assert_int_equal(env_mkdir(env.root, "a", &a), 0);
	assert_int_equal(env_mkdir(env.root, "b", &b), 0);
	assert_int_equal(env_create(a, "f", S_IFREG | 0644, &f), 0);
	write_pattern(f, 0, 10000, 3);
	assert_int_equal(env_create(b, "g", S_IFREG | 0644, &g), 0);
	write_pattern(g, 0, 5000, 4);
	assert_int_equal(env_rename(a, "f", b, "g"), 0);
	assert_int_equal(g->nlink, 0);
	check_pattern(g, 0, 5000, 4);
	inode_put(g);
	assert_int_equal(env_lookup(b, "g", &g), 0);
	assert_ptr_equal(f, g);
	inode_put(g);
	assert_int_equal(env_link(a, "again", f), 0);
	assert_int_equal(f->nlink, 2);
	inode_put(f);
	assert_int_equal(env_mkdir(a, "sub", &g), 0);
	assert_int_equal(a->nlink, 3);
	assert_int_equal(env_rename(a, "sub", b, "moved"), 0);
	assert_int_equal(a->nlink, 2);
	assert_int_equal(b->nlink, 3);
	inode_put(g);
	assert_int_equal(env_mkdir(a, "empty", NULL), 0);
	assert_int_equal(env_rename(b, "moved", a, "empty"), 0);
	assert_int_equal(b->nlink, 2);
	assert_int_equal(a->nlink, 3);
	inode_put(a);
	inode_put(b);
}

static void rename_moves_and_replaces(void **state)
{
	(void)state;
	on_every_kind(renames);
}

static void special_files(void)
{
	struct inode *d;
	int err;

	err = env.root->ops->mknod(env.root, "null", 4, S_IFCHR | 0666, MKDEV(1, 3), &d);
	assert_int_equal(err, 0);
	inode_put(d);
	err = env.root->ops->mknod(env.root, "big", 3, S_IFBLK | 0600, MKDEV(300, 70000), &d);
	assert_int_equal(err, 0);
	inode_put(d);
	assert_int_equal(env_create(env.root, "pipe", S_IFIFO | 0600, NULL), 0);
	env_unmount();
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "null", &d), 0);
	assert_int_equal(d->rdev, MKDEV(1, 3));
	inode_put(d);
	assert_int_equal(env_lookup(env.root, "big", &d), 0);
	assert_int_equal(d->rdev, MKDEV(300, 70000));
	inode_put(d);
	assert_int_equal(env_unlink(env.root, "null"), 0);
}

static void device_numbers_survive(void **state)
{
	(void)state;
	on_every_kind(special_files);
}

static void fill_up(void)
{
	struct fs_statfs before, after;
	uint8_t *buf = malloc(64 << 10);
	struct inode *f;
	int64_t n, total = 0;
	char name[16];
	int err = 0;

	memset(buf, 'f', 64 << 10);
	env.sb->ops->statfs(env.sb, &before);
	assert_int_equal(env_create(env.root, "full", S_IFREG | 0644, &f), 0);
	while ((n = env_write(f, (uint64_t)total, buf, 64 << 10)) > 0)
		total += n;
	assert_int_equal(n, -ENOSPC);
	/* All but the indirect blocks was used for data. */
	assert_true((uint64_t)total / before.bsize > before.bfree * 97 / 100);
	/* Less than a page of file data may be left: directories take it block by block. */
	for (n = 0; n < 8 && !err; n++) {
		snprintf(name, sizeof(name), "d%d", (int)n);
		err = env_mkdir(env.root, name, NULL);
	}
	assert_int_equal(err, -ENOSPC);
	for (n -= 2; n >= 0; n--) {
		snprintf(name, sizeof(name), "d%d", (int)n);
		assert_int_equal(env_rmdir(env.root, name), 0);
	}
	assert_int_equal(env_sync(), 0);
	assert_int_equal(env_unlink(env.root, "full"), 0);
	inode_put(f);
	env.sb->ops->statfs(env.sb, &after);
	assert_int_equal(after.bfree, before.bfree);
	assert_int_equal(after.ffree, before.ffree);
	free(buf);
}

static void a_full_volume_says_so_and_gives_everything_back(void **state)
{
	(void)state;
	on_every_kind(fill_up);
}

static void orphan(void)
{
	struct inode *f;

	assert_int_equal(env_create(env.root, "gone", S_IFREG | 0644, &f), 0);
	write_pattern(f, 0, 300000, 9);
	assert_int_equal(env_sync(), 0);
	assert_int_equal(env_unlink(env.root, "gone"), 0);
	env_drop_caches();
	check_pattern(f, 0, 300000, 9);
	write_pattern(f, 300000, 1000, 9);
	inode_put(f);
}

static void an_unlinked_open_file_lives_until_its_last_user(void **state)
{
	(void)state;
	on_every_kind(orphan);
}

static void after_sync_the_volume_is_whole_while_mounted(void **state)
{
	struct inode *f;

	(void)state;
	env_make("-b 1024", 8 << 20);
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_create(env.root, "file", S_IFREG | 0644, &f), 0);
	write_pattern(f, 0, 500000, 1);
	assert_int_equal(env_sync(), 0);
	assert_true(env.flushes > 0);
	assert_true(env_fsck_clean());
	inode_put(f);
	env_unmount();
}

static void times_have_nanoseconds_in_wide_inodes(void **state)
{
	struct inode_attr attr = {.valid = ATTR_MTIME, .mtime = {5000000000, 123456789}};
	struct inode *f;

	(void)state;
	env_make("-b 4096 -I 256", 8 << 20);
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_create(env.root, "file", S_IFREG | 0644, &f), 0);
	assert_int_equal(f->ops->setattr(f, &attr), 0);
	inode_put(f);
	env_unmount();
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "file", &f), 0);
	assert_true(f->mtime.sec == 5000000000 && f->mtime.nsec == 123456789);
	inode_put(f);
	env_unmount();
	assert_true(env_fsck_clean());
}

static void a_read_only_mount_writes_nothing(void **state)
{
	uint8_t *before;
	struct inode *f;

	(void)state;
	env_make("-b 1024", 8 << 20);
	before = env_snapshot();
	assert_int_equal(env_mount(true), 0);
	assert_int_equal(env_lookup(env.root, "lost+found", &f), 0);
	inode_put(f);
	env_unmount();
	assert_memory_equal(before, env.disk, env.size);
	free(before);
}

static void a_file_that_comes_and_goes_writes_no_data(void **state)
{
	uint64_t before;
	struct inode *f;

	(void)state;
	env_make("-b 1024", 8 << 20);
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_sync(), 0);
	before = env.sectors_written;
	assert_int_equal(env_create(env.root, "temp", S_IFREG | 0644, &f), 0);
	write_pattern(f, 0, 2000000, 1);
	inode_put(f);
	assert_int_equal(env_unlink(env.root, "temp"), 0);
	assert_int_equal(env.sectors_written >= before, 1);
	env_unmount();
	assert_true(env_fsck_clean());
}

static void memory_is_given_back_after_unmount(void **state)
{
	uint64_t before = 0;

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		env_make("-b 1024", 8 << 20);
		assert_int_equal(env_mount(false), 0);
		many_files();
		sparse();
		env_unmount();
		slab_reap();
		buddy_drain();
		if (round == 1)
			before = buddy_free_frames();
	}
	assert_int_equal(buddy_free_frames(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_untouched_volume_stays_clean),
		cmocka_unit_test(what_was_written_is_read_after_a_remount),
		cmocka_unit_test(holes_at_every_level_of_indirection),
		cmocka_unit_test(a_write_gets_over_an_allocation_that_fails),
		cmocka_unit_test(a_write_back_that_fails_keeps_the_promise),
		cmocka_unit_test(a_thousand_files_in_a_directory),
		cmocka_unit_test(symbolic_links_short_and_long),
		cmocka_unit_test(rename_moves_and_replaces),
		cmocka_unit_test(device_numbers_survive),
		cmocka_unit_test(a_full_volume_says_so_and_gives_everything_back),
		cmocka_unit_test(an_unlinked_open_file_lives_until_its_last_user),
		cmocka_unit_test(after_sync_the_volume_is_whole_while_mounted),
		cmocka_unit_test(times_have_nanoseconds_in_wide_inodes),
		cmocka_unit_test(a_read_only_mount_writes_nothing),
		cmocka_unit_test(a_file_that_comes_and_goes_writes_no_data),
		cmocka_unit_test(memory_is_given_back_after_unmount),
	};

	host_machine_start(128 << 20, 1);
	mm_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
