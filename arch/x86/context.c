/*
 * Machine state of threads: first frames, the switch, exec, TLS bases.
 *
 * The top of every kernel stack is kept for the user registers, also in kernel threads, so that one
 * of them can become a program (init). FS and GS bases: with FSGSBASE user code may write them at
 * any time, so they are read at the switch; without it only arch_prctl writes them, and
 * thread->arch has them. In the kernel GS is struct cpu and the user's base waits in
 * KERNEL_GS_BASE.
 */
#include "context.h"
#include "cpu_bits.h"
#include "cpu_features.h"
#include "fpu.h"
#include "gdt.h"
#include "insn.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "mm/pmap.h"
#include "panic.h"
#include "regs.h"
#include "sched/thread.h"
#include "usercopy.h"

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

/* What context_switch_stack pops. */
struct switch_frame {
	uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

void context_switch_stack(uint64_t *save_sp, uint64_t new_sp);
extern const char context_start_kernel[], context_start_user[];
__noreturn void context_enter_user_regs(struct user_regs *regs);

void context_init(void)
{
	fpu_init();
}

static uint64_t stack_top(const struct thread *t)
{
	return (uint64_t)t->stack + KERNEL_STACK_PAGES * PAGE_SIZE;
}

static struct user_regs *thread_user_regs(const struct thread *t)
{
	return (struct user_regs *)(stack_top(t) - sizeof(struct user_regs));
}

struct user_regs *context_user_regs(void)
{
	return (struct user_regs *)(cpu_field(kernel_sp) - sizeof(struct user_regs));
}

static struct switch_frame *first_frame(struct thread *t, const char *entry)
{
	struct switch_frame *f = (struct switch_frame *)thread_user_regs(t) - 1;

	memset(f, 0, sizeof(*f));
	f->rip = (uint64_t)entry;
	t->arch.sp = (uint64_t)f;
	return f;
}

void context_init_kernel(struct thread *t, void (*fn)(void *arg), void *arg)
{
	struct switch_frame *f = first_frame(t, context_start_kernel);

	f->r12 = (uint64_t)fn;
	f->r13 = (uint64_t)arg;
	t->arch.fpu = NULL;
}

/* The user's bases of the current thread. */
static uint64_t fs_base_get(void)
{
	uint64_t v;

	if (!cpu_features.fsgsbase)
		return thread_current()->arch.fs_base;
	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}

/* => interrupts off */
static uint64_t gs_base_get(void)
{
	uint64_t v;

	if (!cpu_features.fsgsbase)
		return thread_current()->arch.gs_base;
	__asm__ volatile("swapgs; rdgsbase %0; swapgs" : "=r"(v));
	return v;
}

static void fs_base_load(uint64_t v)
{
	if (cpu_features.fsgsbase)
		__asm__ volatile("wrfsbase %0" : : "r"(v));
	else
		msr_write(MSR_FS_BASE, v);
}

/* => interrupts off */
static void gs_base_load(uint64_t v)
{
	if (cpu_features.fsgsbase)
		__asm__ volatile("swapgs; wrgsbase %0; swapgs" : : "r"(v));
	else
		msr_write(MSR_KERNEL_GS_BASE, v);
}

int context_init_user(
	struct thread *child, const struct user_regs *regs, uaddr_t sp, bool set_tls, uaddr_t tls)
{
	struct user_regs *child_regs = thread_user_regs(child);
	irqflags_t flags;

	child->arch.fpu = fpu_alloc();
	if (!child->arch.fpu)
		return -ENOMEM;
	flags = irq_save();
	if (thread_current()->arch.fpu)
		fpu_save_full(child->arch.fpu);
	child->arch.fs_base = set_tls ? tls : fs_base_get();
	child->arch.gs_base = gs_base_get();
	irq_restore(flags);
	first_frame(child, context_start_user);
	*child_regs = *regs;
	child_regs->rax = 0;
	child_regs->vector = VECTOR_NONE;
	if (sp)
		child_regs->rsp = sp;
	return 0;
}

void context_free(struct thread *t)
{
	if (t->arch.fpu)
		fpu_free(t->arch.fpu);
	t->arch.fpu = NULL;
}

/* What user mode of prev may have changed. */
static void save_user_state(struct thread *prev)
{
	if (!prev->arch.fpu || prev->state == THREAD_DEAD)
		return;
	fpu_save(prev->arch.fpu);
	/* Without FSGSBASE thread->arch has them already; `current` is next's by now. */
	if (cpu_features.fsgsbase) {
		prev->arch.fs_base = fs_base_get();
		prev->arch.gs_base = gs_base_get();
	}
}

static void load_user_state(struct thread *next)
{
	if (!next->arch.fpu)
		return;
	fpu_load(next->arch.fpu);
	fs_base_load(next->arch.fs_base);
	gs_base_load(next->arch.gs_base);
}

void context_switch(struct thread *prev, struct thread *next)
{
	struct cpu *c = this_cpu();

	save_user_state(prev);
	if (c->loaded != next->pmap)
		pmap_load(next->pmap);
	load_user_state(next);
	gdt_set_kernel_sp(c, stack_top(next));
	context_switch_stack(&prev->arch.sp, next->arch.sp);
}

static void set_fs_base(uint64_t v)
{
	irqflags_t flags = irq_save();

	thread_current()->arch.fs_base = v;
	fs_base_load(v);
	irq_restore(flags);
}

static void set_gs_base(uint64_t v)
{
	irqflags_t flags = irq_save();

	thread_current()->arch.gs_base = v;
	gs_base_load(v);
	irq_restore(flags);
}

void context_exec(struct user_regs *regs, uaddr_t entry, uaddr_t sp)
{
	struct thread *t = thread_current();
	irqflags_t flags;

	assert(entry < USER_MAX);
	memset(regs, 0, sizeof(*regs));
	regs->vector = VECTOR_NONE;
	regs->rip = entry;
	regs->cs = SEL_USER_CODE;
	regs->rflags = RFLAGS_FIXED | RFLAGS_IF;
	regs->rsp = sp;
	regs->ss = SEL_USER_DATA;
	if (!t->arch.fpu) {
		/* A kernel thread becomes the first program. */
		t->arch.fpu = fpu_alloc();
		if (!t->arch.fpu)
			panic("no memory for the registers of the first program");
	}
	flags = irq_save();
	fpu_reset();
	irq_restore(flags);
	set_fs_base(0);
	set_gs_base(0);
}

void context_enter_user(void)
{
	context_enter_user_regs(context_user_regs());
}

long context_arch_prctl(int code, uaddr_t addr)
{
	irqflags_t flags;
	uint64_t base;

	switch (code) {
	case ARCH_SET_FS:
	case ARCH_SET_GS:
		if (addr >= USER_MAX)
			return -EPERM;
		if (code == ARCH_SET_FS)
			set_fs_base(addr);
		else
			set_gs_base(addr);
		return 0;
	case ARCH_GET_FS:
	case ARCH_GET_GS:
		flags = irq_save();
		base = code == ARCH_GET_FS ? fs_base_get() : gs_base_get();
		irq_restore(flags);
		return copy_to_user(addr, &base, sizeof(base));
	default:
		return -EINVAL;
	}
}
