/*
 * filemapstress: one file through every door at once. Each worker edits a file of its own with
 * write, pwrite, a shared map, ftruncate (shorter and longer) and fsync, keeps a model of its
 * bytes, and after each few edits reads it back with pread, through the shared map, through a
 * second descriptor and through a private map whose own writes must stay its own. Pages past the
 * end must give SIGBUS.
 */
#include "stress.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096
#define PAGES 24
#define SIZE  ((size_t)PAGES * PAGE)
#define EDITS 120

static unsigned char model[SIZE], buffer[SIZE];
static size_t length; /* of the file; beyond it the model is zero */
static unsigned char *map;
static int fd;
static sigjmp_buf on_fault;
static volatile sig_atomic_t expecting;

static void fault_handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!expecting)
		stress_fail("signal %d at %p, which nobody expected", sig, info->si_addr);
	siglongjmp(on_fault, sig);
}

static size_t random_bytes(uint64_t *random, size_t max)
{
	size_t len = 1 + random_below(random, random_below(random, 3) ? 300 : 3 * PAGE);

	len = len < max ? len : max;
	for (size_t i = 0; i < len; i++)
		buffer[i] = (unsigned char)random_next(random);
	return len;
}

static void edit_write(uint64_t *random)
{
	size_t at = random_below(random, SIZE), len = random_bytes(random, SIZE - at);

	if (random_below(random, 2)) {
		STRESS_CHECK(pwrite(fd, buffer, len, (off_t)at) == (ssize_t)len,
			"pwrite %zu at %zu", len, at);
	} else {
		STRESS_CHECK(lseek(fd, (off_t)at, SEEK_SET) == (off_t)at, "lseek");
		STRESS_CHECK(write(fd, buffer, len) == (ssize_t)len, "write %zu at %zu", len, at);
	}
	memcpy(model + at, buffer, len);
	if (at + len > length)
		length = at + len;
}

static void edit_map(uint64_t *random)
{
	size_t at, len;

	if (length == 0)
		return;
	at = random_below(random, length);
	len = random_bytes(random, length - at);
	memcpy(map + at, buffer, len);
	memcpy(model + at, buffer, len);
	if (random_below(random, 8) == 0)
		STRESS_CHECK(msync(map, SIZE, MS_SYNC) == 0, "msync");
}

/* The source of the write is the map of the same file. */
static void edit_write_from_map(uint64_t *random)
{
	size_t from, to, len;

	if (length < 2)
		return;
	len = 1 + random_below(random, length / 2);
	from = random_below(random, length - len + 1);
	to = random_below(random, length - len + 1);
	if (from < to + len && to < from + len)
		return;
	STRESS_CHECK(pwrite(fd, map + from, len, (off_t)to) == (ssize_t)len, "pwrite from the map");
	memcpy(model + to, model + from, len);
}

static void edit_truncate(uint64_t *random)
{
	size_t wanted = random_below(random, SIZE + 1);

	STRESS_CHECK(ftruncate(fd, (off_t)wanted) == 0, "ftruncate to %zu", wanted);
	if (wanted < length)
		memset(model + wanted, 0, length - wanted);
	length = wanted;
}

static void compare(const unsigned char *got, size_t len, const char *door)
{
	if (!memcmp(got, model, len))
		return;
	for (size_t i = 0; i < len; i++)
		STRESS_CHECK(got[i] == model[i], "%s: byte %zu of %zu is %02x, not %02x", door, i,
			length, got[i], model[i]);
}

static void check_past_end(void)
{
	size_t first = (length + PAGE - 1) / PAGE * PAGE;
	int sig;

	/* The rest of the last page reads as zero. */
	for (size_t i = length; i < first; i++)
		STRESS_CHECK(
			map[i] == 0, "byte %zu past the end at %zu is %02x", i, length, map[i]);
	if (first >= SIZE)
		return;
	expecting = 1;
	sig = sigsetjmp(on_fault, 1);
	if (sig == 0)
		(void)*(volatile unsigned char *)(map + first);
	expecting = 0;
	STRESS_CHECK(sig == SIGBUS, "page past the end at %zu gave signal %d", length, sig);
}

static void check_private(const char *path, uint64_t *random)
{
	unsigned char *private, old;
	int second = open(path, O_RDWR);
	size_t at;

	STRESS_CHECK(second >= 0, "open %s again", path);
	private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, second, 0);
	STRESS_CHECK(private != MAP_FAILED, "mmap private");
	STRESS_CHECK(pread(second, buffer, SIZE, 0) == (ssize_t)length,
		"the second descriptor sees another length");
	close(second);
	compare(buffer, length, "second descriptor");
	compare(private, length, "private map");
	if (length) {
		at = random_below(random, length);
		old = model[at];
		private[at] = (unsigned char)~old;
		STRESS_CHECK(map[at] == old, "a private write shows in the shared map");
		STRESS_CHECK(pread(fd, buffer, 1, (off_t)at) == 1 && buffer[0] == old,
			"a private write shows in the file");
		STRESS_CHECK(private[at] == (unsigned char)~old, "a private write is lost");
	}
	STRESS_CHECK(munmap(private, SIZE) == 0, "munmap");
}

static void check_all(const char *path, uint64_t *random)
{
	struct stat st;

	STRESS_CHECK(fstat(fd, &st) == 0 && st.st_size == (off_t)length, "size %ld, not %zu",
		(long)st.st_size, length);
	STRESS_CHECK(pread(fd, buffer, SIZE, 0) == (ssize_t)length, "pread of %zu bytes", length);
	compare(buffer, length, "pread");
	compare(map, length, "shared map");
	check_past_end();
	if (random_below(random, 4) == 0)
		check_private(path, random);
}

/* A child writes through the inherited map; the parent sees it, also with read. */
static void edit_by_child(uint64_t *random)
{
	size_t at;
	unsigned char value = (unsigned char)random_next(random);
	int pid;

	if (length == 0)
		return;
	at = random_below(random, length);
	pid = fork();
	STRESS_CHECK(pid >= 0, "fork");
	if (pid == 0) {
		map[at] = value;
		_exit(0);
	}
	child_wait(pid);
	model[at] = value;
}

static void edit(uint64_t *random)
{
	switch (random_below(random, 12)) {
	case 0:
		edit_truncate(random);
		break;
	case 1:
		edit_write_from_map(random);
		break;
	case 2:
		if (random_below(random, 4) == 0)
			edit_by_child(random);
		break;
	case 3:
		if (random_below(random, 16) == 0)
			STRESS_CHECK(fsync(fd) == 0, "fsync");
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		edit_map(random);
		break;
	default:
		edit_write(random);
	}
}

static long round_of_edits(struct stress *s, int worker, uint64_t *random)
{
	struct sigaction act = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO};
	char path[64];

	(void)s;
	sigaction(SIGBUS, &act, NULL);
	sigaction(SIGSEGV, &act, NULL);
	snprintf(path, sizeof(path), "filemapstress.%d.%d", (int)getppid(), worker);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	STRESS_CHECK(fd >= 0, "open %s", path);
	memset(model, 0, sizeof(model));
	length = 0;
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	STRESS_CHECK(map != MAP_FAILED, "mmap");
	for (int i = 0; i < EDITS; i++) {
		edit(random);
		if (i % 8 == 0)
			check_all(path, random);
	}
	check_all(path, random);
	/* The map outlives the descriptor and the name. */
	STRESS_CHECK(unlink(path) == 0, "unlink");
	close(fd);
	compare(map, length, "map of a file without a name");
	STRESS_CHECK(munmap(map, SIZE) == 0, "munmap");
	return EDITS;
}

int main(int argc, char **argv)
{
	struct stress s;

	stress_begin(&s, argc, argv, 4);
	return stress_run(&s, round_of_edits);
}
