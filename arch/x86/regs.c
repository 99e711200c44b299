/* The portable questions about saved registers (context.h), their print, and backtraces. */
#include "regs.h"
#include "boot.h"
#include "context.h"
#include "cpu.h"
#include "klog.h"
#include "insn.h"
#include "mm/pmap.h"
#include "panic.h"
#include "pte.h"
#include "sched/thread.h"

#define REGS_AT(field, offset)                                                    \
	_Static_assert(offsetof(struct user_regs, field) == (offset), "entry.S: " \
								      "user_regs." #field)
REGS_AT(rbp, REGS_RBP);
REGS_AT(r10, REGS_R10);
REGS_AT(r9, REGS_R9);
REGS_AT(r8, REGS_R8);
REGS_AT(rax, REGS_RAX);
REGS_AT(rdx, REGS_RDX);
REGS_AT(rsi, REGS_RSI);
REGS_AT(rdi, REGS_RDI);
REGS_AT(vector, REGS_VECTOR);
REGS_AT(rip, REGS_RIP);
REGS_AT(cs, REGS_CS);
REGS_AT(rflags, REGS_RFLAGS);
REGS_AT(rsp, REGS_RSP);
_Static_assert(sizeof(struct user_regs) == REGS_SIZE, "entry.S: struct user_regs");
_Static_assert(offsetof(struct cpu, kernel_sp) == CPU_KERNEL_SP, "entry.S: cpu.kernel_sp");
_Static_assert(offsetof(struct cpu, user_sp) == CPU_USER_SP, "entry.S: cpu.user_sp");
_Static_assert(offsetof(struct cpu, current) == CPU_CURRENT, "entry.S: cpu.current");
_Static_assert(offsetof(struct cpu, need_resched) == CPU_NEED_RESCHED, "entry.S: need_resched");
_Static_assert(offsetof(struct thread, flags) == THREAD_FLAGS, "entry.S: thread.flags");
_Static_assert((THREAD_SIGPENDING | THREAD_KILLED) == 3, "entry.S: thread.flags");

#define SYSCALL_INSN_SIZE 2u /* 0f 05 */

uaddr_t regs_pc(const struct user_regs *regs)
{
	return regs->rip;
}

uaddr_t regs_sp(const struct user_regs *regs)
{
	return regs->rsp;
}

uint64_t regs_syscall_nr(const struct user_regs *regs)
{
	return regs->vector == VECTOR_SYSCALL ? regs->error : UINT64_MAX;
}

void regs_restart_syscall(struct user_regs *regs, uint64_t nr)
{
	regs->rax = nr;
	regs->rip -= SYSCALL_INSN_SIZE;
	regs->vector = VECTOR_NONE;
}

void regs_set_result(struct user_regs *regs, long value)
{
	regs->rax = (uint64_t)value;
}

int64_t regs_result(const struct user_regs *regs)
{
	return (int64_t)regs->rax;
}

void regs_print(const struct user_regs *r)
{
	klog(KLOG_EMERG, "rip %04lx:%016lx  rsp %04lx:%016lx  rflags %08lx", r->cs, r->rip, r->ss,
		r->rsp, r->rflags);
	klog(KLOG_EMERG, "rax %016lx  rbx %016lx  rcx %016lx  rdx %016lx", r->rax, r->rbx, r->rcx,
		r->rdx);
	klog(KLOG_EMERG, "rsi %016lx  rdi %016lx  rbp %016lx  r8  %016lx", r->rsi, r->rdi, r->rbp,
		r->r8);
	klog(KLOG_EMERG, "r9  %016lx  r10 %016lx  r11 %016lx  r12 %016lx", r->r9, r->r10, r->r11,
		r->r12);
	klog(KLOG_EMERG, "r13 %016lx  r14 %016lx  r15 %016lx", r->r13, r->r14, r->r15);
	klog(KLOG_EMERG, "vector %lu  error %#lx  cr2 %016lx  cr3 %016lx", r->vector, r->error,
		cr2_read(), cr3_read());
}

/* May the two words of a stack frame be read? Before physmap_init only the boot stack counts. */
static bool frame_readable(uintptr_t fp)
{
	paddr_t pa;

	if (fp % 8 || fp < USER_MAX || (fp & PAGE_MASK) > PAGE_SIZE - 16)
		return false;
	if (!pmap_kernel_root)
		return fp >= (uintptr_t)boot_stack && fp + 16 <= (uintptr_t)boot_stack_top;
	return pmap_kernel_query(fp, &pa);
}

static unsigned walk(uintptr_t fp, uintptr_t *pc, unsigned n, unsigned max)
{
	while (n < max && frame_readable(fp)) {
		const uintptr_t *frame = (const uintptr_t *)fp;

		if (frame[1] < USER_MAX)
			break;
		/* The call, not what follows it: that may be the next function already. */
		pc[n++] = frame[1] - 1;
		if (frame[0] <= fp)
			break; /* stacks grow down, callers lie above */
		fp = frame[0];
	}
	return n;
}

unsigned backtrace_collect(const struct user_regs *regs, uintptr_t *pc, unsigned max)
{
	unsigned n = 0;

	if (!regs)
		return walk((uintptr_t)__builtin_frame_address(0), pc, 0, max);
	if (n < max)
		pc[n++] = regs->rip;
	if (regs_from_user(regs))
		return n;
	/* A call through a bad pointer: the caller is still on the top of the stack. */
	if (n < max && regs->vector == VEC_PF && regs->rip == cr2_read() &&
		frame_readable(regs->rsp))
		pc[n++] = *(const uintptr_t *)regs->rsp - 1;
	return walk(regs->rbp, pc, n, max);
}

unsigned backtrace_collect_thread(const struct thread *t, uintptr_t *pc, unsigned max)
{
	const uintptr_t *sp = (const uintptr_t *)t->arch.sp;

	/* context_switch_stack: r15 r14 r13 r12 rbx rbp, return address */
	if (!sp || max == 0)
		return 0;
	pc[0] = sp[6] - 1;
	return walk(sp[5], pc, 1, max);
}
