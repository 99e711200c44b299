/*
 * /proc/PID/{fd,fdinfo,cwd,root,exe,mounts,mountinfo}: what a process has open, and links that lead
 * there.
 */
#include "fs/fdtable.h"
#include "fs/mount.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "proc/procfs_priv.h"

/* The file of descriptor ref->fd, or the running program for fd -1. A reference, or NULL. */
static struct file *ref_file(const struct proc_ref *ref)
{
	struct process *p = proc_ref_process(ref);
	struct fdtable *files;
	struct file *f = NULL;

	if (!p)
		return NULL;
	if (ref->fd < 0) {
		f = process_get_exe(p);
	} else {
		files = process_get_files(p);
		if (files) {
			f = fd_get(files, ref->fd);
			fdtable_put(files);
		}
	}
	process_put(p);
	return f;
}

static int fd_next_of(const struct proc_ref *dir, int after)
{
	struct process *p = proc_ref_process(dir);
	struct fdtable *files;
	int fd = -1;

	if (!p)
		return -1;
	files = process_get_files(p);
	if (files) {
		fd = fd_next(files, after + 1);
		fdtable_put(files);
	}
	process_put(p);
	return fd;
}

static void fd_note(struct proc_ref *ref, int number)
{
	ref->fd = number;
}

/* Copy a name that ends in NUL, without it. */
static ssize_t put_name(const char *name, char *buf, size_t size)
{
	size_t n;

	if (IS_ERR(name))
		return PTR_ERR(name);
	n = MIN(strlen(name), size);
	memmove(buf, name, n);
	return (ssize_t)n;
}

static ssize_t file_readlink(const struct proc_ref *ref, char *buf, size_t size)
{
	struct file *f = ref_file(ref);
	char *room;
	ssize_t n = -ENOMEM;

	if (!f)
		return -ENOENT;
	room = kmalloc(PATH_MAX_LEN, 0);
	if (room)
		n = put_name(file_describe(task_current()->fs, f, room, PATH_MAX_LEN), buf, size);
	kfree(room);
	file_put(f);
	return n;
}

static int file_follow(const struct proc_ref *ref, struct path *out)
{
	struct file *f = ref_file(ref);
	int err = 0;

	if (!f)
		return -ENOENT;
	if (f->path.dentry) {
		*out = f->path;
		path_get(out);
	} else {
		err = mount_lone_inode(f->inode, out);
	}
	file_put(f);
	return err;
}

ssize_t proc_exe_readlink(const struct proc_ref *ref, char *buf, size_t size)
{
	return file_readlink(ref, buf, size);
}

int proc_exe_follow(const struct proc_ref *ref, struct path *out)
{
	return file_follow(ref, out);
}

static int dir_follow(
	const struct proc_ref *ref, struct path *out, void (*get)(struct fs_state *, struct path *))
{
	struct process *p = proc_ref_process(ref);
	struct fs_state *fs;

	if (!p)
		return -ENOENT;
	fs = process_get_fs(p);
	process_put(p);
	if (!fs)
		return -ENOENT;
	get(fs, out);
	fs_state_put(fs);
	return 0;
}

int proc_cwd_follow(const struct proc_ref *ref, struct path *out)
{
	return dir_follow(ref, out, fs_state_get_cwd);
}

int proc_root_follow(const struct proc_ref *ref, struct path *out)
{
	return dir_follow(ref, out, fs_state_get_root);
}

static ssize_t dir_readlink(const struct proc_ref *ref, char *buf, size_t size,
	int (*follow)(const struct proc_ref *, struct path *))
{
	struct path p;
	char *room;
	ssize_t n = follow(ref, &p);

	if (n)
		return n;
	room = kmalloc(PATH_MAX_LEN, 0);
	n = -ENOMEM;
	if (room)
		n = put_name(path_describe(task_current()->fs, &p, room, PATH_MAX_LEN), buf, size);
	kfree(room);
	path_put(&p);
	return n;
}

ssize_t proc_cwd_readlink(const struct proc_ref *ref, char *buf, size_t size)
{
	return dir_readlink(ref, buf, size, proc_cwd_follow);
}

ssize_t proc_root_readlink(const struct proc_ref *ref, char *buf, size_t size)
{
	return dir_readlink(ref, buf, size, proc_root_follow);
}

static int show_mounts(struct proc_text *t, const struct proc_ref *ref,
	bool (*describe)(struct fs_state *fs, unsigned n, char *buf, size_t size))
{
	struct process *p = proc_ref_process(ref);
	struct fs_state *fs;
	char *line;

	if (!p)
		return -ESRCH;
	fs = process_get_fs(p);
	process_put(p);
	if (!fs)
		return -EINVAL;
	line = kmalloc(PATH_MAX_LEN, 0);
	for (unsigned n = 0; line && describe(fs, n, line, PATH_MAX_LEN); n++)
		proc_puts(t, line);
	fs_state_put(fs);
	kfree(line);
	return line ? 0 : -ENOMEM;
}

int proc_show_mounts(struct proc_text *t, const struct proc_ref *ref)
{
	return show_mounts(t, ref, mount_describe);
}

int proc_show_mountinfo(struct proc_text *t, const struct proc_ref *ref)
{
	return show_mounts(t, ref, mount_describe_info);
}

static int show_fdinfo(struct proc_text *t, const struct proc_ref *ref)
{
	struct file *f = ref_file(ref);

	if (!f)
		return -ENOENT;
	proc_printf(t, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n",
		(unsigned long long)READ_ONCE(f->pos), READ_ONCE(f->flags),
		f->path.mnt ? f->path.mnt->id : 0, (unsigned long long)f->inode->ino);
	file_put(f);
	return 0;
}

static const struct proc_entry fdinfo_entry = PROC_FILE("FD", show_fdinfo);
const struct proc_dir proc_fdinfo_dir = {
	.next = fd_next_of, .number_entry = &fdinfo_entry, .note = fd_note};

static const struct proc_entry fd_entry = PROC_LINK("FD", file_readlink, file_follow);
const struct proc_dir proc_fd_dir = {
	.next = fd_next_of, .number_entry = &fd_entry, .note = fd_note};
