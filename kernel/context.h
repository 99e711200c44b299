/*
 * Machine state of threads: kernel context switch, user registers, FPU, signal frames. Implemented
 * by arch/x86. User registers lie at the top of the thread's kernel stack while it is in the
 * kernel.
 */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "lib/base.h"
#include "mm/types.h"

struct thread;
struct user_regs;
struct sigaction_info;
struct ksiginfo;

/* What a thread keeps besides its stack. Embedded in struct thread. */
struct arch_thread {
	uint64_t sp;		   /* kernel stack pointer while switched out */
	uint64_t fs_base, gs_base; /* user's, while switched out */
	void *fpu;		   /* XSAVE area, 64-byte aligned; NULL for kernel threads */
};

/* Once, after slab_init. */
void context_init(void);
/* Make `t` start in fn(arg) on its kernel stack. */
void context_init_kernel(struct thread *t, void (*fn)(void *arg), void *arg);
/*
 * Make `child` (a new user thread) return to user space with the registers of `regs`, result 0,
 * and, when they are not zero, a new stack pointer and (set_tls) a new TLS base. Copies the FPU
 * state of the current thread. 0 or -ENOMEM.
 */
int __must_check context_init_user(
	struct thread *child, const struct user_regs *regs, uaddr_t sp, bool set_tls, uaddr_t tls);
/* Called by the scheduler with the run queue locked and interrupts off: registers, stack, TLS, FPU,
 * page table. */
void context_switch(struct thread *prev, struct thread *next);
/* The XSAVE area of a thread that will never run again (or never did). */
void context_free(struct thread *t);

/* The user registers of the current thread as they will be at return to user space. */
struct user_regs *context_user_regs(void);
/* exec: all registers zero, entry and stack as given, FPU and TLS reset. */
void context_exec(struct user_regs *regs, uaddr_t entry, uaddr_t sp);
/* First entry to user mode of a thread made by context_init_kernel (init). Does not return. */
__noreturn void context_enter_user(void);

uaddr_t regs_pc(const struct user_regs *regs);
uaddr_t regs_sp(const struct user_regs *regs);
uint64_t regs_syscall_nr(const struct user_regs *regs); /* UINT64_MAX: not in a system call */
/* Go back to the system-call instruction, with number nr in its register (restart). */
void regs_restart_syscall(struct user_regs *regs, uint64_t nr);
void regs_set_result(struct user_regs *regs, long value);
int64_t regs_result(const struct user_regs *regs);
/* TLS bases of the current thread: arch_prctl(2). code: ARCH_*; 0, -EINVAL, -EPERM (not canonical),
 * -EFAULT. */
long context_arch_prctl(int code, uaddr_t addr);

/*
 * Signal frames in Linux's layout (struct rt_sigframe). Push: save regs, mask and FPU state on the
 * user stack (alternate stack [ss_sp, +ss_size) if on_altstack) and make regs enter the handler.
 * -EFAULT if it cannot be written.
 */
struct signal_delivery {
	int signo;
	uaddr_t handler, restorer;
	bool siginfo;	  /* SA_SIGINFO: the handler takes three arguments (they are always passed);
		       * without it the frame's siginfo is not written */
	uint64_t oldmask; /* to be restored by sigreturn */
	const void *info; /* struct abi siginfo, 128 bytes */
	bool on_altstack; /* switch to the alternate stack now */
	uaddr_t ss_sp;
	uint64_t ss_size;
	int ss_flags; /* what uc_stack says */
	int trapno;   /* of a fault signal, for the frame's trapno; else 0 */
	uaddr_t cr2;  /* its address */
};
int __must_check signal_frame_push(struct user_regs *regs, const struct signal_delivery *d);
/* rt_sigreturn(2): restore regs and FPU from the frame; *mask and the uc_stack fields for the
 * caller. -EFAULT: kill. */
struct signal_restore {
	uint64_t mask;
	uaddr_t ss_sp;
	uint64_t ss_size;
	int ss_flags;
};
int __must_check signal_frame_pop(struct user_regs *regs, struct signal_restore *r);

#endif
