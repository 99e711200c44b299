/* The way in: from the system-call entry of arch/x86 to the function that does the call. */
#ifndef SYS_DISPATCH_H
#define SYS_DISPATCH_H

#include "lib/base.h"

/*
 * Do system call nr with six arguments, which lie in the saved registers, and return its result,
 * which the caller puts there. Called on the thread's kernel stack with interrupts on; may sleep,
 * may replace the registers (exec, rt_sigreturn), may not return (exit). On the way out arch looks
 * at the thread's flags (return_to_user_work in proc/trap.h).
 */
long syscall_dispatch(uint64_t nr, const uint64_t *args);

#endif
