/* Open files: the object that descriptors share. */
#ifndef FS_FILE_H
#define FS_FILE_H

#include "fs/inode.h"
#include "fs/path.h"
#include "fs/uio.h"
#include "sync/mutex.h"
#include "sync/waitqueue.h"

struct file;
struct mm_context;
struct poll_table;
struct mm_map_request;

/* Put entries of a directory: name, inode number, DT_* type, the position after it. Returns false
 * when the buffer is full. */
struct dir_sink {
	bool (*put)(struct dir_sink *sink, const char *name, size_t len, uint64_t ino,
		unsigned type, uint64_t next_pos);
};

/* Absent hooks: read/write -EINVAL, ioctl -ENOTTY, mmap -ENODEV, fsync -EINVAL, poll: always ready,
 * readdir -ENOTDIR. */
struct file_ops {
	int (*open)(struct inode *inode, struct file *f);
	void (*release)(struct file *f); /* the last reference went */
	/* *pos is the offset to use and to advance. Return bytes moved or -errno. May sleep. */
	ssize_t (*read)(struct file *f, struct uio *u, uint64_t *pos);
	ssize_t (*write)(struct file *f, struct uio *u, uint64_t *pos);
	int64_t (*llseek)(
		struct file *f, int64_t off, int whence); /* absent: regular behaviour by vo_size */
	int (*readdir)(struct file *f, struct dir_sink *sink); /* from f->pos on */
	/* Ready events now (POLL*); adds the file's wait queues to pt when it is not NULL. */
	unsigned (*poll)(struct file *f, struct poll_table *pt);
	long (*ioctl)(struct file *f, unsigned cmd, uaddr_t arg);
	int (*mmap)(struct file *f,
		struct mm_map_request *rq); /* fills kind, object, pa; the caller calls mm_map */
	int (*fsync)(struct file *f, bool datasync);
	/*
	 * fallocate(2), mode FALLOC_FL_*; off + len does not wrap, the file may be written. Absent:
	 * no mode but 0, which lets the file grow.
	 */
	int (*fallocate)(struct file *f, unsigned mode, uint64_t off, uint64_t len);
	/* fcntl and the like of one kind only: F_GETPIPE_SZ, F_SETPIPE_SZ. -EBADF/-EINVAL. */
	long (*fcntl)(struct file *f, unsigned cmd, unsigned long arg);
	/* May the file be O_DIRECT? Absent: no. */
	bool (*can_direct)(const struct file *f);
	/* Frames that nobody but open files like this one keeps; a guess, made with any lock held
	 * (the out-of-memory killer asks). Absent: none. */
	uint64_t (*held_pages)(const struct file *f);
	bool no_seek;  /* pipes, terminals: -ESPIPE, no offset lock */
	bool free_pos; /* procfs: read and write do not take the offset's lock (they take the locks
			  of processes, which rank lower); concurrent readers share f->pos */
};

#define FMODE_READ  0x1u
#define FMODE_WRITE 0x2u
#define FMODE_PATH  0x4u

struct file {
	uint32_t refs;		    /* (a) */
	uint32_t flags;		    /* (78) O_APPEND, O_NONBLOCK, ...: Linux's numbers */
	uint32_t mode;		    /* (c) FMODE_* */
	struct path path;	    /* (c) mount and dentry; both NULL for pipes and the like */
	struct inode *inode;	    /* (c) reference */
	const struct file_ops *ops; /* (c) */
	struct mutex pos_lock;	    /* rank 25 */
	uint64_t pos;		    /* (25) */
	void *priv;		    /* of ops */
	uint32_t ra_next;	    /* read-ahead: index after the last page read */
};

struct file *file_get(struct file *f);
void file_put(struct file *f); /* may sleep. => nothing of rank 20 or above */
/* A file that is on no path (pipe end, memfd): takes over one reference of inode. ERR_PTR. */
struct file *file_alloc(struct inode *inode, const struct file_ops *ops, uint32_t flags);
/* Positioned I/O on any file; pos NULL: the file's own, under its lock. */
ssize_t file_read(struct file *f, struct uio *u, uint64_t *pos);
ssize_t file_write(struct file *f, struct uio *u, uint64_t *pos);
/* lseek(2). The new offset, -EINVAL, -ESPIPE, -ENXIO (SEEK_DATA, SEEK_HOLE), -EOVERFLOW. */
int64_t file_seek(struct file *f, int64_t off, int whence);
/* Directory entries from the file's offset on, which advances. 0, -ENOTDIR, -ENOENT (removed). */
int file_readdir(struct file *f, struct dir_sink *sink);
/* F_SETFL: the bits O_SETFL_MASK of flags. 0, -EINVAL (O_DIRECT on what cannot). */
int __must_check file_set_flags(struct file *f, uint32_t flags);
/* Ready events (POLL*) now; pt may be NULL. */
unsigned file_poll(struct file *f, struct poll_table *pt);
/* What /proc/PID/fd and maps show: a path from fs's root, "pipe:[N]", "name (deleted)". Pointer
 * into buf, or ERR_PTR. */
char *file_describe(struct fs_state *fs, struct file *f, char *buf, size_t size);
/* open(2) after the name was found: takes references of p and its inode. The new file, ERR_PTR. */
struct file *file_open(const struct path *p, uint32_t flags);
void file_init(void);
/*
 * RLIMIT_FSIZE of the caller, UINT64_MAX when there is none, and what comes over who would exceed
 * it (SIGXFSZ). The process layer registers both.
 */
struct file_limit_ops {
	uint64_t (*size)(void);
	void (*exceeded)(void); /* => no spinning lock held */
};
void file_set_limit_ops(const struct file_limit_ops *ops);
uint64_t file_size_limit(void);
void file_size_exceeded(void);
ssize_t file_read_kernel(struct file *f, void *buf, size_t n, uint64_t pos);
ssize_t file_write_kernel(struct file *f, const void *buf, size_t n, uint64_t pos);

#endif
