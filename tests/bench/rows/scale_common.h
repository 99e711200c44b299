/*
 * Scaling: W workers (argv[3]: 1, 2 or 4), threads or processes, do n operations together; the cost
 * is elapsed time by all operations of all workers. What that means depends on the table:
 *
 *	time		CPUs are threads of the emulator: on enough host cores the cost falls with W, on
 *			fewer it stays, and rises with what the workers cost each other, also by waiting
 *			for a CPU that the host does not run just now
 *	instructions	with -icount one host thread runs the CPUs in turn and each instruction of any
 *			CPU is a nanosecond, those of a waiting loop and of other CPUs' interrupts
 *			too; a halted CPU costs nothing. So it is the work of all CPUs by operation:
 *			the same for every W when sharing costs nothing. A turn ends when the CPU
 *			halts, waits (pause) or a timer is due, so that CPUs seldom meet inside a
 *			critical section: whether they would is told by the time table's lock waits
 *
 * Beside it, where the kernel counts them (Quire's /proc/vmstat), what the measured rounds moved:
 *
 *	waits NAME operations counter=n ...
 *
 * switches: voluntary context switches, which a lock wait that sleeps is; lock_wait: locks found
 * taken, of which lock_wait_CLASS are of that class; nr_tlb_remote_flush: shoot-downs;
 * nr_tlb_remote_flush_received: CPUs that were interrupted for them.
 */
#include "../bench.h"
#include <pthread.h>
#include <sys/resource.h>

#define WORKERS_MAX  8
#define COUNTERS_MAX 32

struct counter {
	char name[48];
	long long before, moved;
};

static int workers = 1;
static long each;
static struct counter counters[COUNTERS_MAX];
static unsigned ncounters, rounds_done;

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

static struct counter *counter_named(const char *name)
{
	for (unsigned i = 0; i < ncounters; i++) {
		if (!strcmp(counters[i].name, name))
			return &counters[i];
	}
	CHECK(ncounters < COUNTERS_MAX);
	strcpy(counters[ncounters].name, name);
	return &counters[ncounters++];
}

static void move_counter(const char *name, long long value, int after)
{
	struct counter *c = counter_named(name);

	if (after)
		c->moved += value - c->before;
	else
		c->before = value;
}

static long long switches_of(int who)
{
	struct rusage ru;

	CHECK(getrusage(who, &ru) == 0);
	return ru.ru_nvcsw;
}

/* Linux has no count of lock waits: nothing is read there, and nothing printed. */
static void read_counters(int after)
{
	FILE *f = fopen("/proc/vmstat", "r");
	char line[128], name[48];
	long long value;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%47s %lld", name, &value) != 2)
			continue;
		if (strncmp(name, "lock_wait", 9) && strncmp(name, "nr_tlb_remote", 13))
			continue;
		move_counter(name, value, after);
	}
	if (f)
		fclose(f);
	move_counter("switches", switches_of(RUSAGE_SELF) + switches_of(RUSAGE_CHILDREN), after);
}

static void round_begins(void)
{
	read_counters(0);
}

static void round_ends(void)
{
	read_counters(1);
	rounds_done++;
}

static inline void print_counters(const char *name, long n)
{
	int counted = 0;

	for (unsigned i = 0; i < ncounters; i++)
		counted |= !strcmp(counters[i].name, "lock_wait");
	if (!counted)
		return;
	printf("waits %s %ld", name, n * (long)rounds_done);
	for (unsigned i = 0; i < ncounters; i++) {
		if (counters[i].moved || !strcmp(counters[i].name, "lock_wait"))
			printf(" %s=%lld", counters[i].name, counters[i].moved);
	}
	printf("\n");
	fflush(stdout);
}

static inline int scale_main(
	const char *kind, const char *unit, long n, long (*run)(long), int argc, char **argv)
{
	static char name[64];
	struct bench b = {.name = name,
		.unit = unit,
		.n = n,
		.run = run,
		.before = round_begins,
		.after = round_ends};
	int err;

	workers = argc > 3 ? atoi(argv[3]) : 1;
	CHECK(workers >= 1 && workers <= WORKERS_MAX);
	snprintf(name, sizeof(name), "scale_%s_%d", kind, workers);
	err = bench_main(&b, argc, argv);
	print_counters(name, n / (argc > 1 ? atol(argv[1]) : 1));
	return err;
}
