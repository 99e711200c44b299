/*
 * Seeds in turn until the time is up, or as many as asked for:
 *
 *	fuzz_mm [-t SECONDS] [-s FIRST_SEED] [-n SEEDS] [-o OPERATIONS] [-v]
 *
 * A seed that fails is printed; -s SEED -n 1 -v repeats it. Every third seed is calm: few edits,
 * many accesses, whole ranges, without which the restore of lowered rights is hardly reached; every
 * fourth is sparse: small areas far apart, each below page tables of its own.
 */
#include "mm_fuzz.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "mm/stats.h"
#include "softmmu.h"

static struct host_rng rng;
static const uint8_t *data_at, *data_end;

void choices_from_seed(uint64_t seed)
{
	rng.s = seed * 0x9e3779b97f4a7c15ul + 0x1234567;
	data_at = data_end = NULL;
}

void choices_from_data(const uint8_t *data, size_t n)
{
	choices_from_seed(n);
	data_at = data;
	data_end = data + n;
}

bool choices_left(void)
{
	return data_at < data_end;
}

uint64_t choose(uint64_t n)
{
	uint64_t v = 0;

	if (data_at == data_end)
		return host_rand(&rng) % n;
	for (unsigned i = 0; i < (n > 256 ? 2 : 1) && data_at < data_end; i++)
		v = v << 8 | *data_at++;
	return v % n;
}

bool chance(unsigned one_in)
{
	return choose(one_in) == 0;
}

static bool running;

/* A panic ends the program: say what to repeat. */
static void report_seed(int sig)
{
	(void)sig;
	if (running)
		fprintf(stderr, "fuzz_mm: seed %lu step %lu\n", fuzz_seed, fuzz_step);
}

static void machine_start(void)
{
	signal(SIGABRT, report_seed);
	host_machine_start(64ul << 20, CPUS);
	mm_init();
}

static void run_seed(uint64_t seed, uint64_t ops)
{
	fuzz_seed = seed;
	fuzz_calm = seed % 3 == 0;
	fuzz_sparse = seed % 4 == 1;
	softmmu_set_forget(fuzz_calm ? 0 : 50, seed + 1);
	running = true;
	others_begin(seed);
	model_begin();
	for (fuzz_step = 0; fuzz_step < ops; fuzz_step++) {
		fuzz_one_op();
		model_verify(fuzz_step % 16 == 0);
		if (fuzz_step % 128 == 127)
			model_check_all();
	}
	model_check_all();
	model_verify(true);
	model_end();
	running = false;
}

#ifdef MM_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool started;

	if (!started)
		machine_start();
	started = true;
	choices_from_data(data, n);
	others_begin(n);
	model_begin();
	for (fuzz_step = 0; choices_left(); fuzz_step++) {
		fuzz_one_op();
		model_verify(fuzz_step % 16 == 0);
	}
	model_check_all();
	model_verify(true);
	model_end();
	return 0;
}
#else
int main(int argc, char **argv)
{
	uint64_t seconds = 0, first = 1, n = UINT64_MAX, ops = 1500, done = 0;
	time_t start = time(NULL);
	int opt;

	while ((opt = getopt(argc, argv, "t:s:n:o:v")) != -1) {
		switch (opt) {
		case 't':
			seconds = strtoul(optarg, NULL, 0);
			break;
		case 's':
			first = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			n = strtoul(optarg, NULL, 0);
			break;
		case 'o':
			ops = strtoul(optarg, NULL, 0);
			break;
		case 'v':
			fuzz_verbose = true;
			break;
		default:
			fprintf(stderr, "usage: fuzz_mm [-t seconds] [-s seed] [-n seeds] [-o "
					"operations] [-v]\n");
			return 2;
		}
	}
	if (!seconds && n == UINT64_MAX)
		seconds = 60;
	machine_start();
	for (; done < n && (!seconds || time(NULL) - start < (time_t)seconds); done++) {
		choices_from_seed(first + done);
		run_seed(first + done, ops);
	}
	printf("# fuzz_mm: seeds %lu to %lu, %lu operations each; restores %lu, push-downs %lu, "
	       "node copies %lu, forks %lu, "
	       "restarts %lu\n",
		first, first + done - 1, ops, mm_stat_get(STAT_RESTORE),
		mm_stat_get(STAT_PUSH_DOWN), mm_stat_get(STAT_AMAP_NODE_COPY),
		mm_stat_get(STAT_FORK), mm_stat_get(STAT_FAULT_RESTART));
	return 0;
}
#endif
