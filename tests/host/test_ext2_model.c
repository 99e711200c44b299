/*
 * ext2 against a model: random operations on a few directories and files, each result compared with
 * plain arrays in memory; the volume is compared and checked by e2fsck after each round. The seed
 * is printed; QUIRE_SEED=N gives it.
 */
#include "cmocka_host.h"
#include "ext2_env.h"
#include "mm/context.h"

#define DIRS	 4
#define NAMES	 12
#define OBJECTS	 (DIRS * NAMES + 1)
#define DATA_MAX (400u << 10)

enum kind { FREE, FILE_, DIR_, LINK };

struct object {
	enum kind kind;
	unsigned nlink;
	unsigned dir; /* DIR_: which of the directories */
	uint8_t *data;
	uint32_t size;
};

static struct object objects[OBJECTS];
static int tree[DIRS][NAMES]; /* object number, -1: no such name */
static bool dir_used[DIRS];
static int dir_parent[DIRS];
static struct host_rng rng;
static bool tight; /* the volume is so small that -ENOSPC is an answer */

static unsigned rnd(unsigned n)
{
	return (unsigned)(host_rand(&rng) % n);
}

/* Names of very different lengths, so that room in directories comes and goes. */
static const char *name_of(unsigned i)
{
	static char name[256];

	memset(name, 'a' + (int)i, sizeof(name));
	name[1 + (i * 37) % 250] = 0;
	return name;
}

static struct inode *dir_inode(unsigned d)
{
	struct inode *parent, *inode;
	int n;

	if (d == 0)
		return inode_get(env.root);
	parent = dir_inode((unsigned)dir_parent[d]);
	for (n = 0; n < NAMES; n++) {
		int o = tree[dir_parent[d]][n];

		if (o >= 0 && objects[o].kind == DIR_ && objects[o].dir == d)
			break;
	}
	assert_true(n < NAMES);
	assert_int_equal(env_lookup(parent, name_of((unsigned)n), &inode), 0);
	inode_put(parent);
	return inode;
}

static int object_new(enum kind kind)
{
	for (int i = 0; i < OBJECTS; i++) {
		if (objects[i].kind != FREE)
			continue;
		objects[i] = (struct object){.kind = kind, .nlink = 1};
		objects[i].data = calloc(1, DATA_MAX);
		return i;
	}
	fail_msg("too few objects");
	return -1;
}

static void object_put(int o)
{
	if (--objects[o].nlink)
		return;
	free(objects[o].data);
	objects[o].kind = FREE;
}

/* Did it fail for lack of room, where that may be? Then nothing has changed. */
static bool no_room(int err)
{
	return tight && err == -ENOSPC;
}

static unsigned pick_dir(void)
{
	unsigned d;

	do
		d = rnd(DIRS);
	while (!dir_used[d]);
	return d;
}

static bool is_empty(unsigned d)
{
	for (unsigned n = 0; n < NAMES; n++)
		if (tree[d][n] >= 0)
			return false;
	return true;
}

static bool is_below(unsigned d, unsigned above)
{
	for (int i = (int)d; i > 0; i = dir_parent[i])
		if ((unsigned)i == above)
			return true;
	return d == above;
}

static void op_create(void)
{
	unsigned d = pick_dir(), n = rnd(NAMES);
	struct inode *dir = dir_inode(d);
	bool exists = tree[d][n] >= 0;
	char target[300];
	int err;

	if (rnd(4)) {
		assert_int_equal(
			env_create(dir, name_of(n), S_IFREG | 0644, NULL), exists ? -EEXIST : 0);
		if (!exists)
			tree[d][n] = object_new(FILE_);
	} else {
		unsigned len = 1 + rnd(250);

		memset(target, 't', len);
		target[len] = 0;
		err = env_symlink(dir, name_of(n), target);
		if (!no_room(err))
			assert_int_equal(err, exists ? -EEXIST : 0);
		if (!err) {
			tree[d][n] = object_new(LINK);
			objects[tree[d][n]].size = len;
		}
	}
	inode_put(dir);
}

static void op_mkdir(void)
{
	unsigned d = pick_dir(), n = rnd(NAMES), new;
	struct inode *dir;
	int err;

	for (new = 1; new < DIRS &&dir_used[new]; new ++)
		;
	if (new == DIRS)
		return;
	dir = dir_inode(d);
	err = env_mkdir(dir, name_of(n), NULL);
	if (!no_room(err))
		assert_int_equal(err, tree[d][n] >= 0 ? -EEXIST : 0);
	if (!err) {
		tree[d][n] = object_new(DIR_);
		objects[tree[d][n]].dir = new;
		dir_used[new] = true;
		dir_parent[new] = (int)d;
	}
	inode_put(dir);
}

static void op_remove(void)
{
	unsigned d = pick_dir(), n = rnd(NAMES);
	struct inode *dir = dir_inode(d);
	int o = tree[d][n];

	if (o < 0) {
		assert_int_equal(env_unlink(dir, name_of(n)), -ENOENT);
	} else if (objects[o].kind == DIR_) {
		bool empty = is_empty(objects[o].dir);

		assert_int_equal(env_unlink(dir, name_of(n)), -EISDIR);
		assert_int_equal(env_rmdir(dir, name_of(n)), empty ? 0 : -ENOTEMPTY);
		if (empty) {
			dir_used[objects[o].dir] = false;
			object_put(o);
			tree[d][n] = -1;
		}
	} else {
		assert_int_equal(env_unlink(dir, name_of(n)), 0);
		object_put(o);
		tree[d][n] = -1;
	}
	inode_put(dir);
}

static void op_link(void)
{
	unsigned d = pick_dir(), n = rnd(NAMES), d2 = pick_dir(), n2 = rnd(NAMES);
	struct inode *dir, *dir2, *inode;
	int err;

	if (tree[d][n] < 0 || objects[tree[d][n]].kind == DIR_)
		return;
	dir = dir_inode(d);
	dir2 = dir_inode(d2);
	assert_int_equal(env_lookup(dir, name_of(n), &inode), 0);
	err = env_link(dir2, name_of(n2), inode);
	if (!no_room(err))
		assert_int_equal(err, tree[d2][n2] >= 0 ? -EEXIST : 0);
	if (!err) {
		tree[d2][n2] = tree[d][n];
		objects[tree[d][n]].nlink++;
	}
	assert_int_equal(inode->nlink, objects[tree[d][n]].nlink);
	inode_put(inode);
	inode_put(dir);
	inode_put(dir2);
}

/* The cases that the VFS resolves itself are left out. */
static bool rename_allowed(int o, int t, unsigned d2)
{
	if (o < 0 || o == t)
		return false;
	if (objects[o].kind == DIR_ && is_below(d2, objects[o].dir))
		return false;
	return t < 0 || (objects[o].kind == DIR_) == (objects[t].kind == DIR_);
}

static void op_rename(void)
{
	unsigned d = pick_dir(), n = rnd(NAMES), d2 = pick_dir(), n2 = rnd(NAMES);
	int o = tree[d][n], t = tree[d2][n2];
	char old[256], new[256];
	struct inode *a, *b;
	int want = 0, err;

	if (!rename_allowed(o, t, d2))
		return;
	if (t >= 0 && objects[t].kind == DIR_ && !is_empty(objects[t].dir))
		want = -ENOTEMPTY;
	a = dir_inode(d);
	b = dir_inode(d2);
	strcpy(old, name_of(n));
	strcpy(new, name_of(n2));
	err = env_rename(a, old, b, new);
	if (!no_room(err))
		assert_int_equal(err, want);
	inode_put(a);
	inode_put(b);
	if (err)
		return;
	if (t >= 0) {
		if (objects[t].kind == DIR_)
			dir_used[objects[t].dir] = false;
		object_put(t);
	}
	tree[d2][n2] = o;
	tree[d][n] = -1;
	if (objects[o].kind == DIR_)
		dir_parent[objects[o].dir] = (int)d2;
}

/* A file that exists, or NULL. */
static struct inode *pick_file(struct object **obj)
{
	unsigned d = pick_dir(), n = rnd(NAMES);
	struct inode *dir, *inode;

	if (tree[d][n] < 0 || objects[tree[d][n]].kind != FILE_)
		return NULL;
	*obj = &objects[tree[d][n]];
	dir = dir_inode(d);
	assert_int_equal(env_lookup(dir, name_of(n), &inode), 0);
	inode_put(dir);
	assert_int_equal(inode_size(inode), (*obj)->size);
	return inode;
}

static void op_write(void)
{
	uint32_t pos = rnd(8) ? rnd(60000) : rnd(DATA_MAX - 70000);
	uint32_t len = 1 + (rnd(3) ? rnd(3000) : rnd(70000));
	struct object *o;
	struct inode *inode = pick_file(&o);
	uint8_t *buf;
	int64_t done;

	if (!inode)
		return;
	buf = malloc(len);
	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)host_rand(&rng);
	done = env_write(inode, pos, buf, len);
	if (done > 0) {
		memcpy(o->data + pos, buf, (size_t)done);
		o->size = MAX(o->size, pos + (uint32_t)done);
	} else {
		assert_int_equal(done, -ENOSPC);
		o->size = MAX(o->size, pos);
	}
	free(buf);
	inode_put(inode);
}

static void op_truncate(void)
{
	struct object *o;
	struct inode *inode = pick_file(&o);
	uint32_t size = rnd(3) ? rnd(60000) : rnd(DATA_MAX);

	if (!inode)
		return;
	assert_int_equal(env_truncate(inode, size), 0);
	if (size < o->size)
		memset(o->data + size, 0, o->size - size);
	o->size = size;
	inode_put(inode);
}

static void check_file(struct inode *inode, const struct object *o)
{
	uint8_t *buf = malloc(o->size + 1);

	assert_int_equal(inode_size(inode), o->size);
	assert_int_equal(inode->nlink, o->nlink);
	assert_int_equal(env_read(inode, 0, buf, o->size + 1), o->size);
	assert_memory_equal(buf, o->data, o->size);
	free(buf);
}

static void check_link(struct inode *inode, const struct object *o)
{
	char buf[300];

	assert_int_equal(inode->ops->readlink(inode, buf, sizeof(buf)), o->size);
	for (uint32_t i = 0; i < o->size; i++)
		assert_int_equal(buf[i], 't');
}

static void count_entry(const char *name, size_t len, uint64_t ino, unsigned type, void *arg)
{
	(void)name;
	(void)len;
	(void)ino;
	(void)type;
	(*(unsigned *)arg)++;
}

static void check_all(void)
{
	for (unsigned d = 0; d < DIRS; d++) {
		unsigned entries = 0, want = 2 + (d == 0);
		struct inode *dir, *inode;

		if (!dir_used[d])
			continue;
		dir = dir_inode(d);
		for (unsigned n = 0; n < NAMES; n++) {
			int o = tree[d][n];

			assert_int_equal(env_lookup(dir, name_of(n), &inode), o >= 0 ? 0 : -ENOENT);
			if (o < 0)
				continue;
			want++;
			if (objects[o].kind == FILE_)
				check_file(inode, &objects[o]);
			else if (objects[o].kind == LINK)
				check_link(inode, &objects[o]);
			inode_put(inode);
		}
		assert_int_equal(env_readdir(dir, count_entry, &entries), 0);
		assert_int_equal(entries, want);
		inode_put(dir);
	}
}

static void one_step(void)
{
	switch (rnd(32)) {
	case 0 ... 4:
		op_create();
		break;
	case 5:
		op_mkdir();
		break;
	case 6 ... 8:
		op_remove();
		break;
	case 9:
		op_link();
		break;
	case 10 ... 11:
		op_rename();
		break;
	case 12 ... 27:
		op_write();
		break;
	case 28 ... 29:
		op_truncate();
		break;
	case 30:
		assert_int_equal(env_sync(), 0);
		if (rnd(2))
			env_drop_caches();
		break;
	default:
		env_drop_caches();
	}
}

static void run(const char *options, uint64_t size, uint64_t seed)
{
	rng.s = seed | 1;
	memset(tree, 0xff, sizeof(tree));
	memset(dir_used, 0, sizeof(dir_used));
	dir_used[0] = true;
	tight = size <= 1 << 20;
	env_make(options, size);
	for (unsigned round = 0; round < 4; round++) {
		assert_int_equal(env_mount(false), 0);
		for (unsigned i = 0; i < 400; i++)
			one_step();
		check_all();
		env_unmount();
		assert_int_equal(env.lost, 0);
		if (!env_fsck_clean())
			fail_msg("e2fsck complains: %s, seed %llu, round %u", options,
				(unsigned long long)seed, round);
		assert_int_equal(env_mount(true), 0);
		check_all();
		env_unmount();
	}
	for (int i = 0; i < OBJECTS; i++) {
		if (objects[i].kind != FREE)
			free(objects[i].data);
		objects[i].kind = FREE;
	}
}

static uint64_t seed_base(void)
{
	const char *s = getenv("QUIRE_SEED");
	uint64_t seed = s ? strtoull(s, NULL, 0) : 20261;

	return seed;
}

static void random_operations_match_the_model_1k(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++)
		run("-b 1024", 8 << 20, seed_base() + i);
}

static void random_operations_match_the_model_2k(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		run("-b 2048 -r 0", 8 << 20, seed_base() + 100 + i);
}

static void random_operations_match_the_model_4k(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		run("-b 4096", 16 << 20, seed_base() + 200 + i);
}

static void random_operations_on_a_volume_that_is_often_full(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		run(i % 2 ? "-b 4096 -N 128" : "-b 1024 -N 128 -g 512", 1 << 20,
			seed_base() + 300 + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_match_the_model_1k),
		cmocka_unit_test(random_operations_match_the_model_2k),
		cmocka_unit_test(random_operations_match_the_model_4k),
		cmocka_unit_test(random_operations_on_a_volume_that_is_often_full),
	};

	printf("# QUIRE_SEED=%llu\n", (unsigned long long)seed_base());
	host_machine_start(128 << 20, 1);
	mm_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
