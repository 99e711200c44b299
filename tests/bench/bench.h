/*
 * What every benchmark row is written on: plain C on the Linux ABI, so that one static file runs on
 * both kernels.
 *
 * A row is `long run(long n)`: do the operation n times, check that it happened, return the number
 * of operations (or of pages, or of bytes) to divide by. The frame warms up, takes the median of
 * several rounds and prints
 *
 *	row NAME UNIT picoseconds-per-operation operations check
 *
 * where check is a number that both kernels must agree on.
 */
#ifndef BENCH_H
#define BENCH_H

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* From linux/futex.h, which musl's include path does not have. */
#define FUTEX_WAIT	   0
#define FUTEX_WAKE	   1
#define FUTEX_PRIVATE_FLAG 128

#define PAGE	   4096ul
#define MIB	   (1024ul * 1024)
#define ROUNDS_MAX 15

struct bench {
	const char *name, *unit;
	long n;		     /* operations of one round, sized for the time table */
	void (*setup)(void); /* outside the measured time; may be NULL */
	long (*run)(long n);
	void (*before)(void), (*after)(void); /* around each round, not measured; may be NULL */
};

static uint64_t bench_check; /* what both kernels must agree on */

static inline void check_that(int ok, const char *what)
{
	if (!ok) {
		printf("failed %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

#define CHECK(expr) check_that(!!(expr), #expr)

static inline uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static inline void *map_anon(size_t len, int flags)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

static inline void touch_write(char *p, size_t len, size_t step)
{
	for (size_t i = 0; i < len; i += step)
		((volatile char *)p)[i] = (char)(i >> 12) + 1;
}

static inline void wait_for_status(pid_t pid, int want)
{
	int status = -1;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == want);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* argv[1]: divide the work by this (the instruction table needs less); argv[2]: rounds. */
static inline int bench_main(const struct bench *b, int argc, char **argv)
{
	long n = b->n / (argc > 1 ? atol(argv[1]) : 1);
	int rounds = argc > 2 ? atoi(argv[2]) : 5;
	uint64_t cost[ROUNDS_MAX], ops = 0;

	n = n < 1 ? 1 : n;
	rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	if (b->setup)
		b->setup();
	for (int i = -1; i < rounds; i++) {
		uint64_t start, end;

		if (b->before)
			b->before();
		bench_check = 0;
		start = now_ns();
		ops = (uint64_t)b->run(n);
		end = now_ns();
		if (b->after)
			b->after();
		CHECK(ops > 0);
		if (i >= 0)
			cost[i] = (end - start) * 1000 / ops;
	}
	qsort(cost, (size_t)rounds, sizeof(cost[0]), compare_u64);
	printf("row %s %s %llu %llu %llu\n", b->name, b->unit, (unsigned long long)cost[rounds / 2],
		(unsigned long long)ops, (unsigned long long)bench_check);
	fflush(stdout);
	return 0;
}

/* The hooks that a row leaves out are NULL. */
#define BENCH_INIT(row, per, count, prepare, body, pre, post, ...)                   \
	{                                                                            \
		.name = row, .unit = per, .n = count, .setup = prepare, .run = body, \
		.before = pre, .after = post                                         \
	}

#define BENCH(...)                                                       \
	int main(int argc, char **argv)                                  \
	{                                                                \
		struct bench b = BENCH_INIT(__VA_ARGS__, NULL, NULL, 0); \
                                                                         \
		return bench_main(&b, argc, argv);                       \
	}

#endif
