/*
 * Directories: blocks full of records, none across a block's end.
 *
 *	| inode | rec_len | name_len | type | name ... | slack |  next record ...
 *
 * The records of a block follow each other by rec_len and fill it. inode 0 is a free record. A name
 * is removed by clearing its inode; the free records and the slack behind names are put together
 * when a new name looks for room. So a record stays where it is while it is in use, and the index
 * (dirindex.c) may remember its offset.
 *
 * The search for room starts at the hint: the place of the last insertion, or of a removal before
 * it. Room that a longer name passes over is found again after the next removal there.
 *
 * Locking: contents under the directory's lock. es->lock is held only to find a block; the page is
 * pinned after that. Every record is checked when it is read: on a lying volume the block may be
 * somebody else's, too, and change under our eyes, so what was checked is used from the copy.
 */
#include "fs/ext2/ext2_priv.h"

#include "fs/file.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "sched/sched.h"

struct entry {
	struct ext2_dirent *de; /* in the block */
	uint32_t ino;
	uint32_t rec_len;
	uint32_t name_len;
	uint8_t type;
};

/* Linux's numbers in file_type. */
static uint8_t type_of(const struct ext2_sb *es, uint32_t mode)
{
	static const uint8_t types[16] = {
		[S_IFREG >> 12] = 1,
		[S_IFDIR >> 12] = 2,
		[S_IFCHR >> 12] = 3,
		[S_IFBLK >> 12] = 4,
		[S_IFIFO >> 12] = 5,
		[S_IFSOCK >> 12] = 6,
		[S_IFLNK >> 12] = 7,
	};

	return es->filetype ? types[mode >> 12 & 15] : 0;
}

/* DT_* of readdir for a file_type; 0: unknown. */
static unsigned readdir_type(const struct ext2_sb *es, uint8_t type)
{
	static const uint8_t dt[8] = {0, 8, 4, 2, 6, 1, 12, 10};

	return es->filetype && type < 8 ? dt[type] : 0;
}

static int bad_entry(struct inode *dir, uint64_t off)
{
	return ext2_corrupt(ext2_of(dir), "directory %llu: bad entry at %llu",
		(unsigned long long)dir->ino, (unsigned long long)off);
}

/* The record at byte `at` of a block, checked. 0 or -EIO. */
static int entry_read(struct inode *dir, struct ext2_meta *m, uint32_t at, struct entry *e)
{
	const struct ext2_sb *es = ext2_of(dir);

	if (at > es->bs - EXT2_DIRENT_MIN || at % 4)
		return -EIO;
	e->de = (struct ext2_dirent *)(m->data + at);
	e->ino = READ_ONCE(e->de->inode);
	e->rec_len = READ_ONCE(e->de->rec_len);
	e->name_len = READ_ONCE(e->de->name_len);
	e->type = READ_ONCE(e->de->file_type);
	if (unlikely(e->rec_len < EXT2_DIRENT_MIN || e->rec_len % 4 || e->rec_len > es->bs - at))
		return -EIO;
	if (unlikely(e->ino && (!e->name_len || ext2_dirent_size(e->name_len) > e->rec_len ||
				       e->ino > es->inodes_count)))
		return -EIO;
	return 0;
}

/* => es->lock held */
static int dir_block_locked(struct inode *dir, uint64_t lb, struct ext2_meta *m)
{
	uint32_t pb, run;
	int err = ext2_bmap(dir, lb, 1, &pb, &run);

	if (err)
		return err;
	if (!pb)
		return ext2_corrupt(
			ext2_of(dir), "directory %llu has a hole", (unsigned long long)dir->ino);
	return ext2_meta_get(ext2_of(dir), pb, m);
}

static int dir_block(struct inode *dir, uint64_t lb, struct ext2_meta *m)
{
	struct ext2_sb *es = ext2_of(dir);
	int err;

	mutex_lock(&es->lock);
	err = dir_block_locked(dir, lb, m);
	mutex_unlock(&es->lock);
	return err;
}

static int index_block(
	struct inode *dir, struct ext2_dirindex *ix, struct ext2_meta *m, uint64_t base)
{
	struct entry e;

	for (uint32_t at = 0; at < ext2_of(dir)->bs; at += e.rec_len) {
		int err = entry_read(dir, m, at, &e);

		if (err)
			return bad_entry(dir, base + at);
		if (!e.ino)
			continue;
		err = ext2_dirindex_add(ix, ext2_name_hash(e.de->name, e.name_len), base + at);
		if (err)
			return err;
	}
	return 0;
}

/* => es->lock held */
static int index_build(struct inode *dir, struct ext2_dirindex *ix)
{
	struct ext2_sb *es = ext2_of(dir);

	for (uint64_t base = 0; base < dir->size; base += es->bs) {
		struct ext2_meta m;
		int err = dir_block_locked(dir, base >> es->bs_bits, &m);

		if (err)
			return err;
		err = index_block(dir, ix, &m, base);
		ext2_meta_put(&m);
		if (err)
			return err;
		cond_resched();
	}
	return 0;
}

/* The index, built when there is none yet. ERR_PTR(-EIO, -ENOMEM). Several look-ups may come here
 * at once with the directory locked for reading: es->lock picks one. */
static struct ext2_dirindex *index_get(struct inode *dir)
{
	struct ext2_sb *es = ext2_of(dir);
	struct ext2_inode *ei = ext2_i(dir);
	struct ext2_dirindex *ix = LOAD_ACQUIRE(ei->index);
	int err;

	if (likely(ix))
		return ix;
	mutex_lock(&es->lock);
	ix = ei->index;
	if (!ix) {
		ix = ext2_dirindex_create();
		err = ix ? index_build(dir, ix) : -ENOMEM;
		if (err) {
			ext2_dirindex_destroy(ix);
			ix = ERR_PTR(err);
		} else {
			STORE_RELEASE(ei->index, ix);
		}
	}
	mutex_unlock(&es->lock);
	return ix;
}

/* Find the record of a name. 0: m is pinned and *off its place; -ENOENT, -EIO, -ENOMEM. */
static int entry_find(struct inode *dir, const char *name, size_t len, struct ext2_meta *m,
	struct entry *e, uint64_t *off)
{
	struct ext2_sb *es = ext2_of(dir);
	struct ext2_dirindex *ix = index_get(dir);
	uint32_t hash = ext2_name_hash(name, len), cursor = 0;

	if (IS_ERR(ix))
		return (int)PTR_ERR(ix);
	while (ext2_dirindex_next(ix, hash, &cursor, off)) {
		int err = dir_block(dir, *off >> es->bs_bits, m);

		if (err)
			return err;
		err = entry_read(dir, m, *off & (es->bs - 1), e);
		if (!err && e->ino && e->name_len == len && !memcmp(e->de->name, name, len))
			return 0;
		ext2_meta_put(m);
		if (err)
			return bad_entry(dir, *off);
	}
	return -ENOENT;
}

int ext2_dir_find(struct inode *dir, const char *name, size_t len, uint32_t *ino)
{
	struct ext2_meta m;
	struct entry e;
	uint64_t off;
	int err = entry_find(dir, name, len, &m, &e, &off);

	if (err)
		return err;
	*ino = e.ino;
	ext2_meta_put(&m);
	return 0;
}

static void dir_changed(struct inode *dir)
{
	/* The tree of a hashed directory is not kept up; without the flag it is a plain one. */
	ext2_i(dir)->flags &= ~EXT2_FL_INDEX;
	inode_touch(dir, ATTR_MTIME);
	ext2_inode_dirty(dir);
}

static void entry_fill(struct inode *dir, struct ext2_dirent *de, uint32_t rec_len,
	const char *name, size_t len, const struct inode *inode)
{
	de->inode = (uint32_t)inode->ino;
	de->rec_len = (uint16_t)rec_len;
	de->name_len = (uint8_t)len;
	de->file_type = type_of(ext2_of(dir), inode->mode);
	memcpy(de->name, name, len);
}

/*
 * Look for `need` bytes in a block from byte `at` (a record's start) on; free records that follow
 * one another become one. 0: room in e (its slack, or all of it when it is free); -ENOSPC, -EIO.
 */
static int block_find_room(
	struct inode *dir, struct ext2_meta *m, uint32_t *at, uint32_t need, struct entry *e)
{
	uint32_t bs = ext2_of(dir)->bs;

	for (; *at < bs; *at += e->rec_len) {
		uint32_t own;

		if (entry_read(dir, m, *at, e))
			return -EIO;
		while (*at + e->rec_len < bs) {
			struct entry next;

			if (entry_read(dir, m, *at + e->rec_len, &next))
				return -EIO;
			if (next.ino)
				break;
			e->rec_len += next.rec_len;
			e->de->rec_len = (uint16_t)e->rec_len;
		}
		own = e->ino ? ext2_dirent_size(e->name_len) : 0;
		if (e->rec_len - own >= need)
			return 0;
	}
	return -ENOSPC;
}

/* A new block at the end of a directory, one free record. => the directory's lock (write) */
static int append_block(struct inode *dir, struct ext2_meta *m)
{
	struct ext2_sb *es = ext2_of(dir);
	uint64_t lb = dir->size >> es->bs_bits;
	uint32_t pb, missing;
	bool fresh;
	int err;

	mutex_lock(&es->lock);
	err = ext2_bmap_missing(dir, lb, &missing);
	if (!err && es->free_blocks < es->reserved + missing + 1)
		err = -ENOSPC;
	if (!err)
		err = ext2_bmap_alloc(dir, lb, &pb, &fresh);
	if (!err) {
		err = ext2_meta_new(es, pb, m);
		if (err)
			ext2_free_from(dir, lb, true);
	}
	mutex_unlock(&es->lock);
	if (err)
		return err;
	((struct ext2_dirent *)m->data)->rec_len = (uint16_t)es->bs;
	dir->size += es->bs;
	ext2_inode_dirty(dir);
	return 0;
}

/* Find room from the hint on, else make a block. 0: m is pinned, e is the record with the room. */
static int dir_find_room(struct inode *dir, struct ext2_dirindex *ix, uint32_t need,
	struct ext2_meta *m, struct entry *e, uint64_t *off)
{
	struct ext2_sb *es = ext2_of(dir);
	uint64_t pos = ext2_dirindex_hint(ix);
	uint32_t at = pos & (es->bs - 1);
	int err;

	for (pos -= at; pos < dir->size; pos += es->bs, at = 0) {
		err = dir_block(dir, pos >> es->bs_bits, m);
		if (err)
			return err;
		err = block_find_room(dir, m, &at, need, e);
		*off = pos + at;
		if (!err)
			return 0;
		ext2_meta_put(m);
		if (err != -ENOSPC)
			return bad_entry(dir, *off);
	}
	*off = dir->size;
	err = append_block(dir, m);
	if (!err)
		err = entry_read(dir, m, 0, e);
	return err;
}

int ext2_dir_insert(struct inode *dir, const char *name, size_t len, const struct inode *inode)
{
	struct ext2_dirindex *ix = index_get(dir);
	uint32_t own = 0;
	struct ext2_dirent *de;
	struct ext2_meta m;
	struct entry e;
	uint64_t off;
	int err;

	if (IS_ERR(ix))
		return (int)PTR_ERR(ix);
	err = dir_find_room(dir, ix, ext2_dirent_size(len), &m, &e, &off);
	if (err)
		return err;
	if (e.ino)
		own = ext2_dirent_size(e.name_len);
	err = ext2_dirindex_add(ix, ext2_name_hash(name, len), off + own);
	if (!err) {
		de = (struct ext2_dirent *)((char *)e.de + own);
		entry_fill(dir, de, e.rec_len - own, name, len, inode);
		if (own)
			e.de->rec_len = (uint16_t)own;
		ext2_dirindex_set_hint(ix, off + own);
		dir_changed(dir);
	}
	ext2_meta_dirty(ext2_of(dir), &m);
	ext2_meta_put(&m);
	return err;
}

int ext2_dir_remove(struct inode *dir, const char *name, size_t len, uint32_t ino)
{
	struct ext2_dirindex *ix;
	struct ext2_meta m;
	struct entry e;
	uint64_t off;
	int err = entry_find(dir, name, len, &m, &e, &off);

	if (err)
		return err;
	if (e.ino == ino) {
		ix = ext2_i(dir)->index;
		e.de->inode = 0;
		ext2_meta_dirty(ext2_of(dir), &m);
		ext2_dirindex_remove(ix, ext2_name_hash(name, len), off);
		if (off < ext2_dirindex_hint(ix))
			ext2_dirindex_set_hint(ix, off);
		dir_changed(dir);
	} else {
		err = bad_entry(dir, off);
	}
	ext2_meta_put(&m);
	return err;
}

int ext2_dir_replace(struct inode *dir, const char *name, size_t len, const struct inode *inode)
{
	struct ext2_meta m;
	struct entry e;
	uint64_t off;
	int err = entry_find(dir, name, len, &m, &e, &off);

	if (err)
		return err;
	e.de->inode = (uint32_t)inode->ino;
	e.de->file_type = type_of(ext2_of(dir), inode->mode);
	ext2_meta_dirty(ext2_of(dir), &m);
	ext2_meta_put(&m);
	dir_changed(dir);
	return 0;
}

int ext2_dir_make_empty(struct inode *dir, const struct inode *parent)
{
	struct ext2_sb *es = ext2_of(dir);
	uint32_t own = ext2_dirent_size(1);
	struct ext2_meta m;
	int err = append_block(dir, &m);

	if (err)
		return err;
	entry_fill(dir, (struct ext2_dirent *)m.data, own, ".", 1, dir);
	entry_fill(dir, (struct ext2_dirent *)(m.data + own), es->bs - own, "..", 2, parent);
	ext2_meta_dirty(es, &m);
	ext2_meta_put(&m);
	return 0;
}

/*
 * The parent of a directory: found, and changed when parent is not NULL. Without the index: the
 * directory itself need not be locked, since its first two records never move.
 */
int ext2_dir_parent(struct inode *dir, const struct inode *parent)
{
	struct ext2_meta m;
	struct entry e;
	int err = dir_block(dir, 0, &m);

	if (err)
		return err;
	err = entry_read(dir, &m, 0, &e);
	if (!err)
		err = entry_read(dir, &m, e.rec_len, &e);
	if (!err && (!e.ino || e.name_len != 2 || memcmp(e.de->name, "..", 2)))
		err = -EIO;
	if (err) {
		err = bad_entry(dir, 0);
	} else if (parent) {
		e.de->inode = (uint32_t)parent->ino;
		ext2_meta_dirty(ext2_of(dir), &m);
	}
	ext2_meta_put(&m);
	return err;
}

static bool is_dot(const struct entry *e)
{
	return e->name_len <= 2 && e->de->name[0] == '.' &&
	       (e->name_len == 1 || e->de->name[1] == '.');
}

int ext2_dir_check_empty(struct inode *dir)
{
	struct ext2_sb *es = ext2_of(dir);
	int err = 0;

	for (uint64_t base = 0; base < dir->size && !err; base += es->bs) {
		struct ext2_meta m;
		struct entry e;

		err = dir_block(dir, base >> es->bs_bits, &m);
		if (err)
			return err;
		for (uint32_t at = 0; at < es->bs && !err; at += e.rec_len) {
			if (entry_read(dir, &m, at, &e))
				err = bad_entry(dir, base + at);
			else if (e.ino && !is_dot(&e))
				err = -ENOTEMPTY;
		}
		ext2_meta_put(&m);
	}
	return err;
}

/* Pass the records of a block at or after f->pos on. 0, 1 (the buffer is full), -EIO. */
static int readdir_block(struct file *f, struct inode *dir, struct ext2_meta *m, uint64_t base,
	struct dir_sink *sink)
{
	struct ext2_sb *es = ext2_of(dir);
	struct entry e;

	/* From the block's start: a record at f->pos may be part of another one by now. */
	for (uint32_t at = 0; at < es->bs; at += e.rec_len) {
		if (entry_read(dir, m, at, &e))
			return bad_entry(dir, base + at);
		if (base + at < f->pos || !e.ino)
			continue;
		if (memchr(e.de->name, '/', e.name_len) || memchr(e.de->name, 0, e.name_len))
			return bad_entry(dir, base + at);
		if (!sink->put(sink, e.de->name, e.name_len, e.ino, readdir_type(es, e.type),
			    base + at + e.rec_len))
			return 1;
		f->pos = base + at + e.rec_len;
	}
	f->pos = base + es->bs;
	return 0;
}

int ext2_readdir(struct file *f, struct dir_sink *sink)
{
	struct inode *dir = f->inode;
	struct ext2_sb *es = ext2_of(dir);

	while (f->pos < dir->size) {
		uint64_t base = f->pos & ~(uint64_t)(es->bs - 1);
		struct ext2_meta m;
		int err = dir_block(dir, base >> es->bs_bits, &m);

		if (err)
			return err;
		err = readdir_block(f, dir, &m, base, sink);
		ext2_meta_put(&m);
		if (err)
			return err < 0 ? err : 0;
	}
	inode_touch(dir, ATTR_ATIME);
	return 0;
}

static int dir_fsync(struct file *f, bool datasync)
{
	struct superblock *sb = f->inode->sb;

	(void)datasync;
	return sb->read_only ? 0 : sb->ops->sync(sb);
}

const struct file_ops ext2_dir_fops = {
	.readdir = ext2_readdir,
	.fsync = dir_fsync,
};
