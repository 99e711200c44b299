/*
 * The walk of ext2_exercise.h. A budget bounds it: a lying volume may hold a tree without end. No
 * result is compared: what is asked is that each call returns.
 */
#include "ext2_exercise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ext2_env.h"
#include "lib/assert.h"

#define DEPTH_MAX  4
#define BUDGET	   200
#define NAMES_MAX  64
#define READ_CHUNK 40000

static unsigned budget;

struct name_list {
	unsigned n;
	char names[NAMES_MAX][256];
};

static void collect(const char *name, size_t len, uint64_t ino, unsigned type, void *arg)
{
	struct name_list *l = arg;

	(void)ino;
	(void)type;
	if (l->n == NAMES_MAX)
		return;
	memcpy(l->names[l->n], name, len);
	l->names[l->n][len] = 0;
	if (strcmp(l->names[l->n], ".") && strcmp(l->names[l->n], ".."))
		l->n++;
}

static void file_read(struct inode *inode)
{
	char *buf = malloc(READ_CHUNK);
	uint64_t size = inode_size(inode);

	env_read(inode, 0, buf, READ_CHUNK);
	env_read(inode, size / 2, buf, 5000);
	env_read(inode, size > 5000 ? size - 5000 : 0, buf, 5000);
	free(buf);
}

static void file_change(struct inode *inode, unsigned how)
{
	static const char data[9000] = "some bytes";
	uint64_t size = inode_size(inode);
	int64_t done;

	if (how % 3 == 0) {
		(void)env_truncate(inode, size / 2);
		done = env_write(inode, size / 3, data, sizeof(data));
	} else if (how % 3 == 1) {
		done = env_write(inode, size, data, sizeof(data));
		(void)env_truncate(inode, 0);
	} else {
		done = env_write(inode, 300000, data, sizeof(data));
		(void)env_truncate(inode, size + 100000);
	}
	(void)done;
}

static void visit(struct inode *dir, unsigned depth, bool change);

static void visit_name(struct inode *dir, const char *name, unsigned depth, bool change)
{
	struct inode *inode;
	char buf[4096];

	if (env_lookup(dir, name, &inode))
		return;
	if (S_ISREG(inode->mode)) {
		file_read(inode);
		if (change)
			file_change(inode, budget);
	} else if (S_ISLNK(inode->mode)) {
		assert(inode->ops->readlink(inode, buf, sizeof(buf)) <= (ssize_t)sizeof(buf));
	} else if (S_ISDIR(inode->mode) && depth < DEPTH_MAX) {
		visit(inode, depth + 1, change);
	}
	inode_put(inode);
	if (!change)
		return;
	if (budget % 3 == 0 && env_unlink(dir, name) == -EISDIR)
		(void)env_rmdir(dir, name);
	else if (budget % 3 == 1)
		(void)env_rename(dir, name, env.root, "renamed");
}

static void visit(struct inode *dir, unsigned depth, bool change)
{
	struct name_list *l = calloc(1, sizeof(*l));

	(void)env_readdir(dir, collect, l);
	for (unsigned i = 0; i < l->n && budget; i++) {
		budget--;
		visit_name(dir, l->names[i], depth, change);
	}
	free(l);
}

static void make_new(struct inode *dir)
{
	static const char data[20000] = "more bytes";
	struct inode *inode;
	char name[64];

	for (unsigned i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "new-file-with-a-longer-name-%u", i);
		if (env_create(dir, name, S_IFREG | 0644, &inode))
			continue;
		if (i < 4 && env_write(inode, i * 100000, data, sizeof(data)) < 0)
			(void)env_truncate(inode, 0);
		inode_put(inode);
	}
	if (!env_mkdir(dir, "new-dir", &inode)) {
		(void)env_symlink(inode, "link", data);
		(void)env_unlink(inode, "link");
		inode_put(inode);
	}
	(void)env_rmdir(dir, "new-dir");
}

void ext2_exercise(void)
{
	struct fs_statfs st;

	budget = BUDGET;
	visit(env.root, 0, false);
	if (env.sb->read_only)
		return;
	make_new(env.root);
	budget = BUDGET;
	visit(env.root, 0, true);
	(void)env_sync();
	env_drop_caches();
	budget = BUDGET;
	visit(env.root, 0, false);
	(void)env.sb->ops->statfs(env.sb, &st);
}

int ext2_try(void)
{
	int err = env_mount(false);

	if (err)
		return err;
	ext2_exercise();
	env_unmount();
	return 0;
}

static void put_file(struct inode *dir, const char *name, uint64_t at, size_t n)
{
	char *data = malloc(n);
	struct inode *inode;

	memset(data, name[0], n);
	assert(env_create(dir, name, S_IFREG | 0644, &inode) == 0);
	assert(env_write(inode, at, data, n) == (int64_t)n);
	inode_put(inode);
	free(data);
}

void ext2_populate(const char *options, uint64_t size)
{
	struct inode *d, *e;
	char target[201];

	memset(target, 't', 200);
	target[200] = 0;
	env_make(options, size);
	assert(env_mount(false) == 0);
	put_file(env.root, "small", 0, 100);
	put_file(env.root, "indirect", 0, 50000);
	put_file(env.root, "double", 290000, 20000);
	put_file(env.root, "triple", 80 << 20, 5000);
	assert(env_mkdir(env.root, "dir", &d) == 0);
	for (char c = 'a'; c < 'z'; c++)
		put_file(d, (char[]){c, c, c, c, c, c, 0}, 0, 3000);
	assert(env_symlink(d, "fast", "small") == 0);
	assert(env_symlink(d, "slow", target) == 0);
	assert(env_mkdir(d, "sub", &e) == 0);
	put_file(e, "deep", 0, 5000);
	inode_put(d);
	inode_put(e);
	env_unmount();
}
