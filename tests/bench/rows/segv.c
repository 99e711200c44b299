/* A write fault that a SIGSEGV handler mends with mprotect, as collectors do. */
#include "../bench.h"

static char *p;
static volatile uint64_t seen;

static void handler(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	CHECK((char *)si->si_addr == p + 8);
	CHECK(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
	seen++;
}

static void setup(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	CHECK(sigaction(SIGSEGV, &sa, NULL) == 0);
	p = map_anon(PAGE, MAP_PRIVATE);
	*p = 1;
}

static long run(long n)
{
	seen = 0;
	for (long i = 0; i < n; i++) {
		CHECK(mprotect(p, PAGE, PROT_READ) == 0);
		*(volatile char *)(p + 8) = (char)i;
	}
	CHECK(seen == (uint64_t)n);
	bench_check = seen;
	return n;
}

BENCH("segv", "fault", 3000, setup, run)
