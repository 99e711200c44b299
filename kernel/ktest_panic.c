/*
 * ktest=panic:NAME: ways to die that must end in a message that names the cause. The functions are
 * not inlined so that the backtrace shows them.
 */
#include "klog.h"
#include "ktest.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "sync/spinlock.h"

static __noinline void panic_test_null(void)
{
	volatile int *nowhere = NULL;

	__asm__("" : "+r"(nowhere)); /* the compiler is not to know */
	*nowhere = 1;
}

static __noinline unsigned panic_test_stack(volatile unsigned *depth)
{
	volatile char room[256];

	room[0] = (char)++*depth;
	if (*depth == UINT_MAX) /* never: the stack ends long before */
		return 0;
	return panic_test_stack(depth) + (unsigned)room[0];
}

static __noinline void panic_test_stack_start(void)
{
	volatile unsigned depth = 0;

	panic_test_stack(&depth);
}

static __noinline void panic_test_rank(void)
{
	struct spinlock upper, lower;

	spin_init(&upper, RANK_SLAB, "upper");
	spin_init(&lower, RANK_LRU, "lower");
	spin_lock(&upper);
	spin_lock(&lower);
	spin_unlock(&lower);
	spin_unlock(&upper);
}

/* W^X: text cannot be written, data cannot be executed. */
static __noinline void panic_test_text(void)
{
	*(volatile char *)(uintptr_t)panic_test_rank = 0;
}

static __noinline void panic_test_exec(void)
{
	static char code[] = {(char)0xc3}; /* ret */

	((void (*)(void))(uintptr_t)code)();
}

static __noinline void panic_test_doublefree(void)
{
	void *p = kmalloc(64, 0);

	kfree(p);
	kfree(p);
}

static const struct {
	const char *name;
	void (*fn)(void);
} ways[] = {
	{"null", panic_test_null},
	{"stack", panic_test_stack_start},
	{"rank", panic_test_rank},
	{"text", panic_test_text},
	{"exec", panic_test_exec},
	{"doublefree", panic_test_doublefree},
};

void ktest_panic(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		if (strcmp(name, ways[i].name) != 0)
			continue;
		ways[i].fn();
		klog_err("panic:%s did not end in a panic", name);
	}
}
