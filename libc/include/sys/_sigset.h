/* One bit a signal, bit 0 for signal 1; 64 signals as the kernel has them. */
#ifndef _SYS__SIGSET_H_
#define _SYS__SIGSET_H_

typedef unsigned long __sigset_t;

#endif
