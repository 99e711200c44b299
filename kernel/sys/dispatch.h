/* The way in: from the system-call entry of arch/x86 to the function that does the call. */
#ifndef SYS_DISPATCH_H
#define SYS_DISPATCH_H

#include "lib/base.h"

struct user_regs;

/*
 * Do the system call that regs asks for (regs_syscall) and return its result, which the caller puts
 * into regs. Called on the thread's kernel stack with interrupts on; may sleep, may replace regs
 * (exec, rt_sigreturn), may not return (exit). On the way out arch looks at the thread's flags
 * (return_to_user_work in proc/trap.h).
 */
long syscall_dispatch(struct user_regs *regs);

#endif
