/* Floating-point registers: every process has its own, signals and forks keep them. */
#include <stdbool.h>

#include "tap.h"

/*
 * SSE registers as 16 pairs of words; in one asm, so that the compiler's own use does not come in
 * between.
 */
struct xmm {
	uint64_t v[32];
};

static void xmm_fill(struct xmm *x, uint64_t seed)
{
	for (int i = 0; i < 32; i++)
		x->v[i] = seed * 1000003 + (uint64_t)i;
}

#define XMM_ALL                                                                                  \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
		"xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

#define LOAD_ALL(p)                                                                              \
	"movups 0(" p "), %%xmm0\n movups 16(" p "), %%xmm1\n movups 32(" p "), %%xmm2\n"        \
	"movups 48(" p "), %%xmm3\n movups 64(" p "), %%xmm4\n movups 80(" p "), %%xmm5\n"       \
	"movups 96(" p "), %%xmm6\n movups 112(" p "), %%xmm7\n movups 128(" p "), %%xmm8\n"     \
	"movups 144(" p "), %%xmm9\n movups 160(" p "), %%xmm10\n movups 176(" p "), %%xmm11\n"  \
	"movups 192(" p "), %%xmm12\n movups 208(" p "), %%xmm13\n movups 224(" p "), %%xmm14\n" \
	"movups 240(" p "), %%xmm15\n"
#define STORE_ALL(p)                                                                             \
	"movups %%xmm0, 0(" p ")\n movups %%xmm1, 16(" p ")\n movups %%xmm2, 32(" p ")\n"        \
	"movups %%xmm3, 48(" p ")\n movups %%xmm4, 64(" p ")\n movups %%xmm5, 80(" p ")\n"       \
	"movups %%xmm6, 96(" p ")\n movups %%xmm7, 112(" p ")\n movups %%xmm8, 128(" p ")\n"     \
	"movups %%xmm9, 144(" p ")\n movups %%xmm10, 160(" p ")\n movups %%xmm11, 176(" p ")\n"  \
	"movups %%xmm12, 192(" p ")\n movups %%xmm13, 208(" p ")\n movups %%xmm14, 224(" p ")\n" \
	"movups %%xmm15, 240(" p ")\n"

/* Load the registers, make one system call, read them back. */
static bool survives_syscall(long nr, long a, long b, uint64_t seed)
{
	struct xmm in, out;
	long result;

	xmm_fill(&in, seed);
	__asm__ volatile(LOAD_ALL("%[in]") "syscall\n" STORE_ALL("%[out]")
			 : "=a"(result)
			 : "a"(nr), "D"(a), "S"(b), [in] "r"(&in), [out] "r"(&out)
			 : "rcx", "r11", "memory", XMM_ALL);
	(void)result;
	return memcmp(&in, &out, sizeof(in)) == 0;
}

/*
 * Load the registers, spin in user mode for a while, read them back: only interrupts come in
 * between.
 */
static bool survives_spinning(uint64_t seed)
{
	struct xmm in, out;
	long n = 200000;

	xmm_fill(&in, seed);
	__asm__ volatile(LOAD_ALL("%[in]") "1: dec %[n]\n jnz 1b\n" STORE_ALL("%[out]")
			 : [n] "+r"(n)
			 : [in] "r"(&in), [out] "r"(&out)
			 : "cc", "memory", XMM_ALL);
	return memcmp(&in, &out, sizeof(in)) == 0;
}

#define SYS_YIELD  24
#define SYS_GETPID 39
#define SYS_KILL   62

static int yield_and_spin(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg;

	for (uint64_t i = 0; i < 300; i++) {
		if (!survives_syscall(SYS_YIELD, 0, 0, seed + i))
			return 1;
		if (i % 10 == 0 && !survives_spinning(seed + i))
			return 2;
	}
	return 0;
}

TEST(processes_do_not_see_each_others_registers)
{
	int status;

	for (uintptr_t i = 0; i < 4; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0)
			_exit(yield_and_spin((void *)(i * 1000)));
	}
	for (int i = 0; i < 4; i++) {
		CHECK(wait(&status) > 0);
		CHECK_EQ(status, 0);
	}
}

static volatile int handled;

static void clobber(int sig)
{
	struct xmm other;

	(void)sig;
	xmm_fill(&other, 99999);
	__asm__ volatile(LOAD_ALL("%0") : : "r"(&other) : "memory", XMM_ALL);
	handled++;
}

TEST(a_signal_handler_gives_the_registers_back)
{
	struct sigaction sa = {.sa_handler = clobber};

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	for (uint64_t i = 0; i < 50; i++)
		CHECK(survives_syscall(SYS_KILL, getpid(), SIGUSR1, i));
	CHECK_EQ(handled, 50);
}

static volatile uint32_t handler_mxcsr;

static void note_mxcsr(int sig)
{
	uint32_t v;

	(void)sig;
	__asm__ volatile("stmxcsr %0" : "=m"(v));
	handler_mxcsr = v;
}

TEST(a_handler_starts_with_fresh_control_words_and_gives_the_old_back)
{
	struct sigaction sa = {.sa_handler = note_mxcsr};
	uint32_t mxcsr = 0x1f80 | 0x6000, seen; /* round towards zero */
	uint16_t fcw = 0x0f7f, fcw_seen;

	CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(fcw));
	CHECK_EQ(raise(SIGUSR1), 0);
	__asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(seen), "=m"(fcw_seen));
	CHECK_EQ(handler_mxcsr & 0xffc0, 0x1f80);
	CHECK_EQ(seen & 0xffc0, mxcsr & 0xffc0);
	CHECK_EQ(fcw_seen, fcw);
}

TEST(fork_copies_the_registers)
{
	struct xmm in, out;
	long pid;
	int status;

	xmm_fill(&in, 7);
	__asm__ volatile(LOAD_ALL("%[in]") "syscall\n" STORE_ALL("%[out]")
			 : "=a"(pid)
			 : "a"(57L), [in] "r"(&in), [out] "r"(&out)
			 : "rcx", "r11", "memory", XMM_ALL);
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(memcmp(&in, &out, sizeof(in)) != 0);
	CHECK(memcmp(&in, &out, sizeof(in)) == 0);
	CHECK_EQ(waitpid((pid_t)pid, &status, 0), (pid_t)pid);
	CHECK_EQ(status, 0);
}

/* Linux's rule: all registers but rax, rcx and r11 outlive a system call. */
TEST(system_calls_keep_the_general_registers)
{
	uint64_t bad = 0;

	__asm__ volatile(
		"movq $101, %%rdi\n movq $102, %%rsi\n movq $103, %%rdx\n movq $104, %%r8\n"
		"movq $105, %%r9\n movq $106, %%r10\n movq $107, %%rbx\n movq $108, %%r12\n"
		"movq $109, %%r13\n movq $110, %%r14\n movq $111, %%r15\n"
		"movl $39, %%eax\n syscall\n"
		"subq $101, %%rdi\n orq %%rdi, %0\n subq $102, %%rsi\n orq %%rsi, %0\n"
		"subq $103, %%rdx\n orq %%rdx, %0\n subq $104, %%r8\n orq %%r8, %0\n"
		"subq $105, %%r9\n orq %%r9, %0\n subq $106, %%r10\n orq %%r10, %0\n"
		"subq $107, %%rbx\n orq %%rbx, %0\n subq $108, %%r12\n orq %%r12, %0\n"
		"subq $109, %%r13\n orq %%r13, %0\n subq $110, %%r14\n orq %%r14, %0\n"
		"subq $111, %%r15\n orq %%r15, %0\n"
		: "+m"(bad)
		:
		: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
		"r14", "r15", "cc", "memory");
	CHECK_EQ(bad, 0);
}
