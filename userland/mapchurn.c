/*
 * mapchurn: mmap, fault, munmap of random sizes, over and over, against a count: do as many
 * operations as asked for, then leave everything as it was.
 *
 *	mapchurn [-n OPERATIONS] [-r SEED]
 *
 * A table of areas lives for a random time each; most are a few pages, some hundreds, a few 2 MiB
 * and more. A few pages of each are written and found again before it goes. freecheck tells whether
 * the machine got every frame back; /proc/buddyinfo whether they lie together again.
 */
#include "stress.h"
#include "tool.h"
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE  4096ul
#define AREAS 64

static struct area {
	unsigned char *at;
	size_t pages;
	unsigned char mark;
} areas[AREAS];

static size_t random_pages(uint64_t *random)
{
	uint64_t kind = random_below(random, 1000);

	if (kind < 900)
		return 1 + random_below(random, 8);
	if (kind < 995)
		return 1 + random_below(random, 300);
	return 512 + random_below(random, 1200);
}

/* First, last and one between: what a range of any size shares with its neighbours. */
static void touch(const struct area *a, size_t between)
{
	a->at[0] = a->mark;
	a->at[between * PAGE + 9] = a->mark;
	a->at[a->pages * PAGE - 1] = a->mark;
}

static void drop(struct area *a)
{
	if (!a->at)
		return;
	if (a->at[0] != a->mark || a->at[a->pages * PAGE - 1] != a->mark)
		tool_die("%zu pages at %p lost their mark", a->pages, (void *)a->at);
	if (munmap(a->at, a->pages * PAGE) != 0)
		tool_die("munmap of %zu pages", a->pages);
	a->at = NULL;
}

static void churn(uint64_t *random)
{
	struct area *a = &areas[random_below(random, AREAS)];

	drop(a);
	a->pages = random_pages(random);
	a->mark = (unsigned char)(1 + random_below(random, 255));
	a->at = mmap(
		NULL, a->pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (a->at == MAP_FAILED)
		tool_die("mmap of %zu pages", a->pages);
	if (a->at[a->pages * PAGE / 2])
		tool_die("fresh memory is not zero");
	touch(a, random_below(random, a->pages));
}

int main(int argc, char **argv)
{
	uint64_t operations = 1000000, seed = 1, random;
	int opt;

	tool_begin(argv[0]);
	while ((opt = getopt(argc, argv, "n:r:")) != -1) {
		if (opt == 'n')
			operations = (uint64_t)tool_number(optarg, 1, 1000000000);
		else if (opt == 'r')
			seed = (uint64_t)tool_number(optarg, 0, 0x7fffffff);
		else
			tool_usage("[-n OPERATIONS] [-r SEED]");
	}
	random = seed * 2 + 1;
	for (uint64_t i = 0; i < operations; i++)
		churn(&random);
	for (int i = 0; i < AREAS; i++)
		drop(&areas[i]);
	printf("mapchurn: ok, %llu operations, seed %llu\n", (unsigned long long)operations,
		(unsigned long long)seed);
	return tool_end();
}
