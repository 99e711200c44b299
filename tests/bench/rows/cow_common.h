/*
 * Copy-on-write: a child holds a snapshot of the area (it waits on a pipe, it touches nothing)
 * while the parent writes.
 */
#include "../bench.h"

static char *area;
static size_t area_len;
static pid_t child;
static int gate[2];

static inline void cow_fork(void)
{
	char c;

	CHECK(pipe(gate) == 0);
	child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		close(gate[1]);
		_exit(read(gate[0], &c, 1) == 0 ? 5 : 6);
	}
	close(gate[0]);
}

static inline void cow_end(void)
{
	close(gate[1]);
	wait_for_status(child, 5);
}

static inline long cow_write(long n, size_t step)
{
	for (long i = 0; i < n; i++) {
		volatile char *p = area + (size_t)i * step;

		bench_check += (unsigned char)*p;
		*p = (char)(*p + 1);
	}
	return n;
}
