/* Faults of user code become signals here. */
#include "proc/trap.h"

#include "context.h"
#include "klog.h"
#include "lib/string.h"
#include "panic.h"
#include "proc/fault_report.h"
#include "proc/signal.h"

void trap_user_fault(struct user_regs *regs, int signo, int code, uaddr_t addr, int trapno)
{
	struct task *task = task_current();
	struct abi_siginfo info;

	if (unlikely(READ_ONCE(fault_report_wanted)) && signal_is_unhandled(task, signo))
		fault_report(task, regs, signo, addr);
	siginfo_clear(&info);
	info.si_signo = signo;
	info.si_code = code;
	info.u.fault.addr = addr;
	task->trapno = trapno;
	task->fault_addr = addr;
	signal_force(task, &info);
}

void trap_user_page_fault(struct user_regs *regs, uaddr_t addr, int err)
{
	struct task *task = task_current();
	struct process *p = task->process;
	irqflags_t flags;

	switch (err) {
	case -EFAULT:
		trap_user_fault(regs, SIGSEGV, SEGV_MAPERR, addr, 14);
		break;
	case -EACCES:
		trap_user_fault(regs, SIGSEGV, SEGV_ACCERR, addr, 14);
		break;
	case -EINTR:
		break;
	case -ENOMEM:
		/* Whoever could be ended was: what is left is init, and who runs in its memory. */
		if (p->is_init)
			panic("Out of memory: only init is left, and it wants more");
		flags = process_lock(p);
		signal_group_exit_locked(p, SIGKILL);
		process_unlock(p, flags);
		break;
	default:
		trap_user_fault(regs, SIGBUS, BUS_ADRERR, addr, 14);
	}
}
