/* Signal frames: what is pushed comes back, in Linux's layout; what lies is refused. */
#include "context.h"
#include "cpu_bits.h"
#include "cpu_features.h"
#include "ktest.h"
#include "lib/string.h"
#include "regs.h"
#include "user_space.h"
#include "usercopy.h"

#define PAGES	2u
#define HANDLER 0x401000ul
#define RESTORE 0x402000ul

/* Offsets from the start of the frame, as programs for Linux know them. */
#define AT_UC_FLAGS 8u
#define AT_RIP	    (8u + 40 + 16 * 8)
#define AT_FPSTATE  (8u + 40 + 23 * 8)
#define AT_MASK	    (8u + 40 + 256)
#define AT_INFO	    (8u + 304)

static struct user_space us;
static uint8_t info[128] = {11};

static struct signal_delivery delivery = {
	.signo = 11,
	.handler = HANDLER,
	.restorer = RESTORE,
	.siginfo = true,
	.oldmask = 0x1234,
	.info = info,
	.trapno = 14,
	.cr2 = 0xdead,
};

static struct user_regs start_regs(void)
{
	struct user_regs regs;

	/* A value of its own in every register. */
	for (size_t i = 0; i < sizeof(regs) / 8; i++)
		((uint64_t *)&regs)[i] = 0x1000 + i;
	regs.cs = SEL_USER_CODE;
	regs.ss = SEL_USER_DATA;
	regs.rflags = RFLAGS_FIXED | RFLAGS_IF | 1;
	regs.rip = 0x400123;
	regs.rsp = us.base + PAGES * PAGE_SIZE - 16;
	regs.vector = VECTOR_SYSCALL;
	return regs;
}

static uint64_t frame_word(uaddr_t frame, unsigned offset)
{
	uint64_t v = 0;

	if (copy_from_user(&v, frame + offset, sizeof(v)))
		ktest_fail("frame readable", __FILE__, __LINE__);
	return v;
}

KTEST(signal_frame_looks_as_linux_made_it)
{
	struct user_regs regs;
	uaddr_t frame;
	uint32_t magic;

	KTEST_ASSERT(user_space_enter(&us, PAGES));
	regs = start_regs();
	KTEST_ASSERT(signal_frame_push(&regs, &delivery) == 0);
	frame = regs.rsp;
	KTEST_ASSERT(regs.rip == HANDLER && regs.rdi == 11 && regs.rax == 0);
	KTEST_ASSERT(frame % 16 == 8 && regs.rsi == frame + AT_INFO && regs.rdx == frame + 8);
	KTEST_ASSERT(frame_word(frame, 0) == RESTORE);
	KTEST_ASSERT(frame_word(frame, AT_RIP) == 0x400123);
	KTEST_ASSERT(frame_word(frame, AT_MASK) == 0x1234);
	KTEST_ASSERT(frame_word(frame, AT_INFO) == 11);
	KTEST_ASSERT(frame_word(frame, AT_FPSTATE) % 64 == 0);
	KTEST_ASSERT((frame_word(frame, AT_UC_FLAGS) & 1) == cpu_features.xsave);
	if (cpu_features.xsave) {
		KTEST_ASSERT(copy_from_user(&magic, frame_word(frame, AT_FPSTATE) + 464,
				     sizeof(magic)) == 0);
		KTEST_ASSERT(magic == 0x46505853);
	}
	user_space_leave(&us);
}

KTEST(sigreturn_brings_all_registers_back)
{
	struct user_regs before, regs;
	struct signal_restore restore;

	KTEST_ASSERT(user_space_enter(&us, PAGES));
	before = regs = start_regs();
	KTEST_ASSERT(signal_frame_push(&regs, &delivery) == 0);
	regs.rbx = regs.r15 = 0;
	regs.rsp += 8; /* the handler returned */
	KTEST_ASSERT(signal_frame_pop(&regs, &restore) == 0);
	KTEST_ASSERT(restore.mask == 0x1234 && regs.vector == VECTOR_NONE);
	before.vector = regs.vector;
	KTEST_ASSERT(memcmp(&before, &regs, sizeof(regs)) == 0);
	user_space_leave(&us);
}

KTEST(sigreturn_refuses_a_frame_that_lies)
{
	static const uint64_t bad_rip[] = {USER_MAX, 0x0000800000000000ul, KERNEL_VMA};
	struct user_regs regs, kept;
	struct signal_restore restore;
	uint64_t flags = UINT64_MAX;
	uaddr_t frame;

	KTEST_ASSERT(user_space_enter(&us, PAGES));
	regs = start_regs();
	KTEST_ASSERT(signal_frame_push(&regs, &delivery) == 0);
	frame = regs.rsp;
	regs.rsp += 8;
	kept = regs;
	/* All flags set, among them IOPL, NT and VM: only those of user space are taken. */
	KTEST_ASSERT(copy_to_user(frame + AT_RIP + 8, &flags, sizeof(flags)) == 0);
	KTEST_ASSERT(signal_frame_pop(&regs, &restore) == 0);
	KTEST_ASSERT(regs.rflags == (RFLAGS_FIXED | RFLAGS_IF | RFLAGS_USER));
	for (unsigned i = 0; i < ARRAY_SIZE(bad_rip); i++) {
		regs = kept;
		KTEST_ASSERT(copy_to_user(frame + AT_RIP, &bad_rip[i], sizeof(uint64_t)) == 0);
		KTEST_ASSERT(signal_frame_pop(&regs, &restore) == -EFAULT);
	}
	regs.rsp = KERNEL_VMA;
	KTEST_ASSERT(signal_frame_pop(&regs, &restore) == -EFAULT);
	user_space_leave(&us);
}

KTEST(sigreturn_takes_no_fpu_state_that_the_cpu_refuses)
{
	struct signal_restore restore;
	struct user_regs regs;
	uint8_t ff[64];
	uaddr_t frame, fp;

	KTEST_ASSERT(user_space_enter(&us, PAGES));
	memset(ff, 0xff, sizeof(ff));
	regs = start_regs();
	KTEST_ASSERT(signal_frame_push(&regs, &delivery) == 0);
	frame = regs.rsp;
	regs.rsp += 8;
	fp = frame_word(frame, AT_FPSTATE);
	/* MXCSR with reserved bits, then an XSAVE header of ones: repaired, or refused, no trap. */
	KTEST_ASSERT(copy_to_user(fp + 24, ff, 4) == 0);
	if (cpu_features.xsave)
		KTEST_ASSERT(copy_to_user(fp + 512, ff, sizeof(ff)) == 0);
	KTEST_ASSERT(signal_frame_pop(&regs, &restore) == 0);
	user_space_leave(&us);
}

KTEST(signal_frame_is_not_written_outside_the_stack)
{
	struct signal_delivery d = delivery;
	struct user_regs regs, before;

	KTEST_ASSERT(user_space_enter(&us, PAGES));
	before = regs = start_regs();
	regs.rsp = before.rsp = us.base - PAGE_SIZE;
	KTEST_ASSERT(signal_frame_push(&regs, &d) == -EFAULT);
	regs.rsp = before.rsp = 64;
	KTEST_ASSERT(signal_frame_push(&regs, &d) == -EFAULT);
	d.on_altstack = true;
	d.ss_sp = us.base + PAGE_SIZE;
	d.ss_size = 256;
	KTEST_ASSERT(signal_frame_push(&regs, &d) == -EFAULT);
	KTEST_ASSERT(memcmp(&before, &regs, sizeof(regs)) == 0);
	user_space_leave(&us);
}
