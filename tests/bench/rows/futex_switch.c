/* Two threads hand a word to and fro with futex wait and wake; per hand-over. */
#include "../bench.h"
#include <pthread.h>

static uint32_t word;
static long rounds;

static long futex(uint32_t *addr, int op, uint32_t val)
{
	return syscall(SYS_futex, addr, op | FUTEX_PRIVATE_FLAG, val, NULL, NULL, 0);
}

/* Wait until it is our turn (word == mine), then make it the other's. */
static void hand_over(uint32_t mine)
{
	while (__atomic_load_n(&word, __ATOMIC_ACQUIRE) != mine)
		futex(&word, FUTEX_WAIT, !mine);
	__atomic_store_n(&word, !mine, __ATOMIC_RELEASE);
	futex(&word, FUTEX_WAKE, 1);
}

static void *partner(void *arg)
{
	(void)arg;
	for (long i = 0; i < rounds; i++)
		hand_over(1);
	return NULL;
}

static long run(long n)
{
	pthread_t t;

	rounds = n;
	CHECK(pthread_create(&t, NULL, partner, NULL) == 0);
	for (long i = 0; i < n; i++)
		hand_over(0);
	CHECK(pthread_join(t, NULL) == 0);
	bench_check = (uint64_t)n;
	return 2 * n;
}

BENCH("futex_switch", "switch", 2000, NULL, run)
