/*
 * Signal frames on the user stack, byte for byte as Linux lays them out: the C libraries' unwinders,
 * gdb and handlers that edit their ucontext know them. From low to high addresses:
 *
 *	return address (the restorer) | ucontext | siginfo | gap | FPU state, 64-byte aligned
 *
 * The FPU state ends in FP_XSTATE_MAGIC2 and tells about itself in the bytes that FXSAVE leaves to
 * software. Source: asm/sigcontext.h and asm/ucontext.h of linux-libc-dev; SDM vol. 1, 13.4.
 */
#include "abi/signal.h"
#include "context.h"
#include "cpu_bits.h"
#include "cpu_features.h"
#include "fpu.h"
#include "lib/string.h"
#include "regs.h"
#include "sched/thread.h"
#include "usercopy.h"

#define UC_FP_XSTATE	     0x1ull
#define UC_SIGCONTEXT_SS     0x2ull
#define UC_STRICT_RESTORE_SS 0x4ull

#define FP_XSTATE_MAGIC1 0x46505853u
#define FP_XSTATE_MAGIC2 0x46505845u

#define RED_ZONE     128u /* below rsp, belongs to the interrupted function */
#define FXSAVE_SIZE  512u
#define MXCSR_OFFSET 24u
#define XSTATE_MIN   (FXSAVE_SIZE + 64u)
#define XSTATE_FPSSE 3ull

struct sigcontext {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
};

struct ucontext {
	uint64_t uc_flags, uc_link;
	struct abi_stack uc_stack;
	struct sigcontext uc_mcontext;
	uint64_t uc_sigmask;
};

struct rt_sigframe {
	uint64_t pretcode;
	struct ucontext uc;
	uint8_t info[128];
};

/* Bytes 464 .. 511 of the FPU state. */
struct xstate_sw {
	uint32_t magic1, extended_size;
	uint64_t xfeatures;
	uint32_t xstate_size, padding[7];
};

struct xstate_header {
	uint64_t xstate_bv, xcomp_bv, reserved[6];
};

_Static_assert(sizeof(struct sigcontext) == 256, "struct sigcontext");
_Static_assert(sizeof(struct ucontext) == 304, "struct ucontext");
_Static_assert(sizeof(struct rt_sigframe) == 440, "struct rt_sigframe");
_Static_assert(sizeof(struct xstate_sw) == 48, "struct _fpx_sw_bytes");

#define SW_OFFSET (FXSAVE_SIZE - sizeof(struct xstate_sw))

static size_t fpu_frame_size(void)
{
	return cpu_features.fpu_size + (cpu_features.xsave ? sizeof(uint32_t) : 0);
}

static int push_fpu(uaddr_t at)
{
	uint32_t size = cpu_features.fpu_size, magic2 = FP_XSTATE_MAGIC2;
	uint8_t *area = thread_current()->arch.fpu;
	struct xstate_sw sw = {
		.magic1 = FP_XSTATE_MAGIC1,
		.extended_size = size + (uint32_t)sizeof(magic2),
		.xfeatures = cpu_features.xcr0,
		.xstate_size = size,
	};
	struct xstate_header *header = (struct xstate_header *)(area + FXSAVE_SIZE);

	/* A switch during the copy saves the same state again: the kernel does not change it. */
	fpu_save_full(area);
	if (copy_to_user(at, area, size))
		return -EFAULT;
	if (!cpu_features.xsave)
		return 0;
	/* Handlers that know only the first 512 bytes may edit them: they count in any case. */
	header->xstate_bv |= XSTATE_FPSSE;
	if (copy_to_user(at + SW_OFFSET, &sw, sizeof(sw)) ||
		copy_to_user(at + FXSAVE_SIZE, &header->xstate_bv, sizeof(header->xstate_bv)))
		return -EFAULT;
	return copy_to_user(at + size, &magic2, sizeof(magic2));
}

static void fill_context(
	struct sigcontext *sc, const struct user_regs *regs, const struct signal_delivery *d)
{
	*sc = (struct sigcontext){
		.r8 = regs->r8,
		.r9 = regs->r9,
		.r10 = regs->r10,
		.r11 = regs->r11,
		.r12 = regs->r12,
		.r13 = regs->r13,
		.r14 = regs->r14,
		.r15 = regs->r15,
		.rdi = regs->rdi,
		.rsi = regs->rsi,
		.rbp = regs->rbp,
		.rbx = regs->rbx,
		.rdx = regs->rdx,
		.rax = regs->rax,
		.rcx = regs->rcx,
		.rsp = regs->rsp,
		.rip = regs->rip,
		.rflags = regs->rflags,
		.cs = SEL_USER_CODE,
		.ss = SEL_USER_DATA,
		.trapno = (uint64_t)d->trapno,
		.err = d->trapno == VEC_PF && regs->vector == VEC_PF ? regs->error : 0,
		.oldmask = d->oldmask,
		.cr2 = d->cr2,
	};
}

int signal_frame_push(struct user_regs *regs, const struct signal_delivery *d)
{
	uaddr_t top = d->on_altstack ? d->ss_sp + d->ss_size : regs->rsp - RED_ZONE;
	uaddr_t fpstate = ALIGN_DOWN(top - fpu_frame_size(), 64);
	uaddr_t at = ALIGN_DOWN(fpstate - sizeof(struct rt_sigframe), 16) - 8;
	struct rt_sigframe frame = {.pretcode = d->restorer};
	irqflags_t flags;

	/* A stack pointer near 0 wraps; what lies outside the alternate stack is somebody else's. */
	if (at >= top || (d->on_altstack && at < d->ss_sp))
		return -EFAULT;
	frame.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	if (cpu_features.xsave)
		frame.uc.uc_flags |= UC_FP_XSTATE;
	frame.uc.uc_stack.ss_sp = d->ss_sp;
	frame.uc.uc_stack.ss_size = d->ss_size;
	frame.uc.uc_stack.ss_flags = d->ss_flags;
	frame.uc.uc_sigmask = d->oldmask;
	fill_context(&frame.uc.uc_mcontext, regs, d);
	frame.uc.uc_mcontext.fpstate = fpstate;
	memcpy(frame.info, d->info, sizeof(frame.info));
	if (push_fpu(fpstate) || copy_to_user(at, &frame, sizeof(frame)))
		return -EFAULT;
	flags = irq_save();
	fpu_reset(); /* a handler begins with a fresh state */
	irq_restore(flags);
	/* A handler outside user space faults at its first instruction, at an address that IRET
	 * takes. */
	regs->rip = MIN(d->handler, USER_MAX);
	regs->rsp = at;
	regs->rdi = (uint64_t)d->signo;
	regs->rsi = at + offsetof(struct rt_sigframe, info);
	regs->rdx = at + offsetof(struct rt_sigframe, uc);
	regs->rax = 0;
	regs->rflags &= ~(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
	regs->vector = VECTOR_NONE;
	return 0;
}

/* What to take from the state at `at`: its size and components; 512 bytes if it does not say more. */
static int read_fpu_size(uaddr_t at, size_t *size, uint64_t *xfeatures)
{
	struct xstate_sw sw;
	uint32_t magic2;

	*size = FXSAVE_SIZE;
	*xfeatures = XSTATE_FPSSE;
	if (!cpu_features.xsave)
		return 0;
	if (copy_from_user(&sw, at + SW_OFFSET, sizeof(sw)))
		return -EFAULT;
	if (sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size < XSTATE_MIN ||
		sw.xstate_size > cpu_features.fpu_size || sw.extended_size < sw.xstate_size)
		return 0;
	if (copy_from_user(&magic2, at + sw.xstate_size, sizeof(magic2)))
		return -EFAULT;
	if (magic2 != FP_XSTATE_MAGIC2)
		return 0;
	*size = sw.xstate_size;
	*xfeatures = sw.xfeatures;
	return 0;
}

/* Leave in the area only what the CPU accepts. */
static void sanitize_fpu(uint8_t *area, size_t size, uint64_t xfeatures)
{
	struct xstate_header *header = (struct xstate_header *)(area + FXSAVE_SIZE);
	uint32_t mxcsr;

	memcpy(&mxcsr, area + MXCSR_OFFSET, sizeof(mxcsr));
	mxcsr &= cpu_features.mxcsr_mask;
	memcpy(area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
	if (!cpu_features.xsave)
		return;
	if (size == FXSAVE_SIZE)
		header->xstate_bv = XSTATE_FPSSE;
	header->xstate_bv &= xfeatures & cpu_features.xcr0;
	header->xcomp_bv = 0;
	memset(header->reserved, 0, sizeof(header->reserved));
}

static int pop_fpu(uaddr_t at)
{
	irqflags_t flags;
	uint64_t xfeatures;
	uint8_t *area;
	size_t size;
	bool ok;

	if (!at) {
		flags = irq_save();
		fpu_reset();
		irq_restore(flags);
		return 0;
	}
	if (read_fpu_size(at, &size, &xfeatures))
		return -EFAULT;
	/* Not into the thread's own area: a switch during the copy would save over it. */
	area = fpu_alloc();
	if (!area)
		return -EFAULT;
	ok = copy_from_user(area, at, size) == 0;
	if (ok) {
		sanitize_fpu(area, size, xfeatures);
		flags = irq_save();
		ok = fpu_load_checked(area);
		irq_restore(flags);
	}
	fpu_free(area);
	return ok ? 0 : -EFAULT;
}

static void take_context(struct user_regs *regs, const struct sigcontext *sc)
{
	regs->r8 = sc->r8;
	regs->r9 = sc->r9;
	regs->r10 = sc->r10;
	regs->r11 = sc->r11;
	regs->r12 = sc->r12;
	regs->r13 = sc->r13;
	regs->r14 = sc->r14;
	regs->r15 = sc->r15;
	regs->rdi = sc->rdi;
	regs->rsi = sc->rsi;
	regs->rbp = sc->rbp;
	regs->rbx = sc->rbx;
	regs->rdx = sc->rdx;
	regs->rax = sc->rax;
	regs->rcx = sc->rcx;
	regs->rsp = sc->rsp;
	regs->rip = sc->rip;
	regs->cs = SEL_USER_CODE;
	regs->ss = SEL_USER_DATA;
	regs->rflags = (regs->rflags & ~RFLAGS_USER) | (sc->rflags & RFLAGS_USER);
	regs->vector = VECTOR_NONE;
}

int signal_frame_pop(struct user_regs *regs, struct signal_restore *r)
{
	struct ucontext uc;
	/* The handler's return took the restorer's address from the stack. */
	uaddr_t at = regs->rsp - sizeof(uint64_t) + offsetof(struct rt_sigframe, uc);

	if (copy_from_user(&uc, at, sizeof(uc)))
		return -EFAULT;
	/* IRET itself would fault on an address that is not canonical. */
	if (uc.uc_mcontext.rip >= USER_MAX || pop_fpu(uc.uc_mcontext.fpstate))
		return -EFAULT;
	take_context(regs, &uc.uc_mcontext);
	r->mask = uc.uc_sigmask;
	r->ss_sp = uc.uc_stack.ss_sp;
	r->ss_size = uc.uc_stack.ss_size;
	r->ss_flags = uc.uc_stack.ss_flags;
	return 0;
}
