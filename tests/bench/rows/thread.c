/* Thread create + join. */
#include "../bench.h"
#include <pthread.h>

static void *thread(void *arg)
{
	return (char *)arg + 1;
}

static long run(long n)
{
	for (long i = 0; i < n; i++) {
		pthread_t t;
		void *r;

		CHECK(pthread_create(&t, NULL, thread, (void *)i) == 0);
		CHECK(pthread_join(t, &r) == 0);
		bench_check += (uint64_t)r;
	}
	return n;
}

BENCH("thread", "thread", 500, NULL, run)
