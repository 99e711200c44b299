/* Names under threads: look-ups, creation, renames and shrinking of the dentry cache at once. */
#include "cmocka_host.h"
#include "abi/fcntl.h"
#include "fs/dcache.h"
#include "fs/devfs/devfs.h"
#include "fs/file.h"
#include "fs/mount.h"
#include "fs/namespace.h"
#include "mm/buddy.h"
#include "mm/context.h"
#include "mm/slab.h"

#define ROUNDS 300

static struct fs_state *fs;
static uint32_t next_member;

static void use_names(void *arg)
{
	unsigned me = __atomic_fetch_add(&next_member, 1, __ATOMIC_RELAXED);
	char a[32], b[32];

	(void)arg;
	snprintf(a, sizeof(a), "/d%u/own%u", me & 1, me);
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct file *f = path_open(fs, NULL, a, O_CREAT | O_EXCL | O_RDWR, 0600);
		struct path p;
		int err;

		mt_must(!IS_ERR(f));
		file_put(f);
		snprintf(b, sizeof(b), "/d%u/sub/shared%u", (i + me) & 1, i % 3);
		err = path_rename(fs, NULL, a, NULL, b, 0);
		mt_must(err == 0 || err == -ENOENT);
		if (err)
			mt_must(path_unlink(fs, NULL, a) == 0);
		if (!path_lookup(fs, NULL, b, LOOKUP_FOLLOW, &p))
			path_put(&p);
		err = path_unlink(fs, NULL, b);
		mt_must(err == 0 || err == -ENOENT);
		err = path_rename(fs, NULL, "/d0/sub", NULL, "/d1/sub", 0);
		mt_must(err == 0 || err == -ENOENT || err == -ENOTEMPTY);
		err = path_rename(fs, NULL, "/d1/sub", NULL, "/d0/sub", 0);
		mt_must(err == 0 || err == -ENOENT || err == -ENOTEMPTY);
		if (i % 32 == me)
			dcache_shrink();
	}
}

static uint64_t settle(void)
{
	dcache_shrink();
	slab_reap();
	buddy_drain();
	return buddy_free_frames();
}

static void names_survive_threads(void **state)
{
	uint64_t before = 0;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		before = settle();
		assert_int_equal(path_mkdir(fs, NULL, "/d0", 0755), 0);
		assert_int_equal(path_mkdir(fs, NULL, "/d1", 0755), 0);
		assert_int_equal(path_mkdir(fs, NULL, "/d0/sub", 0755), 0);
		next_member = 0;
		host_run_cpus(1, 3, use_names, NULL);
		for (unsigned i = 0; i < 3; i++) {
			char b[32];

			for (unsigned d = 0; d < 2; d++) {
				snprintf(b, sizeof(b), "/d%u/sub/shared%u", d, i);
				(void)!path_unlink(fs, NULL, b);
			}
		}
		(void)!path_rmdir(fs, NULL, "/d0/sub");
		(void)!path_rmdir(fs, NULL, "/d1/sub");
		assert_int_equal(path_rmdir(fs, NULL, "/d0"), 0);
		assert_int_equal(path_rmdir(fs, NULL, "/d1"), 0);
	}
	assert_int_equal(settle(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names_survive_threads)};

	host_machine_start(64ul << 20, 4);
	mm_init();
	path_init();
	devfs_init();
	if (mount_root_kernel("tmpfs"))
		return 1;
	fs = fs_state_create();
	return _cmocka_run_group_tests("mt_vfs", tests, 1, NULL, NULL);
}
