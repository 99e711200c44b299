/* A token goes round a ring of processes through pipes. One operation is one hop: a write, a
 * switch, a read. */
#include "../bench.h"

#define RING_MAX 18

static int ring_size, rings[RING_MAX][2];
static pid_t ring_pids[RING_MAX];

static void ring_member(int i)
{
	uint32_t token;

	for (;;) {
		if (read(rings[i][0], &token, sizeof(token)) != sizeof(token))
			_exit(1);
		token++;
		if (write(rings[(i + 1) % ring_size][1], &token, sizeof(token)) != sizeof(token))
			_exit(1);
	}
}

static void ring_setup(int size)
{
	ring_size = size;
	for (int i = 0; i < size; i++)
		CHECK(pipe(rings[i]) == 0);
	for (int i = 1; i < size; i++) {
		ring_pids[i] = fork();
		CHECK(ring_pids[i] >= 0);
		if (ring_pids[i] == 0)
			ring_member(i);
	}
}

static long run(long n)
{
	uint32_t token = 0;

	for (long i = 0; i < n; i++) {
		CHECK(write(rings[1][1], &token, sizeof(token)) == sizeof(token));
		CHECK(read(rings[0][0], &token, sizeof(token)) == sizeof(token));
	}
	CHECK(token == (uint32_t)(n * (ring_size - 1)));
	bench_check = token;
	return n * ring_size;
}

static void ring_end(void)
{
	for (int i = 1; i < ring_size; i++) {
		kill(ring_pids[i], SIGKILL);
		waitpid(ring_pids[i], NULL, 0);
	}
}
