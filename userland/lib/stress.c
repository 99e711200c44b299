/* Options, workers and patterns of the stress programs: see stress.h. */
#include "stress.h"
#include "tool.h"
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 64

/* Shared by all workers, so that one failure stops the others and the operations add up. */
static struct shared {
	long operations, rounds;
	int failed;
} * shared;

static const char *program = "?";
static int worker_number;

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return (x * 0x2545f4914f6cdd1dULL) >> 16;
}

void pattern_fill(unsigned char *p, size_t len, uint64_t tag)
{
	for (size_t i = 0; i < len; i++)
		p[i] = pattern_byte(tag, i);
}

size_t pattern_check(const unsigned char *p, size_t len, uint64_t tag)
{
	size_t i = 0;

	while (i < len && p[i] == pattern_byte(tag, i))
		i++;
	return i;
}

void stress_begin(struct stress *s, int argc, char **argv, int default_workers)
{
	int opt;

	tool_begin(argv[0]);
	program = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	*s = (struct stress){program, 5, default_workers, (uint64_t)time(NULL)};
	while ((opt = getopt(argc, argv, "s:r:w:")) != -1) {
		if (opt == 's')
			s->seconds = (int)tool_number(optarg, 1, 1000000);
		else if (opt == 'r')
			s->seed = (uint64_t)tool_number(optarg, 0, 0x7fffffffffffffff);
		else if (opt == 'w')
			s->workers = (int)tool_number(optarg, 1, WORKERS_MAX);
		else
			tool_usage("[-s SECONDS] [-r SEED] [-w WORKERS]");
	}
	if (optind < argc)
		tool_usage("[-s SECONDS] [-r SEED] [-w WORKERS]");
	printf("%s: seed %llu, %d workers, %d s\n", program, (unsigned long long)s->seed,
		s->workers, s->seconds);
	fflush(stdout);
}

void stress_fail(const char *format, ...)
{
	int err = errno;
	char text[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	/* One write, so that lines of several workers do not mix. */
	dprintf(2, "%s: worker %d, process %d: %s (errno %d: %s)\n", program, worker_number,
		(int)getpid(), text, err, strerror(err));
	__atomic_store_n(&shared->failed, 1, __ATOMIC_RELAXED);
	_exit(1);
}

void child_wait(int pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		STRESS_CHECK(errno == EINTR, "waitpid(%d)", pid);
	STRESS_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		"child %d ended with status %#x", pid, status);
}

static void work(
	struct stress *s, int worker, int64_t end, long (*fn)(struct stress *, int, uint64_t *))
{
	uint64_t random =
		(s->seed + 1) * 0x9e3779b97f4a7c15ULL + (uint64_t)worker * 0xbf58476d1ce4e5b9ULL;

	worker_number = worker;
	random |= 1;
	do {
		long operations = fn(s, worker, &random);

		__atomic_add_fetch(&shared->operations, operations, __ATOMIC_RELAXED);
		__atomic_add_fetch(&shared->rounds, 1, __ATOMIC_RELAXED);
	} while (now_ms() < end && !__atomic_load_n(&shared->failed, __ATOMIC_RELAXED));
	_exit(0);
}

int stress_run(struct stress *s, long (*fn)(struct stress *, int worker, uint64_t *random))
{
	int64_t start = now_ms();
	int failed = 0, status;

	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		tool_die("mmap");
	for (int i = 0; i < s->workers; i++) {
		pid_t pid = fork();

		if (pid == 0)
			work(s, i, start + 1000L * s->seconds, fn);
		if (pid < 0) {
			tool_error("fork");
			__atomic_store_n(&shared->failed, 1, __ATOMIC_RELAXED);
			break;
		}
	}
	for (;;) {
		pid_t pid = wait(&status);

		if (pid < 0 && errno == ECHILD)
			break;
		if (pid > 0 && status != 0) {
			if (WIFSIGNALED(status))
				tool_complain("worker process %d ended by signal %d", (int)pid,
					WTERMSIG(status));
			failed = 1;
			__atomic_store_n(&shared->failed, 1, __ATOMIC_RELAXED);
		}
	}
	failed |= shared->failed;
	printf("%s: %s, %ld rounds, %ld operations, seed %llu, %ld ms\n", program,
		failed ? "FAILED" : "ok", shared->rounds, shared->operations,
		(unsigned long long)s->seed, (long)(now_ms() - start));
	return tool_end() || failed;
}
