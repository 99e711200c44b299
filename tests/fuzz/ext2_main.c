/*
 * ext2 over damaged images: bits and bytes of a good volume are changed, then everything that a
 * user may do is done to it (fakes/ext2_exercise.c). A finding is a panic, a sanitizer's report or
 * a hang.
 *
 *	build/fuzz/fuzz_ext2 -t 20		seeds for 20 s
 *	build/fuzz/fuzz_ext2 -s SEED -n 1	one seed
 *
 * Under libFuzzer (build/fuzz/libfuzz_ext2) the input is a list of changes: byte 0 picks the
 * volume, then 4 bytes each: three of offset, one of value.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sanitizer/common_interface_defs.h>
#include "ext2_env.h"
#include "ext2_exercise.h"
#include "host.h"
#include "lib/assert.h"
#include "mm/context.h"

#define VOLUME_BYTES (2u << 20)

static const char *const kinds[] = {
	"-b 1024 -I 128", "-b 2048 -O ^filetype", "-b 4096", "-b 1024 -r 0"};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
static uint8_t *volumes[KINDS];

static void begin(void)
{
	host_machine_start(128 << 20, 1);
	mm_init();
	for (unsigned i = 0; i < KINDS; i++) {
		ext2_populate(kinds[i], VOLUME_BYTES);
		volumes[i] = env_snapshot();
	}
}

static void change(uint32_t at, uint8_t value)
{
	env.disk[at % VOLUME_BYTES] = value;
}

#ifdef EXT2_LIBFUZZER

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	begin();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	env_restore(volumes[data[0] % KINDS]);
	for (size_t i = 1; i + 4 <= size && i < 400; i += 4)
		change(data[i] | (uint32_t)data[i + 1] << 8 | (uint32_t)data[i + 2] << 16,
			data[i + 3]);
	(void)ext2_try();
	return 0;
}

#else

static char current[32];

static void name_seed(void)
{
	if (current[0])
		fprintf(stderr, "# fuzz_ext2: while at %s\n", current);
}

/* Most of the metadata lies at the start; the first blocks matter most. */
static uint32_t place(struct host_rng *rng)
{
	switch (host_rand(rng) % 5) {
	case 0:
		return 1024 + host_rand(rng) % 264;
	case 1:
		return 1024 + host_rand(rng) % 8192;
	case 2:
		return (uint32_t)(host_rand(rng) % (128 << 10));
	default:
		return (uint32_t)(host_rand(rng) % VOLUME_BYTES);
	}
}

static void one_seed(uint64_t seed)
{
	struct host_rng rng = {.s = seed * 0x9e3779b97f4a7c15ull | 1};
	unsigned n;

	host_rand(&rng);
	env_restore(volumes[host_rand(&rng) % KINDS]);
	n = 1 + host_rand(&rng) % 40;
	for (unsigned i = 0; i < n; i++) {
		uint32_t at = place(&rng);
		uint8_t old = env.disk[at];

		switch (host_rand(&rng) % 3) {
		case 0:
			change(at, old ^ (uint8_t)(1u << host_rand(&rng) % 8));
			break;
		case 1:
			change(at, (uint8_t)host_rand(&rng));
			break;
		default:
			change(at, host_rand(&rng) % 2 ? 0 : 0xff);
		}
	}
	(void)ext2_try();
}

int main(int argc, char **argv)
{
	uint64_t seed = 1, count = UINT64_MAX, done = 0;
	time_t end = time(NULL) + 20;

	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t v = strtoull(argv[i + 1], NULL, 0);

		if (!strcmp(argv[i], "-s"))
			seed = v;
		else if (!strcmp(argv[i], "-n"))
			count = v;
		else if (!strcmp(argv[i], "-t"))
			end = time(NULL) + (time_t)v;
	}
	begin();
	__sanitizer_set_death_callback(name_seed);
	for (; done < count && (count != UINT64_MAX || time(NULL) < end); done++) {
		/* So that a panic or a hang names it. */
		snprintf(current, sizeof(current), "seed %llu", (unsigned long long)(seed + done));
		one_seed(seed + done);
	}
	current[0] = 0;
	printf("# fuzz_ext2: %llu damaged volumes, seeds %llu and up\n", (unsigned long long)done,
		(unsigned long long)seed);
	return 0;
}

#endif
