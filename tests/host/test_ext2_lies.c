/*
 * ext2 images that lie: mount refuses with EUCLEAN or EINVAL, or a call gives EIO;
 * never a panic, a hang or a write outside. First each known lie, then random damage.
 */
#include "cmocka_host.h"
#include "ext2_env.h"
#include "ext2_exercise.h"
#include "fs/ext2/ext2_disk.h"
#include "mm/buddy.h"
#include "mm/context.h"

static uint8_t *pristine;

static struct ext2_super_disk *super(void)
{
	return (struct ext2_super_disk *)(env.disk + EXT2_SUPER_OFFSET);
}

static struct ext2_group_disk *group0(void)
{
	return (struct ext2_group_disk *)(env.disk + 2048);
}

static struct ext2_inode_disk *inode_at(uint32_t ino)
{
	return (struct ext2_inode_disk *)(env.disk + (uint64_t)group0()->bg_inode_table * 1024 +
					  (ino - 1) * super()->s_inode_size);
}

static void *block_at(uint32_t block)
{
	return env.disk + (uint64_t)block * 1024;
}

static int begin(void **state)
{
	(void)state;
	if (!pristine) {
		ext2_populate("-b 1024 -I 128", 2 << 20);
		pristine = env_snapshot();
	}
	env_restore(pristine);
	return 0;
}

static int end_all(void **state)
{
	(void)state;
	free(pristine);
	free(env.disk);
	return 0;
}

/* What the number of a name in the root directory is. */
static uint32_t ino_of(const char *name)
{
	struct inode *inode;
	uint32_t ino;

	assert_int_equal(env_mount(true), 0);
	assert_int_equal(env_lookup(env.root, name, &inode), 0);
	ino = (uint32_t)inode->ino;
	inode_put(inode);
	env_unmount();
	return ino;
}

static bool refused(void)
{
	int err = ext2_try();

	return err == -EUCLEAN || err == -EINVAL || err == -EIO;
}

static void the_pristine_volume_is_fine(void **state)
{
	(void)state;
	assert_true(env_fsck_clean());
	assert_int_equal(ext2_try(), 0);
	assert_true(env_fsck_clean());
}

static void impossible_sizes_are_refused(void **state)
{
	static const uint32_t bad[] = {0, 1, 7, 0x80000000u, 0xffffffffu};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		env_restore(pristine);
		super()->s_log_block_size = bad[i] + (bad[i] < 3 ? 5 : 0);
		assert_true(refused());
		env_restore(pristine);
		super()->s_inodes_per_group = bad[i];
		assert_true(refused());
		env_restore(pristine);
		super()->s_blocks_per_group = bad[i];
		assert_true(refused());
		env_restore(pristine);
		super()->s_inode_size = (uint16_t)bad[i];
		assert_true(refused());
		env_restore(pristine);
		super()->s_blocks_count = bad[i] < 8 ? bad[i] : 0xffffffff;
		assert_true(refused());
		env_restore(pristine);
		super()->s_inodes_count = bad[i];
		assert_true(refused());
		env_restore(pristine);
		super()->s_first_data_block = bad[i] == 1 ? 2 : bad[i];
		assert_true(refused());
	}
}

static void unknown_features_are_refused(void **state)
{
	(void)state;
	super()->s_feature_incompat |= 0x40;
	assert_int_equal(ext2_try(), -EINVAL);
	env_restore(pristine);
	super()->s_feature_ro_compat |= 0x400;
	assert_int_equal(ext2_try(), -EINVAL);
	assert_int_equal(env_mount(true), 0);
	ext2_exercise();
	env_unmount();
	env_restore(pristine);
	super()->s_magic = 0;
	assert_int_equal(ext2_try(), -EINVAL);
}

static void descriptors_outside_their_group_are_refused(void **state)
{
	static const uint32_t bad[] = {0, 1, 2, 3, 0x7fffffff, 0xffffffff};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		env_restore(pristine);
		group0()->bg_block_bitmap = bad[i];
		assert_true(refused());
		env_restore(pristine);
		group0()->bg_inode_bitmap = bad[i];
		assert_true(refused());
		env_restore(pristine);
		group0()->bg_inode_table = bad[i];
		assert_true(refused());
	}
	env_restore(pristine);
	group0()->bg_inode_bitmap = group0()->bg_block_bitmap;
	assert_true(refused());
	env_restore(pristine);
	group0()->bg_free_blocks_count = 60000;
	assert_true(refused());
}

static void bad_directory_records_are_errors(void **state)
{
	static const uint16_t bad[] = {0, 1, 4, 8, 11, 1020, 1028, 0xffff};
	uint32_t block = inode_at(EXT2_ROOT_INO)->i_block[0];
	struct inode *inode;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		env_restore(pristine);
		((struct ext2_dirent *)block_at(block))->rec_len = bad[i];
		assert_int_equal(env_mount(false), 0);
		assert_int_equal(env_lookup(env.root, "small", &inode), -EIO);
		assert_int_equal(env_create(env.root, "x", S_IFREG, NULL), -EIO);
		ext2_exercise();
		env_unmount();
	}
	env_restore(pristine);
	((struct ext2_dirent *)block_at(block))->name_len = 200;
	assert_int_equal(ext2_try(), 0);
}

static void a_block_that_is_metadata_is_an_error(void **state)
{
	uint32_t ino = ino_of("small");
	uint32_t bad[] = {1, 2, group0()->bg_block_bitmap, group0()->bg_inode_bitmap,
		group0()->bg_inode_table, group0()->bg_inode_table + 1, 2048, 0xffffffff};
	struct inode *inode;
	char buf[100];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		env_restore(pristine);
		inode_at(ino)->i_block[0] = bad[i];
		assert_int_equal(env_mount(false), 0);
		assert_int_equal(env_lookup(env.root, "small", &inode), 0);
		assert_int_equal(env_read(inode, 0, buf, sizeof(buf)), -EIO);
		inode_put(inode);
		assert_int_equal(env_unlink(env.root, "small"), 0);
		ext2_exercise();
		env_unmount();
	}
}

static void indirect_blocks_in_a_circle_end(void **state)
{
	uint32_t ino = ino_of("double"), block;

	(void)state;
	block = inode_at(ino)->i_block[13];
	for (unsigned i = 0; i < 256; i++)
		((uint32_t *)block_at(block))[i] = block;
	inode_at(ino)->i_block[12] = block;
	inode_at(ino)->i_block[14] = block;
	inode_at(ino)->i_size = 0x7fffffff;
	assert_int_equal(ext2_try(), 0);
	env_restore(pristine);
	block = inode_at(ino)->i_block[13];
	for (unsigned i = 0; i < 256; i++)
		((uint32_t *)block_at(block))[i] = block;
	inode_at(ino)->i_block[14] = block;
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_unlink(env.root, "double"), 0);
	env_unmount();
}

/* Bytes that no block stands for read as zero, also the many that a length alone pretends. */
static void a_length_beyond_the_blocks_is_a_hole(void **state)
{
	uint32_t ino = ino_of("small");
	struct inode *inode;
	char buf[3000];

	(void)state;
	inode_at(ino)->i_size = 0x7fffffff;
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "small", &inode), 0);
	assert_int_equal(env_read(inode, 1 << 30, buf, sizeof(buf)), sizeof(buf));
	for (unsigned i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0);
	assert_int_equal(env_truncate(inode, 50), 0);
	inode_put(inode);
	env_unmount();
	assert_true(env_fsck_clean());
}

/* => what readlink of dir/name gives when its inode says that it is so long. */
static ssize_t link_of_length(const char *name, uint32_t size)
{
	struct inode *dir, *link;
	char buf[5000];
	ssize_t n;

	assert_int_equal(env_mount(true), 0);
	assert_int_equal(env_lookup(env.root, "dir", &dir), 0);
	assert_int_equal(env_lookup(dir, name, &link), 0);
	inode_at((uint32_t)link->ino)->i_size = size;
	inode_put(link);
	inode_put(dir);
	env_unmount();
	assert_int_equal(env_mount(true), 0);
	assert_int_equal(env_lookup(env.root, "dir", &dir), 0);
	n = env_lookup(dir, name, &link);
	if (n == 0) {
		n = link->ops->readlink(link, buf, sizeof(buf));
		inode_put(link);
	}
	inode_put(dir);
	env_unmount();
	return n;
}

static void symbolic_links_that_lie_about_their_length(void **state)
{
	static const uint32_t bad[] = {60, 61, 1024, 1025, 4096, 0x7fffffff, 0xffffffff};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		env_restore(pristine);
		assert_int_equal(link_of_length("fast", bad[i]), -EIO);
	}
	for (unsigned i = 3; i < ARRAY_SIZE(bad); i++) {
		env_restore(pristine);
		assert_int_equal(link_of_length("slow", bad[i]), -EIO);
	}
	env_restore(pristine);
	assert_int_equal(link_of_length("slow", 1024), 1024);
}

/* A name below a directory that leads back to it: each step returns, whoever takes however many. */
static void a_directory_inside_itself_is_no_endless_walk(void **state)
{
	struct inode *dir, *sub, *again;
	struct ext2_dirent *d;
	uint32_t block;

	(void)state;
	assert_int_equal(env_mount(true), 0);
	assert_int_equal(env_lookup(env.root, "dir", &dir), 0);
	assert_int_equal(env_lookup(dir, "sub", &sub), 0);
	block = inode_at((uint32_t)sub->ino)->i_block[0];
	/* "deep", the entry after "." and "..", becomes the directory two levels above. */
	d = (struct ext2_dirent *)((char *)block_at(block) + 24);
	d->inode = (uint32_t)dir->ino;
	d->file_type = 2;
	inode_put(sub);
	inode_put(dir);
	env_unmount();
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "dir", &dir), 0);
	assert_int_equal(env_lookup(dir, "sub", &sub), 0);
	assert_int_equal(env_lookup(sub, "deep", &again), 0);
	assert_ptr_equal(again, dir);
	inode_put(again);
	inode_put(sub);
	inode_put(dir);
	ext2_exercise();
	env_unmount();
}

static void two_files_with_one_block_do_not_free_it_twice(void **state)
{
	uint32_t a = ino_of("small"), b = ino_of("indirect");

	(void)state;
	inode_at(b)->i_block[0] = inode_at(a)->i_block[0];
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_unlink(env.root, "small"), 0);
	assert_int_equal(env_unlink(env.root, "indirect"), 0);
	ext2_exercise();
	env_unmount();
}

static void a_name_of_a_deleted_inode_is_an_error(void **state)
{
	uint32_t ino = ino_of("small");
	struct inode *inode;

	(void)state;
	inode_at(ino)->i_links_count = 0;
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "small", &inode), -EIO);
	env_unmount();
	env_restore(pristine);
	inode_at(ino)->i_mode = 0;
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "small", &inode), -EIO);
	env_unmount();
	env_restore(pristine);
	inode_at(EXT2_ROOT_INO)->i_mode = S_IFREG;
	assert_true(refused());
}

static void more_names_than_links_do_not_go_below_zero(void **state)
{
	struct inode *inode;

	(void)state;
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_lookup(env.root, "small", &inode), 0);
	assert_int_equal(env_link(env.root, "second", inode), 0);
	inode_put(inode);
	env_unmount();
	inode_at(ino_of("small"))->i_links_count = 1;
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_unlink(env.root, "small"), 0);
	assert_int_equal(env_lookup(env.root, "second", &inode), -EIO);
	env_unmount();
}

static void bitmaps_that_show_metadata_as_free_lose_nothing(void **state)
{
	uint8_t *map = block_at(group0()->bg_block_bitmap);
	struct inode *inode;
	char buf[100];

	(void)state;
	memset(map, 0, 64);
	assert_int_equal(env_mount(false), 0);
	assert_int_equal(env_create(env.root, "new", S_IFREG | 0644, &inode), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(env_write(inode, i * 4096ul, buf, sizeof(buf)), sizeof(buf));
	inode_put(inode);
	env_unmount();
	assert_int_equal(env_mount(true), 0);
	env_unmount();
}

/* Damage near what matters more often than elsewhere. */
static void damage(struct host_rng *rng)
{
	unsigned n = 1 + host_rand(rng) % 12;

	for (unsigned i = 0; i < n; i++) {
		uint64_t at;

		switch (host_rand(rng) % 6) {
		case 0:
			at = EXT2_SUPER_OFFSET + host_rand(rng) % 264;
			break;
		case 1:
			at = 2048 + host_rand(rng) % 32;
			break;
		case 2:
			at = (uint64_t)((struct ext2_group_disk *)(pristine + 2048))
					     ->bg_inode_table *
				     1024 +
			     host_rand(rng) % (60 * 128);
			break;
		default:
			at = host_rand(rng) % (400 << 10);
		}
		env.disk[at] = host_rand(rng) % 2
				       ? (uint8_t)host_rand(rng)
				       : env.disk[at] ^ (uint8_t)(1u << host_rand(rng) % 8);
	}
}

static void random_damage_is_survived(void **state)
{
	const char *s = getenv("QUIRE_SEED");
	uint64_t seed = s ? strtoull(s, NULL, 0) : 7;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct host_rng rng = {.s = (seed + i) * 0x9e3779b97f4a7c15ull | 1};

		env_restore(pristine);
		damage(&rng);
		(void)ext2_try();
	}
}

static void failing_requests_give_errors_and_nothing_worse(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 200; i++) {
		env_restore(pristine);
		env.fail_at = i;
		env.fail_sticky = i % 2;
		(void)ext2_try();
		env.fail_at = 0;
	}
}

static void failing_allocations_give_errors_and_a_whole_volume(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 400; i += 1 + i / 40) {
		env_restore(pristine);
		assert_int_equal(env_mount(false), 0);
		alloc_fail_nth(i);
		ext2_exercise();
		alloc_fail_nth(0);
		env_unmount();
		if (!env_fsck_clean())
			fail_msg("e2fsck complains after failure of allocation %u", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_pristine_volume_is_fine, begin),
		cmocka_unit_test_setup(impossible_sizes_are_refused, begin),
		cmocka_unit_test_setup(unknown_features_are_refused, begin),
		cmocka_unit_test_setup(descriptors_outside_their_group_are_refused, begin),
		cmocka_unit_test_setup(bad_directory_records_are_errors, begin),
		cmocka_unit_test_setup(a_block_that_is_metadata_is_an_error, begin),
		cmocka_unit_test_setup(indirect_blocks_in_a_circle_end, begin),
		cmocka_unit_test_setup(a_length_beyond_the_blocks_is_a_hole, begin),
		cmocka_unit_test_setup(symbolic_links_that_lie_about_their_length, begin),
		cmocka_unit_test_setup(a_directory_inside_itself_is_no_endless_walk, begin),
		cmocka_unit_test_setup(two_files_with_one_block_do_not_free_it_twice, begin),
		cmocka_unit_test_setup(a_name_of_a_deleted_inode_is_an_error, begin),
		cmocka_unit_test_setup(more_names_than_links_do_not_go_below_zero, begin),
		cmocka_unit_test_setup(bitmaps_that_show_metadata_as_free_lose_nothing, begin),
		cmocka_unit_test_setup(random_damage_is_survived, begin),
		cmocka_unit_test_setup(failing_allocations_give_errors_and_a_whole_volume, begin),
		cmocka_unit_test_setup(failing_requests_give_errors_and_nothing_worse, begin),
	};

	host_machine_start(128 << 20, 1);
	mm_init();
	return cmocka_run_group_tests(tests, NULL, end_all);
}
