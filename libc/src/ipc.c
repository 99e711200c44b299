/*
 * Shared memory: System V's, the keys that files give, and POSIX's names, which are files of
 * /dev/shm.
 */
#include "syscall.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(struct ipc_perm) == 48, "struct ipc64_perm");
_Static_assert(sizeof(struct shmid_ds) == 112, "struct shmid64_ds");
_Static_assert(sizeof(struct shminfo) == 72, "struct shminfo64");
_Static_assert(sizeof(struct shm_info) == 48, "struct shm_info");

int shmget(key_t key, size_t size, int flags)
{
	return (int)SYS(shmget, key, size, flags);
}

void *shmat(int id, const void *addr, int flags)
{
	return (void *)SYS(shmat, id, addr, flags);
}

int shmdt(const void *addr)
{
	return (int)SYS(shmdt, addr);
}

int shmctl(int id, int command, struct shmid_ds *buf)
{
	return (int)SYS(shmctl, id, command, buf);
}

/*
 * Two files that exist at the same time seldom have the same key: eight bits of id and of the
 * device over sixteen of the inode.
 */
key_t ftok(const char *path, int id)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return (key_t)-1;
	return (int)(((unsigned)id & 0xff) << 24 | ((unsigned)st.st_dev & 0xff) << 16 |
		     ((unsigned)st.st_ino & 0xffff));
}

#define SHM_FOLDER "/dev/shm/"

/* One component below SHM_FOLDER; leading slashes do not count. => 0, or -1 with errno */
static int shm_path(const char *name, char path[sizeof(SHM_FOLDER) + NAME_MAX])
{
	size_t len;

	while (*name == '/')
		name++;
	len = strlen(name);
	if (len > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (len == 0 || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..")) {
		errno = EINVAL;
		return -1;
	}
	strcpy(path, SHM_FOLDER);
	strcat(path, name);
	return 0;
}

int shm_open(const char *name, int flags, mode_t mode)
{
	char path[sizeof(SHM_FOLDER) + NAME_MAX];

	if (shm_path(name, path) < 0)
		return -1;
	return open(path, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, mode);
}

int shm_unlink(const char *name)
{
	char path[sizeof(SHM_FOLDER) + NAME_MAX];

	return shm_path(name, path) < 0 ? -1 : unlink(path);
}
