/*
 * Traps: what the CPU reports goes to the memory system (page faults), becomes a signal (user
 * mode), a fix-up (user copies) or a panic that names the cause (kernel mode). Interrupt vectors go
 * to the handlers that their owners set.
 *
 * Handlers of user traps run with interrupts on, like system calls.
 */
#include "trap.h"
#include "abi/signal.h"
#include "boot.h"
#include "cpu_bits.h"
#include "extable.h"
#include "cpu_features.h"
#include "insn.h"
#include "klog.h"
#include "lib/assert.h"
#include "mm/fault.h"
#include "mm/kva.h"
#include "panic.h"
#include "proc/trap.h"
#include "sched/thread.h"

/* Page-fault error code (SDM vol. 3, figure 4-12). */
#define PF_PRESENT 0x01u
#define PF_WRITE   0x02u
#define PF_USER	   0x04u
#define PF_RSVD	   0x08u
#define PF_INSN	   0x10u

static vector_fn vectors[256]; /* (c) after boot; atomic */

extern const struct extable_row extable_start[], extable_end[];

void trap_set_vector(unsigned vector, vector_fn fn)
{
	assert(vector >= VECTOR_IRQ_FIRST && vector < ARRAY_SIZE(vectors));
	STORE_RELEASE(vectors[vector], fn);
}

const struct extable_row *extable_find(uint64_t rip)
{
	for (const struct extable_row *row = extable_start; row < extable_end; row++) {
		if (row->insn == rip)
			return row;
	}
	return NULL;
}

static const char *const exception_names[] = {
	[VEC_DE] = "divide error",
	[VEC_DB] = "debug exception",
	[VEC_NMI] = "non-maskable interrupt",
	[VEC_BP] = "breakpoint",
	[VEC_OF] = "overflow",
	[VEC_BR] = "bound range exceeded",
	[VEC_UD] = "invalid opcode",
	[VEC_NM] = "device not available",
	[VEC_DF] = "double fault",
	[VEC_TS] = "invalid TSS",
	[VEC_NP] = "segment not present",
	[VEC_SS] = "stack fault",
	[VEC_GP] = "general protection fault",
	[VEC_PF] = "page fault",
	[VEC_MF] = "x87 floating-point error",
	[VEC_AC] = "alignment check",
	[VEC_MC] = "machine check",
	[VEC_XM] = "SIMD floating-point error",
};

static const char *exception_name(uint64_t vector)
{
	if (vector < ARRAY_SIZE(exception_names) && exception_names[vector])
		return exception_names[vector];
	return "reserved exception";
}

static bool is_stack_guard(vaddr_t va)
{
	vaddr_t boot_guard = (vaddr_t)boot_stack_guard;

	return (va >= boot_guard && va < boot_guard + PAGE_SIZE) || kva_is_stack_guard(va);
}

static bool in_range(vaddr_t va, const char *start, const char *end)
{
	return va >= (vaddr_t)start && va < (vaddr_t)end;
}

/* A page fault of the kernel that nothing can help: say what it was. */
static __noreturn void kernel_page_fault(const struct user_regs *regs, vaddr_t va)
{
	uint64_t err = regs->error;
	const char *what = err & PF_INSN ? "execution" : err & PF_WRITE ? "write" : "read";
	const char *why = "nothing is mapped there";

	if (err & PF_RSVD)
		panic_regs(regs, "page table corrupt: reserved bit set on the way to %016lx", va);
	if (va < PAGE_SIZE)
		panic_regs(regs, "NULL dereference: %s at address %#lx", what, va);
	if (is_stack_guard(va))
		panic_regs(regs, "kernel stack overflow: %s at %016lx in the guard page", what, va);
	if (err & PF_INSN && va < USER_MAX)
		why = cpu_features.smep ? "user memory is not for the kernel to execute (SMEP)"
					: "not executable";
	else if (err & PF_INSN && err & PF_PRESENT)
		why = "not executable (W^X)";
	else if (va < USER_MAX && err & PF_PRESENT && cpu_features.smap)
		why = "user memory outside a user copy (SMAP)";
	else if (va < USER_MAX)
		why = "user memory outside a user copy";
	else if (in_range(va, text_start, text_end))
		why = "kernel text is read-only (W^X)";
	else if (in_range(va, rodata_start, rodata_end))
		why = "kernel constants are read-only";
	panic_regs(regs, "kernel page fault: %s at %016lx: %s", what, va, why);
}

static vm_flags_t fault_access(uint64_t err)
{
	if (err & PF_INSN)
		return VM_EXEC;
	return err & PF_WRITE ? VM_WRITE : VM_READ;
}

/* A fault of kernel code on a user address: one of the user copies, or a bug. */
static void kernel_fault_on_user(struct user_regs *regs, vaddr_t va)
{
	const struct extable_row *row = extable_find(regs->rip);
	struct thread *t = thread_current();

	if (!row || regs->error & PF_INSN)
		kernel_page_fault(regs, va);
	if (row->kind == EXTABLE_FAULTING && t && t->ctx && regs->rflags & RFLAGS_IF) {
		irq_enable();
		if (mm_handle_fault(t->ctx, va, fault_access(regs->error)) == 0) {
			irq_disable();
			return;
		}
		irq_disable();
	}
	regs->rip = row->fixup;
}

static void page_fault(struct user_regs *regs)
{
	vaddr_t va = cr2_read();
	int err;

	if (unlikely(!regs_from_user(regs))) {
		if (va >= USER_MAX || regs->error & PF_RSVD)
			kernel_page_fault(regs, va);
		kernel_fault_on_user(regs, va);
		return;
	}
	irq_enable();
	if (unlikely(regs->error & PF_RSVD))
		kernel_page_fault(regs, va);
	/* A present page that user mode may not use is the kernel's half, or a race. */
	err = va < USER_MAX ? mm_handle_fault(thread_current()->ctx, va, fault_access(regs->error))
			    : -EFAULT;
	if (unlikely(err))
		trap_user_page_fault(regs, va, err);
}

/* si_code of SIGFPE from the x87 status or MXCSR bits (SDM vol. 1, 8.5, 11.5). */
static int fpe_code(unsigned status)
{
	if (status & 0x01)
		return FPE_FLTINV;
	if (status & 0x04)
		return FPE_FLTDIV;
	if (status & 0x08)
		return FPE_FLTOVF;
	if (status & 0x12)
		return FPE_FLTUND;
	return status & 0x20 ? FPE_FLTRES : 0;
}

static int x87_code(void)
{
	uint16_t control, status;

	__asm__ volatile("fnstcw %0; fnstsw %1" : "=m"(control), "=m"(status));
	return fpe_code(status & ~control);
}

static int sse_code(void)
{
	uint32_t mxcsr;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	return fpe_code(mxcsr & ~(mxcsr >> 7));
}

/* What a fault of user code is as a signal (the codes are Linux's). */
struct exception_signal {
	int signo, code;
	bool at_rip; /* si_addr is the instruction */
};

static struct exception_signal exception_signal(uint64_t vector)
{
	switch (vector) {
	case VEC_DE:
		return (struct exception_signal){SIGFPE, FPE_INTDIV, true};
	case VEC_MF:
		return (struct exception_signal){SIGFPE, x87_code(), true};
	case VEC_XM:
		return (struct exception_signal){SIGFPE, sse_code(), true};
	case VEC_DB:
		return (struct exception_signal){SIGTRAP, TRAP_TRACE, true};
	case VEC_BP:
		return (struct exception_signal){SIGTRAP, SI_KERNEL, false};
	case VEC_UD:
		return (struct exception_signal){SIGILL, ILL_ILLOPN, true};
	case VEC_AC:
		return (struct exception_signal){SIGBUS, BUS_ADRALN, false};
	case VEC_SS:
	case VEC_NP:
		return (struct exception_signal){SIGBUS, SI_KERNEL, false};
	default:
		return (struct exception_signal){SIGSEGV, SI_KERNEL, false};
	}
}

static void user_exception(struct user_regs *regs)
{
	struct exception_signal s = exception_signal(regs->vector);

	irq_enable();
	trap_user_fault(regs, s.signo, s.code, s.at_rip ? regs->rip : 0, (int)regs->vector);
}

static void kernel_exception(struct user_regs *regs)
{
	const struct extable_row *row = extable_find(regs->rip);

	if (row && regs->vector == VEC_GP) {
		regs->rip = row->fixup;
		return;
	}
	panic_regs(regs, "%s in the kernel (error code %#lx)", exception_name(regs->vector),
		regs->error);
}

static void interrupt(struct user_regs *regs)
{
	struct cpu *c = this_cpu();
	vector_fn fn = LOAD_ACQUIRE(vectors[regs->vector]);

	c->irq_depth++;
	if (fn)
		fn((unsigned)regs->vector, regs);
	else
		klog_warn("interrupt with vector %lu has no handler", regs->vector);
	c->irq_depth--;
}

void trap_dispatch(struct user_regs *regs)
{
	if (likely(regs->vector == VEC_PF))
		page_fault(regs);
	else if (regs->vector >= VECTOR_IRQ_FIRST)
		interrupt(regs);
	else if (regs_from_user(regs))
		user_exception(regs);
	else
		kernel_exception(regs);
}

void trap_paranoid(struct user_regs *regs)
{
	vaddr_t va = cr2_read();

	if (regs->vector == VEC_NMI) {
		if (panic_in_progress())
			panic_park(regs);
		/* Somebody outside wants to see what a machine that hangs is doing. */
		panic_hang(regs);
	}
	if (regs->vector == VEC_MC)
		panic_regs(regs, "machine check");
	/* The CPU could not push the frame of a fault: CR2 says where the stack ended. */
	if (is_stack_guard(va))
		panic_regs(regs,
			"kernel stack overflow: the stack reached the guard page at %016lx", va);
	panic_regs(regs, "double fault (last page-fault address %016lx)", va);
}
