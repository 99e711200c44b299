/*
 * Devices by number, and devtmpfs: the file system that has a node for each.
 *
 * A driver registers a name, a type and a number with its operations. Opening a device inode of any
 * file system looks the number up here. The nodes live in one tmpfs super block that every mount of
 * "devtmpfs" shows, as on Linux; what user programs make or remove there changes only names.
 *
 * The table only grows; its spinlock (78) guards it.
 */
#include "fs/devfs/devfs.h"

#include "fs/devfs/nodes.h"
#include "fs/mount.h"
#include "fs/tmpfs/tmpfs.h"
#include "lib/assert.h"
#include "mm/buddy.h"
#include "mm/slab.h"

struct device {
	struct list link;
	uint32_t type; /* S_IFCHR or S_IFBLK */
	uint32_t devno;
	const struct file_ops *ops;
	void *priv;
};

static struct spinlock table_lock = SPINLOCK_INIT(RANK_FILES, "devices");
static struct list table = LIST_INIT(table);
static struct superblock *devfs_sb; /* set once, before any driver registers */
static struct mount *devfs_kept;    /* the mount that is never undone: it is on no path of users */

const struct file_ops *devfs_lookup(uint32_t mode, uint32_t devno, void **priv)
{
	const struct file_ops *ops = NULL;
	struct device *dev;

	spin_lock(&table_lock);
	list_for_each_entry (dev, &table, link) {
		if (dev->devno != devno || dev->type != (mode & S_IFMT))
			continue;
		ops = dev->ops;
		*priv = dev->priv;
		break;
	}
	spin_unlock(&table_lock);
	return ops;
}

int devfs_register(
	const char *name, uint32_t mode, uint32_t devno, const struct file_ops *ops, void *priv)
{
	struct device *dev;
	int err;

	assert(S_ISCHR(mode) || S_ISBLK(mode));
	dev = kmalloc(sizeof(*dev), 0);
	if (!dev)
		return -ENOMEM;
	*dev = (struct device){.type = mode & S_IFMT, .devno = devno, .ops = ops, .priv = priv};
	err = tmpfs_add_node(devfs_sb, name, mode, devno);
	if (err) {
		kfree(dev);
		return err;
	}
	spin_lock(&table_lock);
	list_add(&table, &dev->link);
	spin_unlock(&table_lock);
	return 0;
}

static int devfs_mount(
	struct block_device *bdev, bool read_only, const char *data, struct superblock **out)
{
	(void)bdev;
	(void)read_only;
	(void)data;
	*out = devfs_sb;
	return 0;
}

static struct fs_type devfs_type = {.name = "devtmpfs", .mount = devfs_mount};

struct file *devfs_open(struct fs_state *fs, const char *name, uint32_t flags)
{
	struct path root = {.mnt = devfs_kept, .dentry = devfs_kept->root};

	return path_open(fs, &root, name, flags, 0);
}

void devfs_init(void)
{
	static const char *const links[][2] = {{"fd", "/proc/self/fd"},
		{"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
		{"stderr", "/proc/self/fd/2"}};
	/* Half of memory, like any tmpfs. */
	uint64_t limit = buddy_total_frames() / 2 * PAGE_SIZE;
	int err = tmpfs_create_superblock("devtmpfs", limit, &devfs_sb);

	assert(!err);
	devfs_sb->root->mode = S_IFDIR | 0755;
	fs_register(&devfs_type);
	devfs_kept = mount_kernel("devtmpfs", NULL);
	assert(!IS_ERR(devfs_kept));
	for (unsigned i = 0; i < ARRAY_SIZE(links); i++) {
		err = tmpfs_add_symlink(devfs_sb, links[i][0], links[i][1]);
		assert(!err);
	}
	err = tmpfs_add_dir(devfs_sb, "pts", 0755);
	if (!err)
		err = tmpfs_add_dir(devfs_sb, "shm", 01777);
	assert(!err);
	devfs_init_nodes();
}
