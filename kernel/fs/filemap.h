/* Regular files through the page cache: the file_ops that ext2 and tmpfs files use. file <->
 * vm_object. */
#ifndef FS_FILEMAP_H
#define FS_FILEMAP_H

#include "fs/file.h"

/* Hooks of the file system below, called without mm locks; may sleep. */
ssize_t filemap_read(struct file *f, struct uio *u, uint64_t *pos);
/* Extends the file; short writes and -ENOSPC, -EFBIG as POSIX. Takes the inode's lock. */
ssize_t filemap_write(struct file *f, struct uio *u, uint64_t *pos);
int filemap_mmap(struct file *f, struct mm_map_request *rq);
int filemap_fsync(struct file *f, bool datasync);
extern const struct file_ops filemap_file_ops;

#endif
