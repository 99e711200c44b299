/*
 * Threads of one address space: edits beside faults, children that are made meanwhile, faults
 * counted by thread.
 */
#include "tap.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define WORKERS 4
#define PAGES	24
#define MS	1500

struct worker {
	pthread_t thread;
	unsigned seed;
	unsigned char *map; /* PAGES of its own: page i holds have[i] */
	unsigned char have[PAGES];
	volatile unsigned *counter; /* in memory shared with children */
};

static long start_ms;

static unsigned next(struct worker *w)
{
	w->seed = w->seed * 1103515245 + 12345;
	return w->seed >> 16;
}

static void check_all(struct worker *w)
{
	for (unsigned i = 0; i < PAGES; i++) {
		CHECK_EQ(w->map[i * PAGE], w->have[i]);
		CHECK_EQ(w->map[i * PAGE + PAGE - 1], w->have[i]);
	}
}

static void fill(struct worker *w, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		w->have[i] = next(w) % 255 + 1;
		w->map[i * PAGE] = w->map[i * PAGE + PAGE - 1] = w->have[i];
	}
}

static void edit(struct worker *w, unsigned first, unsigned n)
{
	unsigned char *at = w->map + first * PAGE;

	switch (next(w) % 4) {
	case 0:
		CHECK_EQ(madvise(at, n * PAGE, MADV_DONTNEED), 0);
		memset(w->have + first, 0, n);
		break;
	case 1:
		/* In one step: the hole would be anybody's. */
		CHECK(mmap(at, n * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
		memset(w->have + first, 0, n);
		break;
	case 2:
		CHECK_EQ(mprotect(at, n * PAGE, PROT_READ), 0);
		check_all(w);
		CHECK_EQ(mprotect(at, n * PAGE, PROT_READ | PROT_WRITE), 0);
		break;
	default:
		fill(w, first, n);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	do {
		unsigned first = next(w) % PAGES, n = 1 + next(w) % (PAGES - first);
		unsigned char *extra;

		fill(w, first, n);
		edit(w, first, n);
		check_all(w);
		/* Comes and goes beside the maps of the others. */
		extra = mmap(
			NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(extra != MAP_FAILED);
		CHECK_EQ(extra[(n - 1) * PAGE], 0);
		extra[(n - 1) * PAGE] = 1;
		CHECK_EQ(munmap(extra, n * PAGE), 0);
		++*w->counter;
	} while (tap_ms() - start_ms < MS);
	return NULL;
}

/* In a child: its copies stay as they are, whatever the parent's threads do. */
static int look_twice(void *arg)
{
	struct worker *ws = arg;
	unsigned char seen[WORKERS][PAGES];
	unsigned before = ws[0].counter[0];

	for (int i = 0; i < WORKERS; i++) {
		for (unsigned k = 0; k < PAGES; k++)
			seen[i][k] = ws[i].map[k * PAGE];
		for (long until = tap_ms() + 1; tap_ms() < until && ws[0].counter[0] == before;)
			;
		for (unsigned k = 0; k < PAGES; k++) {
			if (ws[i].map[k * PAGE] != seen[i][k])
				return 1;
		}
	}
	return 0;
}

TEST(threads_that_edit_and_fault_side_by_side_keep_their_contents)
{
	static struct worker ws[WORKERS];
	unsigned *counters =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(counters != MAP_FAILED);
	for (int i = 0; i < WORKERS; i++) {
		ws[i].seed = 77 * i + 1;
		ws[i].counter = &counters[i];
		/* Side by side: one mapping, one tree of private pages. */
		ws[i].map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(ws[i].map != MAP_FAILED);
	}
	start_ms = tap_ms();
	for (int i = 0; i < WORKERS; i++)
		CHECK_EQ(pthread_create(&ws[i].thread, NULL, work, &ws[i]), 0);
	do
		CHECK_EQ(tap_child(look_twice, ws), 0);
	while (tap_ms() - start_ms < MS);
	for (int i = 0; i < WORKERS; i++) {
		CHECK_EQ(pthread_join(ws[i].thread, NULL), 0);
		check_all(&ws[i]);
		CHECK(counters[i] > 0);
	}
}

#define TOUCHED 200

static long faults_of(int who)
{
	struct rusage ru;

	CHECK_EQ(getrusage(who, &ru), 0);
	return ru.ru_minflt;
}

static void *touch(void *map)
{
	long before = faults_of(RUSAGE_THREAD);

	for (unsigned i = 0; i < TOUCHED; i++)
		((volatile char *)map)[i * PAGE] = 1;
	CHECK(faults_of(RUSAGE_THREAD) - before >= TOUCHED);
	return NULL;
}

TEST(faults_are_counted_for_the_thread_that_takes_them)
{
	void *map = mmap(
		NULL, TOUCHED * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long own = faults_of(RUSAGE_THREAD), all = faults_of(RUSAGE_SELF);
	pthread_t thread;

	CHECK(map != MAP_FAILED);
	CHECK_EQ(madvise(map, TOUCHED * PAGE, MADV_NOHUGEPAGE), 0);
	CHECK_EQ(pthread_create(&thread, NULL, touch, map), 0);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK(faults_of(RUSAGE_THREAD) - own < TOUCHED);
	/* Those of a thread that has ended stay the process's. */
	CHECK(faults_of(RUSAGE_SELF) - all >= TOUCHED);
}
