/* futex wakes by threads, each on a word of its own. */
#include "scale_common.h"

static uint32_t words[WORKERS_MAX][16] __attribute__((aligned(64)));

static void work(int worker, long n)
{
	for (long i = 0; i < n; i++)
		CHECK(syscall(SYS_futex, words[worker], FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL,
			      NULL, 0) == 0);
}

int main(int argc, char **argv)
{
	return scale_main("futex_threads", "call", 80000, run_threads, argc, argv);
}
