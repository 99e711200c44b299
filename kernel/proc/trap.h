/* What the trap code of arch/x86 calls of the process layer. */
#ifndef PROC_TRAP_H
#define PROC_TRAP_H

#include "mm/types.h"

struct user_regs;

/*
 * Before every return to user space (system call, trap, interrupt, first entry) arch tests, with
 * interrupts off, `thread->flags & (THREAD_SIGPENDING | THREAD_KILLED)` and `cpu->need_resched`; if
 * any is set it turns interrupts on, calls this, turns them off and tests again, until none is set.
 * Gives the CPU away when asked, delivers signals (changes regs), restarts or ends interrupted
 * system calls, ends the thread. => interrupts on, no lock held
 */
void return_to_user_work(struct user_regs *regs);

/*
 * A trap of user code that is a signal: signo and code (SEGV_MAPERR, ILL_ILLOPN, ...), addr for
 * si_addr, trapno for the frame. The signal is forced: blocked or ignored means death by it. The
 * caller goes on to the return path, where it is delivered. => interrupts on, no lock held
 */
void trap_user_fault(struct user_regs *regs, int signo, int code, uaddr_t addr, int trapno);

/*
 * Page fault of user code that mm_handle_fault answered with `err`: the one place that turns an
 * error into a signal. -EFAULT: SEGV_MAPERR; -EACCES: SEGV_ACCERR; -ENXIO, -EIO: SIGBUS
 * BUS_ADRERR; -ENOMEM: the process is killed; -EINTR: nothing, a fatal signal is on its way.
 */
void trap_user_page_fault(struct user_regs *regs, uaddr_t addr, int err);

#endif
