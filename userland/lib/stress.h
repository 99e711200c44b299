/*
 * The frame of the stress programs: options -s SECONDS, -r SEED, -w WORKERS; worker processes that
 * each run one function until the time is over; one summary line and an exit status. A worker that
 * finds wrong contents says where, and everything stops.
 */
#ifndef USERLAND_STRESS_H
#define USERLAND_STRESS_H

#include <stddef.h>
#include <stdint.h>

struct stress {
	const char *name;
	int seconds, workers;
	uint64_t seed;
};

/* Reads the options and prints the seed. */
void stress_begin(struct stress *s, int argc, char **argv, int default_workers);

/*
 * Runs fn(s, worker, random) in one process per worker, again and again until the time is over. fn
 * does one round and returns how many operations that was; it calls stress_fail when something is
 * wrong. => the exit status; the summary has been printed.
 */
int stress_run(struct stress *s, long (*fn)(struct stress *, int worker, uint64_t *random));

/* Prints the message with worker and errno, and ends the worker. */
void stress_fail(const char *format, ...)
	__attribute__((__format__(__printf__, 1, 2), __noreturn__));

/* Ends the worker unless the condition holds; says which one it was. */
#define STRESS_CHECK(cond, ...)                   \
	do {                                      \
		if (!(cond))                      \
			stress_fail(__VA_ARGS__); \
	} while (0)

/* A pseudo-random number from the state, which must not be 0 (xorshift64*). */
uint64_t random_next(uint64_t *state);

/* => a number from 0 to limit - 1. */
static inline uint64_t random_below(uint64_t *state, uint64_t limit)
{
	return random_next(state) % limit;
}

/* The value of byte i of pattern number tag: different in each page and for each tag. */
static inline unsigned char pattern_byte(uint64_t tag, size_t i)
{
	return (unsigned char)((tag * 0x9e3779b97f4a7c15ULL + i * 0x2545f4914f6cdd1dULL) >> 56);
}

void pattern_fill(unsigned char *p, size_t len, uint64_t tag);

/* => the first index that does not match, or len. */
size_t pattern_check(const unsigned char *p, size_t len, uint64_t tag);

/* Waits for a child of the worker; fails unless it exited with 0. */
void child_wait(int pid);

#endif
