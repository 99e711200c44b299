/*
 * Jitter: see host.h. How many points pass until a thread is held up, and for how long, have no
 * typical size: each power of two is as likely as the next. So there are long stretches at full
 * speed, several stops within one operation, and all between. A thread's choices follow from the
 * seed and its place among all threads; what they meet is up to the machine, so a failure repeats
 * often, not always.
 */
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include "host.h"

#define GAP_BITS   15 /* up to 2^14 points at full speed ... */
#define SLEEP_BITS 22 /* ... then a stop of up to 2^21 ns */

bool host_jitter_on;
static uint64_t seed;
static uint32_t threads; /* atomic: that have met a point */
static __thread struct host_rng rng;
static __thread uint64_t gap;

/* 0 up to, not including, some power of two below 2^bits. */
static uint64_t any_size(unsigned bits)
{
	return host_rand(&rng) & ((1ull << host_rand(&rng) % bits) - 1);
}

void host_jitter_point(void)
{
	struct timespec ts = {0};

	if (gap) {
		gap--;
		return;
	}
	if (!rng.s)
		rng.s = (seed << 32 | __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED)) *
			0x9e3779b97f4a7c15ull;
	gap = any_size(GAP_BITS);
	ts.tv_nsec = (long)any_size(SLEEP_BITS);
	if (host_rand(&rng) & 1)
		sched_yield();
	else
		nanosleep(&ts, NULL);
}

__attribute__((constructor)) static void jitter_init(void)
{
	const char *word = getenv("HOST_JITTER");

	host_jitter_on = word;
	if (word)
		seed = strtoull(word, NULL, 0);
}
