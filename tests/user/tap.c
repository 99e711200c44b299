/* The runner of a test program: see tap.h. */
#include "tap.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>

#define TEST_SECONDS 240
#define STATUS_SKIP  77

static struct tap_test *first, **last = &first;

void tap_register(struct tap_test *test)
{
	*last = test;
	last = &test->next;
}

void tap_fail(const char *file, int line, const char *format, ...)
{
	const char *slash = strrchr(file, '/');
	char text[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	dprintf(1, "# %s:%d: %s\n", slash ? slash + 1 : file, line, text);
	_exit(1);
}

void tap_skip(const char *reason)
{
	dprintf(1, "# %s\n", reason);
	_exit(STATUS_SKIP);
}

int tap_child(int (*fn)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(fn(arg));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

int tap_signal_of(int (*fn)(void *), void *arg)
{
	int status = tap_child(fn, arg);

	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

char tap_state(const char *path)
{
	char text[256], *end;
	ssize_t n = -1;
	int fd;

	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0)
		return 0;
	text[n] = 0;
	end = strrchr(text, ')');
	return end ? end[2] : 0;
}

void tap_until_asleep(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	while (tap_state(path) != 'S')
		usleep(1000);
}

int tap_peek(void *arg)
{
	(void)*(volatile unsigned char *)arg;
	return 0;
}

int tap_poke(void *arg)
{
	*(volatile unsigned char *)arg = 1;
	return 0;
}

unsigned char tap_byte(size_t i)
{
	return (unsigned char)(i * 7 + i / PAGE);
}

int tap_file(const char *name, size_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);
	unsigned char buf[PAGE];

	CHECK(fd >= 0);
	for (size_t at = 0; at < size; at += sizeof(buf)) {
		size_t n = size - at < sizeof(buf) ? size - at : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = tap_byte(at + i);
		CHECK_EQ(write(fd, buf, n), n);
	}
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

size_t tap_number(const char *path, const char *key)
{
	char line[256], word[64];
	size_t value = 0, v;
	FILE *f = fopen(path, "r");

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%63[^:]: %zu", word, &v) == 2 && !strcmp(word, key))
			value = v;
	fclose(f);
	return value;
}

void tap_only_on_quire(const char *reason)
{
	if (access("/proc/sys/vm/verify", F_OK) != 0)
		tap_skip(reason);
}

long tap_free_kib(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	tap_only_on_quire("counts the frames of a quiet machine");
	CHECK(fd >= 0);
	sync();
	CHECK_EQ(write(fd, "3", 1), 1);
	close(fd);
	return (long)(tap_number("/proc/meminfo", "MemFree") + tap_number("/proc/meminfo", "Slab"));
}

long tap_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void remove_tree(const char *path)
{
	char child[PATH_MAX];
	struct dirent *entry;
	DIR *dir = opendir(path);

	while (dir && (entry = readdir(dir))) {
		struct stat st;

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(child, sizeof(child), "%s/%s", path, entry->d_name);
		if (lstat(child, &st) == 0 && S_ISDIR(st.st_mode))
			remove_tree(child);
		else
			unlink(child);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static void kill_children(void)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[64];

	while (dir && (entry = readdir(dir))) {
		int parent = 0;
		FILE *f;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/stat", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%*d (%*[^)]) %*c %d", &parent) == 1 && parent == getpid())
			kill(atoi(entry->d_name), SIGKILL);
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

/*
 * End all processes that a test left: orphans are adopted (main), so all are children in the end.
 */
static void end_what_is_left(pid_t group)
{
	pid_t pid;

	kill(-group, SIGKILL);
	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 || errno != ECHILD) {
		if (pid == 0) {
			kill_children();
			usleep(1000);
		}
	}
}

static int run(const struct tap_test *test, const char *folder)
{
	int status;
	pid_t pid;

	fflush(stdout);
	if (mkdir(folder, 0755) < 0) {
		printf("# mkdir %s: %s\n", folder, strerror(errno));
		return 1;
	}
	pid = fork();
	if (pid == 0) {
		/* A group of its own, for tests that send signals to it. */
		setpgid(0, 0);
		if (chdir(folder) < 0)
			_exit(1);
		alarm(TEST_SECONDS);
		test->fn();
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	end_what_is_left(pid);
	remove_tree(folder);
	if (WIFSIGNALED(status))
		printf("# ended by signal %d (%s)\n", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	return status;
}

/* With arguments only the tests of these names run. */
int main(int argc, char **argv)
{
	int count = 0, number = 0, failed = 0;
	char folder[64];

	for (struct tap_test *t = first; t; t = t->next)
		count++;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	printf("1..%d\n", argc > 1 ? argc - 1 : count);
	snprintf(folder, sizeof(folder), "/tmp/tap.%d", (int)getpid());
	for (struct tap_test *t = first; t; t = t->next) {
		int wanted = argc == 1, status;

		for (int i = 1; i < argc; i++)
			wanted |= !strcmp(argv[i], t->name);
		if (!wanted)
			continue;
		status = run(t, folder);
		if (WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIP) {
			printf("ok %d - %s # SKIP\n", ++number, t->name);
			continue;
		}
		printf("%s %d - %s\n", status ? "not ok" : "ok", ++number, t->name);
		failed |= status != 0;
	}
	return failed || fflush(stdout) == EOF;
}
