/* The exec functions over execve(2). */
#include <errno.h>
#include <limits.h>
#include <paths.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

/* A file that is no program is a script of the shell: POSIX has execvp run it so. */
static int exec_script(const char *path, char *const argv[], char *const envp[])
{
	int argc = 0;

	while (argv[argc])
		argc++;
	char **args = malloc((size_t)(argc + 2) * sizeof(*args));

	if (!args)
		return -1;
	args[0] = argc > 0 ? argv[0] : (char *)path;
	args[1] = (char *)path;
	for (int i = 1; i <= argc; i++)
		args[i + 1] = argv[i];
	if (argc == 0)
		args[2] = NULL;
	execve("/bin/sh", args, envp);
	free(args);
	return -1;
}

static int exec_one(const char *path, char *const argv[], char *const envp[])
{
	execve(path, argv, envp);
	if (errno == ENOEXEC)
		exec_script(path, argv, envp);
	return -1;
}

/* Tries each folder of PATH; EACCES is the answer only if no later folder has the program. */
int execvpe(const char *file, char *const argv[], char *const envp[])
{
	const char *dir = getenv("PATH"), *end;
	size_t file_len = strlen(file);
	char path[PATH_MAX];
	int denied = 0;

	if (file_len == 0) {
		errno = ENOENT;
		return -1;
	}
	if (strchr(file, '/'))
		return exec_one(file, argv, envp);
	if (!dir)
		dir = "/bin:/usr/bin";
	errno = ENOENT;
	for (;; dir = end + 1) {
		size_t len;

		end = strchrnul(dir, ':');
		len = (size_t)(end - dir);
		if (len + file_len + 2 <= sizeof(path)) {
			memcpy(path, dir, len);
			if (len)
				path[len++] = '/';
			memcpy(path + len, file, file_len + 1);
			exec_one(path, argv, envp);
			if (errno == EACCES)
				denied = 1;
			else if (errno != ENOENT && errno != ENOTDIR)
				return -1;
		}
		if (!*end)
			break;
	}
	if (denied)
		errno = EACCES;
	return -1;
}

int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

static int count_args(va_list ap)
{
	int n = 1;

	while (va_arg(ap, char *))
		n++;
	return n;
}

/* The l functions may run in a child of vfork, so their array is on the stack. */
int execl(const char *path, const char *arg0, ...)
{
	va_list ap;
	int n;

	va_start(ap, arg0);
	n = count_args(ap);
	va_end(ap);

	char **argv = __builtin_alloca((size_t)(n + 1) * sizeof(*argv));

	argv[0] = (char *)arg0;
	va_start(ap, arg0);
	for (int i = 1; i <= n; i++)
		argv[i] = va_arg(ap, char *);
	va_end(ap);
	return execve(path, argv, environ);
}

int execlp(const char *file, const char *arg0, ...)
{
	va_list ap;
	int n;

	va_start(ap, arg0);
	n = count_args(ap);
	va_end(ap);

	char **argv = __builtin_alloca((size_t)(n + 1) * sizeof(*argv));

	argv[0] = (char *)arg0;
	va_start(ap, arg0);
	for (int i = 1; i <= n; i++)
		argv[i] = va_arg(ap, char *);
	va_end(ap);
	return execvp(file, argv);
}

int execle(const char *path, const char *arg0, ...)
{
	char *const *envp;
	va_list ap;
	int n;

	va_start(ap, arg0);
	n = count_args(ap);
	va_end(ap);

	char **argv = __builtin_alloca((size_t)(n + 1) * sizeof(*argv));

	argv[0] = (char *)arg0;
	va_start(ap, arg0);
	for (int i = 1; i <= n; i++)
		argv[i] = va_arg(ap, char *);
	envp = va_arg(ap, char *const *);
	va_end(ap);
	return execve(path, argv, envp);
}
