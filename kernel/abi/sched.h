/* clone(2), scheduling, prctl(2), membarrier(2), arch_prctl(2). Sources: linux/sched.h,
 * linux/sched/types.h, linux/prctl.h, linux/membarrier.h, asm/prctl.h. */
#ifndef ABI_SCHED_H
#define ABI_SCHED_H

#include <stdint.h>

#define CSIGNAL		     0x000000ffull
#define CLONE_VM	     0x00000100ull
#define CLONE_FS	     0x00000200ull
#define CLONE_FILES	     0x00000400ull
#define CLONE_SIGHAND	     0x00000800ull
#define CLONE_PIDFD	     0x00001000ull
#define CLONE_PTRACE	     0x00002000ull
#define CLONE_VFORK	     0x00004000ull
#define CLONE_PARENT	     0x00008000ull
#define CLONE_THREAD	     0x00010000ull
#define CLONE_NEWNS	     0x00020000ull
#define CLONE_SYSVSEM	     0x00040000ull
#define CLONE_SETTLS	     0x00080000ull
#define CLONE_PARENT_SETTID  0x00100000ull
#define CLONE_CHILD_CLEARTID 0x00200000ull
#define CLONE_DETACHED	     0x00400000ull
#define CLONE_UNTRACED	     0x00800000ull
#define CLONE_CHILD_SETTID   0x01000000ull
#define CLONE_NEWCGROUP	     0x02000000ull
#define CLONE_NEWUTS	     0x04000000ull
#define CLONE_NEWIPC	     0x08000000ull
#define CLONE_NEWUSER	     0x10000000ull
#define CLONE_NEWPID	     0x20000000ull
#define CLONE_NEWNET	     0x40000000ull
#define CLONE_IO	     0x80000000ull
#define CLONE_CLEAR_SIGHAND  0x100000000ull
#define CLONE_INTO_CGROUP    0x200000000ull
#define CLONE_NEWTIME	     0x00000080ull

struct abi_clone_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal;
	uint64_t stack, stack_size, tls; /* CLONE_ARGS_SIZE_VER0 ends here */
	uint64_t set_tid, set_tid_size;	 /* VER1 */
	uint64_t cgroup;		 /* VER2 */
};
_Static_assert(sizeof(struct abi_clone_args) == 88, "struct clone_args");
#define CLONE_ARGS_SIZE_VER0 64
#define CLONE_ARGS_SIZE_VER1 80
#define CLONE_ARGS_SIZE_VER2 88

#define SCHED_OTHER	    0
#define SCHED_FIFO	    1
#define SCHED_RR	    2
#define SCHED_BATCH	    3
#define SCHED_IDLE	    5
#define SCHED_RESET_ON_FORK 0x40000000

#define PR_SET_PDEATHSIG       1
#define PR_GET_PDEATHSIG       2
#define PR_GET_DUMPABLE	       3
#define PR_SET_DUMPABLE	       4
#define PR_GET_KEEPCAPS	       7
#define PR_SET_KEEPCAPS	       8
#define PR_SET_NAME	       15
#define PR_GET_NAME	       16
#define PR_CAPBSET_READ	       23
#define PR_GET_TIMERSLACK      30
#define PR_SET_CHILD_SUBREAPER 36
#define PR_GET_CHILD_SUBREAPER 37
#define PR_SET_NO_NEW_PRIVS    38
#define PR_GET_NO_NEW_PRIVS    39

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004

#define MEMBARRIER_CMD_QUERY			  0
#define MEMBARRIER_CMD_GLOBAL			  (1 << 0)
#define MEMBARRIER_CMD_GLOBAL_EXPEDITED		  (1 << 1)
#define MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED  (1 << 2)
#define MEMBARRIER_CMD_PRIVATE_EXPEDITED	  (1 << 3)
#define MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED (1 << 4)

#define PERSONALITY_QUERY 0xffffffffu
#define ADDR_NO_RANDOMIZE 0x0040000u

#define LINUX_CAPABILITY_VERSION_1 0x19980330u
#define LINUX_CAPABILITY_VERSION_2 0x20071026u
#define LINUX_CAPABILITY_VERSION_3 0x20080522u
struct abi_cap_header {
	uint32_t version;
	int32_t pid;
};
struct abi_cap_data {
	uint32_t effective, permitted, inheritable;
};

#endif
