/* The table of system calls. */
#include "sys/dispatch.h"

#include "context.h"
#include "sched/thread.h"
#include "sys/sys.h"

typedef long (*syscall_fn)(const uint64_t *a);

#define SYS_ENTRY(nr, name) [nr] = sys_##name,
static const syscall_fn syscall_table[SYSCALL_TABLE_SIZE] = {SYSCALL_LIST(SYS_ENTRY)};
#undef SYS_ENTRY

void syscall_dispatch(struct user_regs *regs)
{
	uint64_t nr = regs_syscall_nr(regs);
	uint64_t args[6];
	long result = -ENOSYS;

	if (likely(nr < SYSCALL_TABLE_SIZE && syscall_table[nr])) {
		regs_syscall_args(regs, args);
		result = syscall_table[nr](args);
	}
	regs_set_result(regs, result);
	/* These never reach user space: the way out decides what becomes of them, also when the
	 * signal that cut the call short was taken by another thread. */
	if (unlikely(result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK))
		thread_set_flags(thread_current(), THREAD_SIGPENDING);
}
