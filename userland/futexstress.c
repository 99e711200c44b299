/*
 * futexstress: sleeping and waking. Each round runs one of four games in a process with threads, or
 * between processes over shared memory: a counter under a mutex; a ring of threads that pass a
 * token by condition variable; a pair that plays ping-pong on bare futex words (a lost wake-up
 * stops it, and the round's time limit tells); and a futex across fork in shared memory, with the
 * neighbour word copied on write before.
 */
#include "stress.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS	      4
#define FUTEX_WAIT    0
#define FUTEX_WAKE    1
#define FUTEX_PRIVATE 128

/*
 * Far longer than any game lasts on the slowest machine: reaching it means that a wake-up was lost.
 */
#define GAME_SECONDS 120

static long futex(int *word, int op, int value, const struct timespec *timeout)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, 0);
}

static void wait_while(int *word, int value, int private)
{
	const struct timespec limit = {GAME_SECONDS, 0};

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) {
		long err = futex(word, FUTEX_WAIT | private, value, &limit);

		STRESS_CHECK(err == 0 || errno == EAGAIN || errno == EINTR,
			"futex wait: a wake-up was lost");
	}
}

static void set_and_wake(int *word, int value, int private)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
	STRESS_CHECK(futex(word, FUTEX_WAKE | private, 1, NULL) >= 0, "futex wake");
}

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	pthread_barrier_t barrier;
	long counter;
	int turn, laps;
} game;

static void *count(void *arg)
{
	pthread_barrier_wait(&game.barrier);
	for (int i = 0; i < game.laps; i++) {
		pthread_mutex_lock(&game.mutex);
		game.counter++;
		pthread_mutex_unlock(&game.mutex);
	}
	return arg;
}

static void *pass_token(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < game.laps; i++) {
		pthread_mutex_lock(&game.mutex);
		while (game.turn % THREADS != me)
			pthread_cond_wait(&game.cond, &game.mutex);
		game.turn++;
		pthread_cond_broadcast(&game.cond);
		pthread_mutex_unlock(&game.mutex);
	}
	return arg;
}

static long play_with_threads(void *(*fn)(void *), int laps)
{
	pthread_t threads[THREADS];

	memset(&game, 0, sizeof(game));
	pthread_barrier_init(&game.barrier, NULL, THREADS);
	game.laps = laps;
	for (long i = 0; i < THREADS; i++)
		STRESS_CHECK(
			pthread_create(&threads[i], NULL, fn, (void *)i) == 0, "pthread_create");
	for (long i = 0; i < THREADS; i++) {
		void *result;

		STRESS_CHECK(pthread_join(threads[i], &result) == 0 && result == (void *)i,
			"pthread_join");
	}
	pthread_barrier_destroy(&game.barrier);
	return (long)THREADS * laps;
}

struct table {
	int ball;    /* whose turn it is: 0 or 1 */
	int private; /* FUTEX_PRIVATE between threads, 0 between processes */
	int laps;
};

static void play(struct table *t, int me)
{
	for (int i = 0; i < t->laps; i++) {
		wait_while(&t->ball, !me, t->private);
		set_and_wake(&t->ball, !me, t->private);
	}
}

static void *second_player(void *arg)
{
	play(arg, 1);
	return NULL;
}

static long ping_pong_threads(int laps)
{
	struct table t = {0, FUTEX_PRIVATE, laps};
	pthread_t thread;

	STRESS_CHECK(pthread_create(&thread, NULL, second_player, &t) == 0, "pthread_create");
	play(&t, 0);
	STRESS_CHECK(pthread_join(thread, NULL) == 0, "pthread_join");
	STRESS_CHECK(t.ball == 0, "the ball ended at %d", t.ball);
	return 2L * laps;
}

/*
 * The table is in shared memory, next to it a private page that both copy while the other one
 * sleeps.
 */
static long ping_pong_processes(int laps)
{
	struct table *t =
		mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static volatile int neighbour;
	int pid;

	STRESS_CHECK(t != MAP_FAILED, "mmap");
	t->laps = laps;
	neighbour = 1;
	pid = fork();
	STRESS_CHECK(pid >= 0, "fork");
	neighbour = pid ? 2 : 3;
	play(t, pid == 0);
	if (pid == 0)
		_exit(neighbour != 3);
	child_wait(pid);
	STRESS_CHECK(neighbour == 2 && t->ball == 0, "after the game: neighbour %d, ball %d",
		neighbour, t->ball);
	munmap(t, sizeof(*t));
	return 2L * laps;
}

/* A futex wait that times out, one on a value that has changed, and one on a page never touched. */
static long odd_cases(void)
{
	const struct timespec shortly = {0, 2000000};
	int *fresh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	STRESS_CHECK(fresh != MAP_FAILED, "mmap");
	STRESS_CHECK(
		futex(fresh, FUTEX_WAIT | FUTEX_PRIVATE, 0, &shortly) < 0 && errno == ETIMEDOUT,
		"a wait on an untouched page did not time out");
	STRESS_CHECK(futex(fresh, FUTEX_WAIT | FUTEX_PRIVATE, 1, &shortly) < 0 && errno == EAGAIN,
		"a wait for another value did not give EAGAIN");
	STRESS_CHECK(futex(fresh, FUTEX_WAKE | FUTEX_PRIVATE, 100, NULL) == 0,
		"a wake without waiters woke some");
	munmap(fresh, 4096);
	return 3;
}

static long round_of_games(struct stress *s, int worker, uint64_t *random)
{
	int laps = 1 + (int)random_below(random, 2000);
	long done;

	(void)s;
	(void)worker;
	switch (random_below(random, 5)) {
	case 0:
		done = play_with_threads(count, laps);
		STRESS_CHECK(game.counter == done, "%ld increments of %ld", game.counter, done);
		return done;
	case 1:
		done = play_with_threads(pass_token, laps / 10 + 1);
		STRESS_CHECK(
			game.turn == done, "the token moved %d times, not %ld", game.turn, done);
		return done;
	case 2:
		return ping_pong_threads(laps);
	case 3:
		return ping_pong_processes(laps);
	default:
		return odd_cases();
	}
}

int main(int argc, char **argv)
{
	struct stress s;

	stress_begin(&s, argc, argv, 3);
	return stress_run(&s, round_of_games);
}
