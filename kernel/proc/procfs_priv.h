/*
 * Inside procfs. The tree is a set of tables: an entry is a name with what it can do; directories
 * have a table of entries and, some of them, numbers (processes, threads, descriptors) that each
 * look alike. An inode remembers which entry it is and the numbers on the way to it; everything
 * else is looked up when it is asked for, so that an open file of a process that is gone says ESRCH
 * or ENOENT.
 */
#ifndef PROC_PROCFS_PRIV_H
#define PROC_PROCFS_PRIV_H

#include "fs/file.h"
#include "proc/process.h"

struct proc_entry;

struct proc_ref {
	const struct proc_entry *entry;
	int pid, tid, fd; /* 0, -1 for fd: not below such a directory */
};

/* Text that grows; once memory ran out it stays as it is and `err` says so. */
struct proc_text {
	char *buf;
	size_t len, cap;
	int err;
};
void proc_putn(struct proc_text *t, const char *s, size_t n);
void proc_puts(struct proc_text *t, const char *s);
__printf(2, 3) void proc_printf(struct proc_text *t, const char *fmt, ...);
/* Blanks up to that column of the line that begins at byte `from`, and one more. */
void proc_pad(struct proc_text *t, size_t from, size_t column);

/* A directory's tables. */
struct proc_dir {
	const struct proc_entry *entries;
	unsigned nentries;
	/*
	 * Numbers: the least one above `after`, or -1; what entry each is, and where it is noted.
	 */
	int (*next)(const struct proc_ref *dir, int after);
	const struct proc_entry *number_entry;
	void (*note)(struct proc_ref *ref, int number);
};

struct proc_entry {
	const char *name;
	uint32_t mode; /* with type */
	int (*show)(struct proc_text *t, const struct proc_ref *ref);
	/* What was written, NUL-terminated, one trailing newline removed. 0 or -errno. */
	int (*store)(const struct proc_ref *ref, char *text, size_t len);
	/* Files that are no text: bytes at *pos, which advances. Bytes moved or -errno. */
	ssize_t (*read)(const struct proc_ref *ref, struct uio *u, uint64_t *pos);
	ssize_t (*write)(const struct proc_ref *ref, struct uio *u, uint64_t *pos);
	ssize_t (*readlink)(const struct proc_ref *ref, char *buf, size_t size);
	int (*follow)(const struct proc_ref *ref, struct path *out);
	const struct proc_dir *dir;
};

#define PROC_FILE(file_name, show_fn)                                          \
	{                                                                      \
		.name = (file_name), .mode = S_IFREG | 0444, .show = (show_fn) \
	}
#define PROC_CONTROL(file_name, show_fn, store_fn)                              \
	{                                                                       \
		.name = (file_name), .mode = S_IFREG | 0644, .show = (show_fn), \
		.store = (store_fn)                                             \
	}
#define PROC_DIR(dir_name, dir_table)                                          \
	{                                                                      \
		.name = (dir_name), .mode = S_IFDIR | 0555, .dir = (dir_table) \
	}
#define PROC_LINK(link_name, readlink_fn, follow_fn)                                    \
	{                                                                               \
		.name = (link_name), .mode = S_IFLNK | 0777, .readlink = (readlink_fn), \
		.follow = (follow_fn)                                                   \
	}

/* procfs_pid.c */
extern const struct proc_entry proc_pid_entry;
int proc_pid_next(const struct proc_ref *dir, int after);
void proc_pid_note(struct proc_ref *ref, int number);
/* profile.c */
void profile_init(void);
int profile_show(struct proc_text *t, const struct proc_ref *ref);
int profile_store(const struct proc_ref *ref, char *text, size_t len);
/* procfs_fd.c */
extern const struct proc_dir proc_fd_dir, proc_fdinfo_dir;
ssize_t proc_cwd_readlink(const struct proc_ref *ref, char *buf, size_t size);
int proc_cwd_follow(const struct proc_ref *ref, struct path *out);
ssize_t proc_root_readlink(const struct proc_ref *ref, char *buf, size_t size);
int proc_root_follow(const struct proc_ref *ref, struct path *out);
ssize_t proc_exe_readlink(const struct proc_ref *ref, char *buf, size_t size);
int proc_exe_follow(const struct proc_ref *ref, struct path *out);
int proc_show_mounts(struct proc_text *t, const struct proc_ref *ref);
int proc_show_mountinfo(struct proc_text *t, const struct proc_ref *ref);
/* procfs_maps.c */
int proc_show_maps(struct proc_text *t, const struct proc_ref *ref);
int proc_show_smaps(struct proc_text *t, const struct proc_ref *ref);
int proc_show_smaps_rollup(struct proc_text *t, const struct proc_ref *ref);
/* procfs_mem.c */
ssize_t proc_mem_read(const struct proc_ref *ref, struct uio *u, uint64_t *pos);
ssize_t proc_mem_write(const struct proc_ref *ref, struct uio *u, uint64_t *pos);
ssize_t proc_pagemap_read(const struct proc_ref *ref, struct uio *u, uint64_t *pos);
/* procfs_status.c */
int proc_show_stat(struct proc_text *t, const struct proc_ref *ref);
int proc_show_statm(struct proc_text *t, const struct proc_ref *ref);
int proc_show_status(struct proc_text *t, const struct proc_ref *ref);
/* procfs_system.c, procfs_sys.c */
extern const struct proc_entry proc_system_entries[];
extern const unsigned proc_system_count;
extern const struct proc_dir proc_sys_dir;
void proc_sys_init(void);
/* A decimal number and nothing else. 0 or -EINVAL. */
int __must_check proc_parse_number(const char *text, uint64_t *out);
/* procfs_sysvm.c */
extern const struct proc_dir proc_sysvm_dir;
/* procfs_ipc.c */
extern const struct proc_dir proc_sysvipc_dir;

/* The process of ref with a reference, or NULL. */
struct process *proc_ref_process(const struct proc_ref *ref);

#endif
