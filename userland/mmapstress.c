/*
 * mmapstress: random edits of an address space against a model of plain arrays. A window of pages
 * is edited with mmap, munmap, mprotect, mremap, madvise, reads, writes and fork; the model says
 * for each page whether it is mapped, with which rights, and its contents. Accesses that must fault
 * are made too, under a handler, and must fault.
 */
#include "stress.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE  4096
#define PAGES 64
#define EDITS 400

struct model_page {
	int mapped, prot, shared;
	unsigned char *bytes; /* PAGE of them, in the worker's heap */
};

static struct model_page model[PAGES];
static unsigned char contents[PAGES][PAGE];
static unsigned char *window;
static sigjmp_buf on_fault;
static volatile sig_atomic_t expecting;

static void fault_handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!expecting)
		stress_fail("signal %d at %p, which nobody expected", sig, info->si_addr);
	siglongjmp(on_fault, sig);
}

/* => 0, or the signal that the access raised. */
static int try_read(size_t page, size_t offset, unsigned char *out)
{
	int sig;

	expecting = 1;
	sig = sigsetjmp(on_fault, 1);
	if (sig == 0)
		*out = ((volatile unsigned char *)window)[page * PAGE + offset];
	expecting = 0;
	return sig;
}

static int try_write(size_t page, size_t offset, unsigned char value)
{
	int sig;

	expecting = 1;
	sig = sigsetjmp(on_fault, 1);
	if (sig == 0)
		((volatile unsigned char *)window)[page * PAGE + offset] = value;
	expecting = 0;
	return sig;
}

struct range {
	size_t first, count;
};

static struct range pick(uint64_t *random)
{
	struct range r;

	r.first = random_below(random, PAGES);
	r.count = 1 + random_below(random, random_below(random, 4) ? 8 : PAGES);
	if (r.count > PAGES - r.first)
		r.count = PAGES - r.first;
	return r;
}

static void edit_map(uint64_t *random)
{
	static const int rights[] = {PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE};
	int prot = rights[random_below(random, 8) < 6 ? 0 : 1 + random_below(random, 2)];
	int shared = random_below(random, 3) == 0;
	struct range r = pick(random);
	void *at = window + r.first * PAGE;

	STRESS_CHECK(mmap(at, r.count * PAGE, prot,
			     (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_FIXED, -1,
			     0) == at,
		"mmap of pages %zu+%zu", r.first, r.count);
	for (size_t i = r.first; i < r.first + r.count; i++) {
		model[i].mapped = 1;
		model[i].prot = prot;
		model[i].shared = shared;
		memset(model[i].bytes, 0, PAGE);
	}
}

static void edit_unmap(uint64_t *random)
{
	struct range r = pick(random);

	STRESS_CHECK(munmap(window + r.first * PAGE, r.count * PAGE) == 0, "munmap");
	for (size_t i = r.first; i < r.first + r.count; i++)
		model[i].mapped = 0;
}

static void edit_protect(uint64_t *random)
{
	static const int rights[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE};
	int prot = rights[random_below(random, 3)], hole = 0, err;
	struct range r = pick(random);
	size_t i;

	for (i = r.first; i < r.first + r.count; i++)
		hole |= !model[i].mapped;
	err = mprotect(window + r.first * PAGE, r.count * PAGE, prot);
	STRESS_CHECK((err == 0) == !hole && (err == 0 || errno == ENOMEM),
		"mprotect of pages %zu+%zu gave %d", r.first, r.count, err);
	/* Linux changes what comes before the hole. */
	for (i = r.first; i < r.first + r.count && model[i].mapped; i++)
		model[i].prot = prot;
}

/* MADV_DONTNEED: private pages read as zero again, shared ones keep their contents. */
static void edit_drop(uint64_t *random)
{
	struct range r = pick(random);

	for (size_t i = r.first; i < r.first + r.count; i++)
		if (!model[i].mapped)
			return;
	STRESS_CHECK(
		madvise(window + r.first * PAGE, r.count * PAGE, MADV_DONTNEED) == 0, "madvise");
	for (size_t i = r.first; i < r.first + r.count; i++)
		if (!model[i].shared)
			memset(model[i].bytes, 0, PAGE);
}

/* Moves one mapped page over another place of the window. */
static void edit_move(uint64_t *random)
{
	size_t from = random_below(random, PAGES), to = random_below(random, PAGES);
	unsigned char *bytes = model[to].bytes;
	void *got;

	if (from == to || !model[from].mapped)
		return;
	got = mremap(window + from * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		window + to * PAGE);
	STRESS_CHECK(got == window + to * PAGE, "mremap of page %zu to %zu gave %p", from, to, got);
	model[to] = model[from];
	model[from].mapped = 0;
	model[from].bytes = bytes;
}

static void edit_write(uint64_t *random)
{
	size_t page = random_below(random, PAGES), offset = random_below(random, PAGE);
	unsigned char value = (unsigned char)random_next(random);
	int sig = try_write(page, offset, value);
	int allowed = model[page].mapped && (model[page].prot & PROT_WRITE);

	STRESS_CHECK(sig == (allowed ? 0 : SIGSEGV),
		"write to page %zu: signal %d, mapped %d rights %d", page, sig, model[page].mapped,
		model[page].prot);
	if (allowed)
		model[page].bytes[offset] = value;
}

static void check_page(size_t page)
{
	int allowed = model[page].mapped && (model[page].prot & PROT_READ);
	unsigned char byte = 0;
	int sig = try_read(page, 0, &byte);

	STRESS_CHECK(sig == (allowed ? 0 : SIGSEGV),
		"read of page %zu: signal %d, mapped %d rights %d", page, sig, model[page].mapped,
		model[page].prot);
	if (!allowed || !memcmp(window + page * PAGE, model[page].bytes, PAGE))
		return;
	for (size_t i = 0; i < PAGE; i++)
		STRESS_CHECK(window[page * PAGE + i] == model[page].bytes[i],
			"page %zu offset %zu is %02x, not %02x", page, i, window[page * PAGE + i],
			model[page].bytes[i]);
}

static void check_window(void)
{
	for (size_t i = 0; i < PAGES; i++)
		check_page(i);
}

/* The child sees the same, edits private pages, and what it did to them does not show here. */
static void edit_fork(uint64_t *random)
{
	int pid = fork();

	STRESS_CHECK(pid >= 0, "fork");
	if (pid == 0) {
		check_window();
		for (size_t i = 0; i < PAGES; i++)
			if (model[i].mapped && !model[i].shared && (model[i].prot & PROT_WRITE))
				window[i * PAGE + random_below(random, PAGE)] ^= 0xff;
		_exit(0);
	}
	child_wait(pid);
}

static long round_of_edits(struct stress *s, int worker, uint64_t *random)
{
	struct sigaction act = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO};

	(void)s;
	(void)worker;
	sigaction(SIGSEGV, &act, NULL);
	sigaction(SIGBUS, &act, NULL);
	window = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	STRESS_CHECK(window != MAP_FAILED, "mmap");
	for (int i = 0; i < PAGES; i++)
		model[i] = (struct model_page){1, PROT_NONE, 0, memset(contents[i], 0, PAGE)};
	for (int i = 0; i < EDITS; i++) {
		switch (random_below(random, 16)) {
		case 0:
		case 1:
			edit_map(random);
			break;
		case 2:
			edit_unmap(random);
			break;
		case 3:
			edit_protect(random);
			break;
		case 4:
			edit_drop(random);
			break;
		case 5:
			edit_move(random);
			break;
		case 6:
			check_page(random_below(random, PAGES));
			break;
		case 7:
			if (random_below(random, 8) == 0)
				edit_fork(random);
			break;
		default:
			edit_write(random);
		}
	}
	check_window();
	munmap(window, PAGES * PAGE);
	return EDITS;
}

int main(int argc, char **argv)
{
	struct stress s;

	stress_begin(&s, argc, argv, 4);
	return stress_run(&s, round_of_edits);
}
