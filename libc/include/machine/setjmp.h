/* setjmp's buffer: rbx rbp r12 r13 r14 r15 rsp rip, then whether there is a signal mask, then the
 * mask. */
#ifndef _MACHINE_SETJMP_H
#define _MACHINE_SETJMP_H

#include <sys/cdefs.h>

typedef long jmp_buf[10];
typedef jmp_buf sigjmp_buf;

__BEGIN_DECLS

int __sigjmp_save(sigjmp_buf env, int savemask);
void siglongjmp(sigjmp_buf env, int value) __attribute__((__noreturn__));
void _longjmp(jmp_buf env, int value) __attribute__((__noreturn__));

/* setjmp itself must be called from the frame that comes back, so saving the mask is a step before
 * it. */
#define sigsetjmp(env, savemask) (__sigjmp_save(env, savemask), setjmp(env))
#define _setjmp(env)		 setjmp(env)

__END_DECLS

#endif
