/*
 * Signal frames on the user stack, byte for byte as Linux lays them out: the C libraries'
 * unwinders, gdb and handlers that edit their ucontext know them. From low to high addresses:
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
#include "user_access.h"
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
	uint64_t selectors; /* cs, gs, fs, ss: 16 bits each */
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

struct fpu_frame {
	uint8_t fxsave[FXSAVE_SIZE - sizeof(struct xstate_sw)];
	struct xstate_sw sw;
	struct xstate_header header;
};

_Static_assert(sizeof(struct sigcontext) == 256, "struct sigcontext");
_Static_assert(sizeof(struct ucontext) == 304, "struct ucontext");
_Static_assert(sizeof(struct rt_sigframe) == 440, "struct rt_sigframe");
_Static_assert(sizeof(struct xstate_sw) == 48, "struct _fpx_sw_bytes");
_Static_assert(offsetof(struct fpu_frame, header) == FXSAVE_SIZE, "struct _xstate");

/* The kernel has no others for user mode. */
#define SELECTORS (SEL_USER_CODE | (uint64_t)SEL_USER_DATA << 48)

static size_t fpu_frame_size(void)
{
	return cpu_features.fpu_size + (cpu_features.xsave ? sizeof(uint32_t) : 0);
}

/*
 * What tells about the state is written first; the CPU itself writes the rest, and of the header
 * only the components. => the range is checked
 */
static int push_fpu(uaddr_t at)
{
	struct fpu_frame *f = (struct fpu_frame *)at;
	uint32_t size = cpu_features.fpu_size;

	if (!cpu_features.xsave)
		return fpu_save_user(at);
	user_access_begin();
	user_put32(&f->sw.magic1, FP_XSTATE_MAGIC1, fault);
	user_put32(&f->sw.extended_size, size + sizeof(uint32_t), fault);
	user_put64(&f->sw.xfeatures, cpu_features.xcr0, fault);
	user_put64(&f->sw.xstate_size, size, fault);
	for (unsigned i = 0; i < ARRAY_SIZE(f->sw.padding) / 2; i++)
		user_put64(&f->sw.padding[2 * i + 1], 0, fault);
	user_put64(&f->header.xstate_bv, 0, fault);
	user_put64(&f->header.xcomp_bv, 0, fault);
	for (unsigned i = 0; i < ARRAY_SIZE(f->header.reserved); i++)
		user_put64(&f->header.reserved[i], 0, fault);
	user_put32((uint32_t *)(at + size), FP_XSTATE_MAGIC2, fault);
	user_access_end();
	return fpu_save_user(at);
fault:
	user_access_end();
	return -EFAULT;
}

/* => the range is checked */
static int push_context(
	struct sigcontext *sc, const struct user_regs *regs, const struct signal_delivery *d)
{
	user_access_begin();
	user_put64(&sc->r8, regs->r8, fault);
	user_put64(&sc->r9, regs->r9, fault);
	user_put64(&sc->r10, regs->r10, fault);
	user_put64(&sc->r11, regs->r11, fault);
	user_put64(&sc->r12, regs->r12, fault);
	user_put64(&sc->r13, regs->r13, fault);
	user_put64(&sc->r14, regs->r14, fault);
	user_put64(&sc->r15, regs->r15, fault);
	user_put64(&sc->rdi, regs->rdi, fault);
	user_put64(&sc->rsi, regs->rsi, fault);
	user_put64(&sc->rbp, regs->rbp, fault);
	user_put64(&sc->rbx, regs->rbx, fault);
	user_put64(&sc->rdx, regs->rdx, fault);
	user_put64(&sc->rax, regs->rax, fault);
	user_put64(&sc->rcx, regs->rcx, fault);
	user_put64(&sc->rsp, regs->rsp, fault);
	user_put64(&sc->rip, regs->rip, fault);
	user_put64(&sc->rflags, regs->rflags, fault);
	user_put64(&sc->selectors, SELECTORS, fault);
	user_put64(
		&sc->err, d->trapno == VEC_PF && regs->vector == VEC_PF ? regs->error : 0, fault);
	user_put64(&sc->trapno, d->trapno, fault);
	user_put64(&sc->oldmask, d->oldmask, fault);
	user_put64(&sc->cr2, d->cr2, fault);
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

/* Everything but registers and FPU state. The words that Linux leaves as they were on the stack are
 * left here too. => the range is checked */
static int push_about(struct rt_sigframe *frame, uaddr_t fpstate, const struct signal_delivery *d)
{
	struct ucontext *uc = &frame->uc;

	user_access_begin();
	user_put64(&frame->pretcode, d->restorer, fault);
	user_put64(&uc->uc_flags,
		UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS | (cpu_features.xsave ? UC_FP_XSTATE : 0),
		fault);
	user_put64(&uc->uc_link, 0, fault);
	user_put64(&uc->uc_stack.ss_sp, d->ss_sp, fault);
	user_put32(&uc->uc_stack.ss_flags, d->ss_flags, fault);
	user_put64(&uc->uc_stack.ss_size, d->ss_size, fault);
	user_put64(&uc->uc_mcontext.fpstate, fpstate, fault);
	user_put64(&uc->uc_sigmask, d->oldmask, fault);
	user_access_end();
	if (!d->siginfo)
		return 0;
	return copy_to_user((uaddr_t)frame->info, d->info, sizeof(frame->info));
fault:
	user_access_end();
	return -EFAULT;
}

int signal_frame_push(struct user_regs *regs, const struct signal_delivery *d)
{
	uaddr_t top = d->on_altstack ? d->ss_sp + d->ss_size : regs->rsp - RED_ZONE;
	uaddr_t fpstate = ALIGN_DOWN(top - fpu_frame_size(), 64);
	uaddr_t at = ALIGN_DOWN(fpstate - sizeof(struct rt_sigframe), 16) - 8;
	struct rt_sigframe *frame = (struct rt_sigframe *)at;
	irqflags_t flags;

	/*
	 * A stack pointer near 0 wraps; what lies outside the alternate stack is somebody else's.
	 */
	if (at >= top || top > USER_MAX || (d->on_altstack && at < d->ss_sp))
		return -EFAULT;
	if (push_fpu(fpstate) || push_about(frame, fpstate, d) ||
		push_context(&frame->uc.uc_mcontext, regs, d))
		return -EFAULT;
	flags = irq_save();
	fpu_reset(); /* a handler begins with a fresh state */
	irq_restore(flags);
	/* A handler outside user space faults at its first instruction, at an address that IRET
	 * takes. */
	regs->rip = MIN(d->handler, USER_MAX);
	regs->rsp = at;
	regs->rdi = (uint64_t)d->signo;
	regs->rsi = (uaddr_t)frame->info;
	regs->rdx = (uaddr_t)&frame->uc;
	regs->rax = 0;
	regs->rflags &= ~(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
	regs->vector = VECTOR_NONE;
	return 0;
}

/* What to take from the state at `at`: its size and components; 512 bytes if it does not say more.
 * => the range is checked */
static int read_fpu_size(uaddr_t at, size_t *size, uint64_t *xfeatures)
{
	const struct fpu_frame *f = (const struct fpu_frame *)at;
	uint32_t magic1, magic2, extended_size, xstate_size;
	uint64_t components;

	*size = FXSAVE_SIZE;
	*xfeatures = cpu_features.xsave ? XSTATE_FPSSE : 0;
	if (!cpu_features.xsave)
		return 0;
	user_access_begin();
	magic1 = user_get32(&f->sw.magic1, fault);
	extended_size = user_get32(&f->sw.extended_size, fault);
	components = user_get64(&f->sw.xfeatures, fault);
	xstate_size = user_get32(&f->sw.xstate_size, fault);
	user_access_end();
	if (magic1 != FP_XSTATE_MAGIC1 || xstate_size < XSTATE_MIN ||
		xstate_size > cpu_features.fpu_size || extended_size < xstate_size)
		return 0;
	user_access_begin();
	magic2 = user_get32((const uint32_t *)(at + xstate_size), fault);
	user_access_end();
	if (magic2 != FP_XSTATE_MAGIC2)
		return 0;
	*size = xstate_size;
	*xfeatures = components;
	return 0;
fault:
	user_access_end();
	return -EFAULT;
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

/* A state of another size, unaligned, or one that the CPU refused: by way of a copy that is put
 * right first. */
static int pop_fpu_repaired(uaddr_t at, size_t size, uint64_t xfeatures)
{
	irqflags_t flags;
	uint8_t *area;
	bool ok;

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

static int pop_fpu(uaddr_t at)
{
	uint64_t xfeatures;
	size_t size;

	if (!at) {
		irqflags_t flags = irq_save();

		fpu_reset();
		irq_restore(flags);
		return 0;
	}
	if (at > USER_MAX - fpu_frame_size() || read_fpu_size(at, &size, &xfeatures))
		return -EFAULT;
	if (likely(size == cpu_features.fpu_size && xfeatures == cpu_features.xcr0 &&
		    fpu_load_user(at) == 0))
		return 0;
	return pop_fpu_repaired(at, size, xfeatures);
}

/* The registers as the frame has them. => the range is checked; on a fault regs is half changed */
static int take_context(struct user_regs *regs, const struct sigcontext *sc)
{
	uint64_t rflags;

	user_access_begin();
	regs->r8 = user_get64(&sc->r8, fault);
	regs->r9 = user_get64(&sc->r9, fault);
	regs->r10 = user_get64(&sc->r10, fault);
	regs->r11 = user_get64(&sc->r11, fault);
	regs->r12 = user_get64(&sc->r12, fault);
	regs->r13 = user_get64(&sc->r13, fault);
	regs->r14 = user_get64(&sc->r14, fault);
	regs->r15 = user_get64(&sc->r15, fault);
	regs->rdi = user_get64(&sc->rdi, fault);
	regs->rsi = user_get64(&sc->rsi, fault);
	regs->rbp = user_get64(&sc->rbp, fault);
	regs->rbx = user_get64(&sc->rbx, fault);
	regs->rdx = user_get64(&sc->rdx, fault);
	regs->rax = user_get64(&sc->rax, fault);
	regs->rcx = user_get64(&sc->rcx, fault);
	regs->rsp = user_get64(&sc->rsp, fault);
	rflags = user_get64(&sc->rflags, fault);
	user_access_end();
	regs->cs = SEL_USER_CODE;
	regs->ss = SEL_USER_DATA;
	regs->rflags = (regs->rflags & ~RFLAGS_USER) | (rflags & RFLAGS_USER);
	regs->vector = VECTOR_NONE;
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

/* => the range is checked */
static int read_about(
	const struct ucontext *uc, struct signal_restore *r, uint64_t *rip, uaddr_t *fpstate)
{
	user_access_begin();
	r->ss_sp = user_get64(&uc->uc_stack.ss_sp, fault);
	r->ss_flags = (int)user_get32(&uc->uc_stack.ss_flags, fault);
	r->ss_size = user_get64(&uc->uc_stack.ss_size, fault);
	*rip = user_get64(&uc->uc_mcontext.rip, fault);
	*fpstate = user_get64(&uc->uc_mcontext.fpstate, fault);
	r->mask = user_get64(&uc->uc_sigmask, fault);
	user_access_end();
	return 0;
fault:
	user_access_end();
	return -EFAULT;
}

int signal_frame_pop(struct user_regs *regs, struct signal_restore *r)
{
	/* The handler's return took the restorer's address from the stack. */
	uaddr_t at = regs->rsp - sizeof(uint64_t) + offsetof(struct rt_sigframe, uc);
	const struct ucontext *uc = (const struct ucontext *)at;
	uint64_t rip;
	uaddr_t fpstate;

	if (at > USER_MAX - sizeof(*uc) || read_about(uc, r, &rip, &fpstate))
		return -EFAULT;
	/* IRET itself would fault on an address that is not canonical. */
	if (rip >= USER_MAX || pop_fpu(fpstate) || take_context(regs, &uc->uc_mcontext))
		return -EFAULT;
	regs->rip = rip;
	return 0;
}
