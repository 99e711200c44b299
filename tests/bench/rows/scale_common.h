/*
 * Scaling: W workers (argv[3]: 1, 2 or 4), threads or processes, do n operations each; the cost is
 * elapsed time by all operations of all workers. On enough host cores it falls with W; in guest
 * instructions it stays the same when nobody waits for anybody.
 */
#include "../bench.h"
#include <pthread.h>

#define WORKERS_MAX 8

static int workers = 1;
static long each;

static void work(int worker, long n);

static void *thread_main(void *arg)
{
	work((int)(intptr_t)arg, each);
	return NULL;
}

static inline long run_threads(long n)
{
	pthread_t t[WORKERS_MAX];

	each = n / workers;
	for (int i = 0; i < workers; i++)
		CHECK(pthread_create(&t[i], NULL, thread_main, (void *)(intptr_t)i) == 0);
	for (int i = 0; i < workers; i++)
		CHECK(pthread_join(t[i], NULL) == 0);
	bench_check = (uint64_t)n;
	return each * workers;
}

static inline long run_processes(long n)
{
	pid_t pids[WORKERS_MAX];

	each = n / workers;
	for (int i = 0; i < workers; i++) {
		pids[i] = fork();
		CHECK(pids[i] >= 0);
		if (pids[i] == 0) {
			work(i, each);
			_exit(11);
		}
	}
	for (int i = 0; i < workers; i++)
		wait_for_status(pids[i], 11);
	bench_check = (uint64_t)n;
	return each * workers;
}

static inline int scale_main(
	const char *kind, const char *unit, long n, long (*run)(long), int argc, char **argv)
{
	static char name[64];
	struct bench b = {.name = name, .unit = unit, .n = n, .run = run};

	workers = argc > 3 ? atoi(argv[3]) : 1;
	CHECK(workers >= 1 && workers <= WORKERS_MAX);
	snprintf(name, sizeof(name), "scale_%s_%d", kind, workers);
	return bench_main(&b, argc, argv);
}
