/*
 * forkstress: trees of processes. Each round a worker fills private memory, forks children, those
 * fork their own, and every process rewrites some pages and checks all: what it wrote, and what it
 * inherited where nobody but its ancestors wrote. Exit statuses, wait order, a pipe across the tree
 * and vfork are checked on the way.
 */
#include "stress.h"
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096
#define PAGES 48
#define DEPTH 3

/* tags[i] says what page i holds in this process; copied by fork like everything else. */
static uint64_t tags[PAGES];
static unsigned char *memory;

static void write_some(uint64_t *random)
{
	int count = (int)random_below(random, PAGES);

	for (int i = 0; i < count; i++) {
		uint64_t page = random_below(random, PAGES);

		tags[page] = random_next(random);
		pattern_fill(memory + page * PAGE, PAGE, tags[page]);
	}
}

static void check_all(const char *who)
{
	for (int i = 0; i < PAGES; i++) {
		size_t bad = pattern_check(memory + i * PAGE, PAGE, tags[i]);

		STRESS_CHECK(bad == PAGE, "%s: page %d differs at %zu", who, i, bad);
	}
}

static void tree(int depth, int out, uint64_t random);

static int spawn(int depth, int out, uint64_t random)
{
	int pid = fork();

	STRESS_CHECK(pid >= 0, "fork");
	if (pid == 0) {
		tree(depth, out, random | 1);
		_exit(0);
	}
	return pid;
}

/* Writes before, between and after its children live, and tells its existence through the pipe. */
static void tree(int depth, int out, uint64_t random)
{
	int pids[3], count = depth > 0 ? 1 + (int)random_below(&random, 3) : 0;

	check_all("inherited");
	write_some(&random);
	for (int i = 0; i < count; i++) {
		pids[i] = spawn(depth - 1, out, random_next(&random));
		write_some(&random);
	}
	check_all("after forks");
	for (int i = count - 1; i >= 0; i--)
		child_wait(pids[i]);
	check_all("after waits");
	STRESS_CHECK(write(out, &count, sizeof(count)) == sizeof(count), "write to the pipe");
}

static void check_exit_status(uint64_t *random)
{
	int code = (int)random_below(random, 256), status, pid = fork();

	STRESS_CHECK(pid >= 0, "fork");
	if (pid == 0)
		_exit(code);
	STRESS_CHECK(
		waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == code,
		"exit status %#x, wanted code %d", status, code);
	STRESS_CHECK(waitpid(pid, &status, 0) < 0 && errno == ECHILD,
		"a second wait found the child again");
}

/* A vfork child shares the memory: what it writes the parent sees. */
static void check_vfork(uint64_t *random)
{
	volatile uint64_t seen = 0, value = random_next(random);
	int pid = vfork();

	STRESS_CHECK(pid >= 0, "vfork");
	if (pid == 0) {
		seen = value;
		_exit(0);
	}
	STRESS_CHECK(seen == value, "the write of a vfork child is not there");
	child_wait(pid);
}

static long round_of_forks(struct stress *s, int worker, uint64_t *random)
{
	int fds[2], count, processes = 0, expected = 1, pid;
	ssize_t n;

	(void)s;
	(void)worker;
	memory = mmap(
		NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	STRESS_CHECK(memory != MAP_FAILED, "mmap");
	for (int i = 0; i < PAGES; i++) {
		tags[i] = random_next(random);
		pattern_fill(memory + i * PAGE, PAGE, tags[i]);
	}
	STRESS_CHECK(pipe(fds) == 0, "pipe");
	pid = spawn(DEPTH, fds[1], random_next(random));
	close(fds[1]);
	/*
	 * Each process tells how many children it made: their sum plus the root is how many must
	 * have told.
	 */
	while ((n = read(fds[0], &count, sizeof(count))) == sizeof(count)) {
		processes++;
		expected += count;
	}
	STRESS_CHECK(n == 0, "read from the pipe");
	close(fds[0]);
	child_wait(pid);
	STRESS_CHECK(processes == expected, "%d processes told, %d were made", processes, expected);
	check_all("the root");
	check_exit_status(random);
	check_vfork(random);
	munmap(memory, PAGES * PAGE);
	return processes + 2;
}

int main(int argc, char **argv)
{
	struct stress s;

	stress_begin(&s, argc, argv, 4);
	return stress_run(&s, round_of_forks);
}
