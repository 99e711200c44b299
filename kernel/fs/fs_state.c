/*
 * Working directory, root and umask of a process. Shared by threads, hence reference counted; the
 * paths change under its spinlock, old ones are put without it.
 */
#include "fs/mount.h"
#include "fs/path.h"
#include "lib/assert.h"
#include "mm/slab.h"

struct fs_state *fs_state_create(void)
{
	struct fs_state *fs = kzalloc(sizeof(*fs), 0);

	if (!fs)
		return ERR_PTR(-ENOMEM);
	fs->refs = 1;
	fs->umask = 022;
	spin_init(&fs->lock, RANK_FILES, "fs_state");
	if (!mount_get_root(&fs->root)) {
		kfree(fs);
		return ERR_PTR(-ENOENT);
	}
	fs->cwd = fs->root;
	path_get(&fs->cwd);
	return fs;
}

struct fs_state *fs_state_clone(struct fs_state *old)
{
	struct fs_state *fs = kzalloc(sizeof(*fs), 0);

	if (!fs)
		return ERR_PTR(-ENOMEM);
	fs->refs = 1;
	spin_init(&fs->lock, RANK_FILES, "fs_state");
	spin_lock(&old->lock);
	fs->umask = old->umask;
	fs->cwd = old->cwd;
	fs->root = old->root;
	path_get(&fs->cwd);
	path_get(&fs->root);
	spin_unlock(&old->lock);
	return fs;
}

struct fs_state *fs_state_get(struct fs_state *fs)
{
	__atomic_fetch_add(&fs->refs, 1, __ATOMIC_RELAXED);
	return fs;
}

void fs_state_put(struct fs_state *fs)
{
	if (__atomic_sub_fetch(&fs->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	path_put(&fs->cwd);
	path_put(&fs->root);
	kfree(fs);
}

static void set_path(struct fs_state *fs, struct path *which, const struct path *p)
{
	struct path old;

	path_get(p);
	spin_lock(&fs->lock);
	old = *which;
	*which = *p;
	spin_unlock(&fs->lock);
	path_put(&old);
}

void fs_state_set_cwd(struct fs_state *fs, const struct path *p)
{
	set_path(fs, &fs->cwd, p);
}

void fs_state_set_root(struct fs_state *fs, const struct path *p)
{
	set_path(fs, &fs->root, p);
}

void fs_state_get_cwd(struct fs_state *fs, struct path *out)
{
	spin_lock(&fs->lock);
	*out = fs->cwd;
	path_get(out);
	spin_unlock(&fs->lock);
}

void fs_state_get_root(struct fs_state *fs, struct path *out)
{
	spin_lock(&fs->lock);
	*out = fs->root;
	path_get(out);
	spin_unlock(&fs->lock);
}
