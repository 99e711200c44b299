/* The table of system calls. */
#include "sys/dispatch.h"

#include "sched/thread.h"
#include "sys/sys.h"

typedef long (*syscall_fn)(const uint64_t *a);

#define SYS_ENTRY(nr, name) [nr] = sys_##name,
static const syscall_fn syscall_table[SYSCALL_TABLE_SIZE] = {SYSCALL_LIST(SYS_ENTRY)};
#undef SYS_ENTRY

long syscall_dispatch(uint64_t nr, const uint64_t *args)
{
	long result;

	if (unlikely(nr >= SYSCALL_TABLE_SIZE || !syscall_table[nr]))
		return -ENOSYS;
	result = syscall_table[nr](args);
	/* These never reach user space: the way out decides what becomes of them, also when the
	 * signal that cut the call short was taken by another thread. */
	if (unlikely(result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK))
		thread_set_flags(thread_current(), THREAD_SIGPENDING);
	return result;
}
