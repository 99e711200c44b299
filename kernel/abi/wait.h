/* wait4(2), waitid(2). Source: linux/wait.h. */
#ifndef ABI_WAIT_H
#define ABI_WAIT_H

#define WNOHANG	   0x1
#define WUNTRACED  0x2
#define WSTOPPED   0x2
#define WEXITED	   0x4
#define WCONTINUED 0x8
#define WNOWAIT	   0x1000000
/* __WNOTHREAD, __WALL, __WCLONE */
#define WLINUX_NOTHREAD 0x20000000
#define WLINUX_ALL	0x40000000
#define WLINUX_CLONE	0x80000000u

#define P_ALL	0
#define P_PID	1
#define P_PGID	2
#define P_PIDFD 3

/* Status words. */
#define WSTATUS_EXITED(code)  (((code)&0xff) << 8)
#define WSTATUS_KILLED(sig)   ((sig)&0x7f)
#define WSTATUS_STOPPED(sig)  (((sig) << 8) | 0x7f)
#define WSTATUS_CONTINUED     0xffff
#define WSTATUS_IS_EXITED(st) (((st)&0x7f) == 0)

#endif
