/* Regular files through the page cache: the file_ops that ext2 and tmpfs files use. file <->
 * vm_object. */
#ifndef FS_FILEMAP_H
#define FS_FILEMAP_H

#include "abi/fcntl.h"
#include "fs/file.h"

/* Hooks of the file system below, called without mm locks; may sleep. */
ssize_t filemap_read(struct file *f, struct uio *u, uint64_t *pos);
/* Extends the file; short writes and -ENOSPC, -EFBIG as POSIX. Takes the inode's lock. */
ssize_t filemap_write(struct file *f, struct uio *u, uint64_t *pos);
/* All of u at *pos, through the cache. Bytes moved, or -errno when none were. => inode locked */
ssize_t filemap_write_locked(struct inode *inode, struct uio *u, uint64_t *pos);
/* filemap_direct.c: the same past the cache, for O_DIRECT. -EINVAL: not aligned. The read takes the
 * inode's lock. */
ssize_t filemap_read_direct(struct file *f, struct uio *u, uint64_t *pos);
ssize_t filemap_write_direct_locked(struct inode *inode, struct uio *u, uint64_t *pos);
/* Is it I/O past the cache? What the kernel reads and writes itself never is. */
static inline bool filemap_is_direct(const struct file *f, const struct uio *u)
{
	return unlikely(f->flags & O_DIRECT) && u->iov;
}
int filemap_mmap(struct file *f, struct mm_map_request *rq);
int filemap_fsync(struct file *f, bool datasync);
uint64_t filemap_held_pages(const struct file *f);
extern const struct file_ops filemap_file_ops;

#endif
