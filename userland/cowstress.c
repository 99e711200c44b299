/*
 * cowstress: copy-on-write over generations. A chain of processes shares one private area; in each
 * generation parent and child write pages in opposite orders at the same time, single bytes across
 * the whole area or whole pages, some through a write system call into the area (the kernel
 * copies). A shared area beside it must stay common. Each process then compares everything with its
 * own model.
 */
#include "stress.h"
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	    4096
#define PAGES	    96
#define SIZE	    (PAGES * PAGE)
#define GENERATIONS 6

struct common {
	unsigned int slots[GENERATIONS + 1];
};

static unsigned char *area, *model;
static struct common *common;

/*
 * The model is private memory too, but always written whole pages in order: an error in one shows
 * in the other.
 */
static void poke(size_t offset, unsigned char value)
{
	area[offset] = value;
	model[offset] = value;
}

/* The kernel writes into the area: read(2) from a pipe, at an odd place across a page boundary. */
static void poke_by_kernel(uint64_t *random)
{
	size_t offset = (1 + random_below(random, PAGES - 1)) * PAGE - 33;
	unsigned char text[77];
	int fds[2];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (unsigned char)random_next(random);
	STRESS_CHECK(pipe(fds) == 0, "pipe");
	STRESS_CHECK(write(fds[1], text, sizeof(text)) == sizeof(text), "write to a pipe");
	STRESS_CHECK(
		read(fds[0], area + offset, sizeof(text)) == sizeof(text), "read into the area");
	close(fds[0]);
	close(fds[1]);
	memcpy(model + offset, text, sizeof(text));
}

static void write_pages(uint64_t *random, int backwards)
{
	unsigned char value = (unsigned char)random_next(random);
	int stride = 1 + (int)random_below(random, 4);
	size_t inside = random_below(random, PAGE);

	for (int i = 0; i < PAGES; i += stride) {
		int page = backwards ? PAGES - 1 - i : i;

		poke((size_t)page * PAGE + inside, (unsigned char)(value + i));
	}
	if (random_below(random, 3) == 0)
		poke_by_kernel(random);
}

static void compare(int generation, const char *who)
{
	for (size_t i = 0; i < SIZE; i++)
		STRESS_CHECK(area[i] == model[i],
			"generation %d, %s: page %zu offset %zu is %02x, not %02x", generation, who,
			i / PAGE, i % PAGE, area[i], model[i]);
}

static void generation(int number, uint64_t random)
{
	int pid, both = random_below(&random, 2) == 0;

	if (number == GENERATIONS)
		return;
	pid = fork();
	STRESS_CHECK(pid >= 0, "fork");
	random = random * 6364136223846793005ULL + (pid == 0 ? 3 : 5);
	random |= 1;
	if (pid == 0) {
		write_pages(&random, 1);
		__atomic_add_fetch(&common->slots[number], 1, __ATOMIC_RELAXED);
		compare(number, "child");
		generation(number + 1, random_next(&random) | 1);
		compare(number, "child after its own");
		_exit(0);
	}
	/* Sometimes the parent writes at once, sometimes as the sole owner afterwards. */
	if (both)
		write_pages(&random, 0);
	child_wait(pid);
	write_pages(&random, (int)random_below(&random, 2));
	compare(number, "parent");
}

/* Ranges are dropped and mapped anew, so that holes and fresh zero pages take part. */
static void punch(uint64_t *random)
{
	size_t first = random_below(random, PAGES), count = 1 + random_below(random, PAGES - first);
	void *at = area + first * PAGE;

	if (random_below(random, 2))
		STRESS_CHECK(madvise(at, count * PAGE, MADV_DONTNEED) == 0, "madvise");
	else
		STRESS_CHECK(mmap(at, count * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at,
			"mmap over");
	memset(model + first * PAGE, 0, count * PAGE);
}

static void *map(int flags, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	STRESS_CHECK(p != MAP_FAILED, "mmap");
	return p;
}

static long round_of_copies(struct stress *s, int worker, uint64_t *random)
{
	(void)s;
	(void)worker;
	area = map(MAP_PRIVATE, SIZE);
	model = map(MAP_PRIVATE, SIZE);
	common = map(MAP_SHARED, sizeof(*common));
	write_pages(random, 0);
	punch(random);
	compare(0, "before the first fork");
	generation(0, random_next(random) | 1);
	punch(random);
	write_pages(random, 1);
	compare(0, "after the last child");
	for (int i = 0; i < GENERATIONS; i++)
		STRESS_CHECK(common->slots[i] == 1, "shared slot %d is %u", i, common->slots[i]);
	munmap(area, SIZE);
	munmap(model, SIZE);
	munmap(common, sizeof(*common));
	return GENERATIONS;
}

int main(int argc, char **argv)
{
	struct stress s;

	stress_begin(&s, argc, argv, 4);
	return stress_run(&s, round_of_copies);
}
