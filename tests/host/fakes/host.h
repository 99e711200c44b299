/*
 * The machine that host tests run on: an arena of physical memory, CPUs that are pthreads, locks
 * that check ranks, panics that a test may expect.
 *
 *	host_machine_start(64 << 20, 2);	the main thread is CPU 0
 *	host_expect_panic(page_free(pg, 0), "double free");
 *	host_run_cpus(4, fn, arg);		fn(arg) on four threads, each a CPU of its own
 */
#ifndef HOST_H
#define HOST_H

#include <setjmp.h>
#include "cpu.h"
#include "lib/base.h"
#include "mm/types.h"

/* Boot: one range of `bytes` at 0 (like a PC: usable from 64 KiB), frame descriptors, buddy, slab,
 * kernel page table. ncpus: how many CPUs exist (the main thread is CPU 0). Once a process. */
void host_machine_start(uint64_t bytes, unsigned ncpus);
/* The arena alone, for tests that set boot_info and call page_init themselves. */
void host_arena_start(uint64_t bytes);
/* Command-line words that cmdline_get finds: "mem=16M". NULL: none. */
void host_set_cmdline(const char *words);

/* Kernel threads are CPUs, too: the first is this one. */
#define HOST_KTHREAD_CPU 48

/* Run fn(arg) on n threads as CPUs first, first + 1, ...; returns when all are done. */
void host_run_cpus(unsigned first, unsigned n, void (*fn)(void *arg), void *arg);
/* Make the calling pthread CPU `id`; host_leave_cpu before it ends. */
void host_enter_cpu(unsigned id);
void host_leave_cpu(void);

/*
 * fn runs at every step of the calling thread from now on: whenever it asks for its CPU, as each
 * lock and each allocation does. It may do what another CPU could do at that moment (host_enter_cpu
 * and an access by the soft MMU), with nothing that waits. NULL: no more.
 */
void host_set_step(void (*fn)(void));

/*
 * Bad luck with the scheduler. With the environment variable HOST_JITTER=SEED every thread is held
 * up now and then, for no time to some milliseconds, where it asks for its CPU (each lock and each
 * allocation does) and where interrupts come on again (after each access by the soft MMU): steps
 * that nearly always come one right after the other lie far apart. What a test takes for granted
 * about them shows.
 */
extern bool host_jitter_on;
void host_jitter_point(void);
static inline void host_jitter(void)
{
	if (unlikely(host_jitter_on))
		host_jitter_point();
}

/* A panic during expr is expected, and its text must hold `word`: returns true then. */
extern __thread jmp_buf *host_panic_jmp;
extern __thread char host_panic_text[256];
void host_forget_locks(void);
bool host_panic_says(const char *word);
#ifdef HOST_COVERAGE
/* Coverage builds have no assertions and no poison: nothing would end in a panic. */
#define HOST_CHECKS		false
#define host_panics(expr, word) (sizeof(expr), true)
#else
#define HOST_CHECKS true
#define host_panics(expr, word)                       \
	({                                            \
		jmp_buf _jmp;                         \
		volatile bool _hit = false;           \
		host_panic_jmp = &_jmp;               \
		if (setjmp(_jmp) == 0)                \
			(void)(expr);                 \
		else                                  \
			_hit = host_panic_says(word); \
		host_panic_jmp = NULL;                \
		host_forget_locks();                  \
		_hit;                                 \
	})
#endif

/* The kernel's page table of the fakes (PML4), as physmap_init leaves it. */
void host_kernel_table_init(void);
/* A signal that ends killable waits of the calling CPU's thread. */
void host_set_killed(bool on);
/* Does that CPU's thread sleep until it is woken, or is it about to? */
bool host_sleeps(unsigned cpu);

/* Seeded generator, one per test: deterministic. */
struct host_rng {
	uint64_t s;
};
static inline uint64_t host_rand(struct host_rng *r)
{
	r->s ^= r->s << 13;
	r->s ^= r->s >> 7;
	r->s ^= r->s << 17;
	return r->s * 0x2545f4914f6cdd1dull;
}

#endif
