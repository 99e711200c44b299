/* Directory streams over getdents64(2). */
#include "syscall.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/lock.h>
#include <sys/stat.h>
#include <unistd.h>

struct __dirstream {
	int fd;
	int pos;      /* of the next entry in buf */
	int len;      /* bytes of buf that getdents64 filled */
	off_t offset; /* of the next entry in the directory: d_off of the last one given */
	_LOCK_T lock;
	char buf[2048] __attribute__((__aligned__(8)));
};

ssize_t getdents64(int fd, void *buf, size_t len)
{
	return SYS(getdents64, fd, buf, len);
}

/* Takes over the descriptor. */
DIR *fdopendir(int fd)
{
	struct stat st;
	DIR *dir;

	if (fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return NULL;
	}
	dir = calloc(1, sizeof(*dir));
	if (dir)
		dir->fd = fd;
	return dir;
}

DIR *opendir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir)
		close(fd);
	return dir;
}

int closedir(DIR *dir)
{
	int fd = dir->fd;

	free(dir);
	return close(fd);
}

int dirfd(DIR *dir)
{
	return dir->fd;
}

static struct dirent *next_entry(DIR *dir)
{
	struct dirent *entry;

	if (dir->pos >= dir->len) {
		ssize_t n = getdents64(dir->fd, dir->buf, sizeof(dir->buf));

		if (n <= 0)
			return NULL;
		dir->pos = 0;
		dir->len = (int)n;
	}
	entry = (struct dirent *)(dir->buf + dir->pos);
	dir->pos += entry->d_reclen;
	dir->offset = entry->d_off;
	return entry;
}

/* => NULL at the end (errno as it was) or on an error (errno set). The entry is good until the next
 * call. */
struct dirent *readdir(DIR *dir)
{
	struct dirent *entry;

	__lock_acquire(dir->lock);
	entry = next_entry(dir);
	__lock_release(dir->lock);
	return entry;
}

int readdir_r(DIR *restrict dir, struct dirent *restrict out, struct dirent **restrict result)
{
	int saved = errno, err = 0;
	struct dirent *entry;

	__lock_acquire(dir->lock);
	errno = 0;
	entry = next_entry(dir);
	if (entry)
		memcpy(out, entry, entry->d_reclen);
	else
		err = errno;
	errno = saved;
	__lock_release(dir->lock);
	*result = entry ? out : NULL;
	return err;
}

void seekdir(DIR *dir, long offset)
{
	__lock_acquire(dir->lock);
	lseek(dir->fd, offset, SEEK_SET);
	dir->pos = dir->len = 0;
	dir->offset = offset;
	__lock_release(dir->lock);
}

void rewinddir(DIR *dir)
{
	seekdir(dir, 0);
}

long telldir(DIR *dir)
{
	return dir->offset;
}

int alphasort(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

struct entry_list {
	struct dirent **entries;
	size_t count, room;
};

static int list_add(struct entry_list *list, const struct dirent *entry)
{
	struct dirent *copy;

	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct dirent **grown = realloc(list->entries, room * sizeof(*grown));

		if (!grown)
			return -1;
		list->entries = grown;
		list->room = room;
	}
	copy = malloc(entry->d_reclen);
	if (!copy)
		return -1;
	list->entries[list->count++] = memcpy(copy, entry, entry->d_reclen);
	return 0;
}

/*
 * => the number of entries, each and the array from malloc; -1 with nothing allocated on an error.
 */
int scandir(const char *path, struct dirent ***out, int (*select)(const struct dirent *),
	int (*compare)(const struct dirent **, const struct dirent **))
{
	struct entry_list list = {NULL, 0, 0};
	int saved = errno;
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir)
		return -1;
	errno = 0;
	while ((entry = readdir(dir)))
		if ((!select || select(entry)) && list_add(&list, entry) < 0)
			break;
	if (errno) {
		int err = errno;

		while (list.count > 0)
			free(list.entries[--list.count]);
		free(list.entries);
		closedir(dir);
		errno = err;
		return -1;
	}
	closedir(dir);
	errno = saved;
	if (compare && list.count)
		qsort(list.entries, list.count, sizeof(*list.entries),
			(int (*)(const void *, const void *))compare);
	*out = list.entries;
	return (int)list.count;
}
