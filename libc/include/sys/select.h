/* select(2): up to 1024 descriptors, bit N of the array is descriptor N. */
#ifndef _SYS_SELECT_H
#define _SYS_SELECT_H

#include <sys/cdefs.h>
#include <sys/_sigset.h>
#include <sys/_timeval.h>
#include <sys/timespec.h>

#if !defined(_SIGSET_T_DECLARED)
#define _SIGSET_T_DECLARED
typedef __sigset_t sigset_t;
#endif

#define _SYS_TYPES_FD_SET
#define FD_SETSIZE 1024
#define NFDBITS	   (8 * (int)sizeof(fd_mask))

typedef unsigned long fd_mask;
typedef struct {
	fd_mask fds_bits[FD_SETSIZE / 64];
} fd_set;

#define FD_SET(n, p)   ((p)->fds_bits[(n) / 64] |= 1UL << ((n) % 64))
#define FD_CLR(n, p)   ((p)->fds_bits[(n) / 64] &= ~(1UL << ((n) % 64)))
#define FD_ISSET(n, p) (((p)->fds_bits[(n) / 64] >> ((n) % 64)) & 1)
#define FD_ZERO(p)     __builtin_memset((p), 0, sizeof(fd_set))

__BEGIN_DECLS

int select(int n, fd_set *rd, fd_set *wr, fd_set *ex, struct timeval *timeout);
int pselect(int n, fd_set *rd, fd_set *wr, fd_set *ex, const struct timespec *timeout,
	const sigset_t *mask);

__END_DECLS

#endif
