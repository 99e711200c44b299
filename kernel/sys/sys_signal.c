/* Signals. */
#include "abi/signal.h"
#include "context.h"
#include "lib/string.h"
#include "proc/signal.h"
#include "proc/sleep.h"
#include "sys/sys.h"

long sys_kill(const uint64_t *a)
{
	return signal_kill((int)a[0], (int)a[1]);
}

long sys_tkill(const uint64_t *a)
{
	if ((int)a[0] <= 0)
		return -EINVAL;
	return signal_tgkill(0, (int)a[0], (int)a[1]);
}

long sys_tgkill(const uint64_t *a)
{
	if ((int)a[0] <= 0)
		return -EINVAL;
	return signal_tgkill((int)a[0], (int)a[1], (int)a[2]);
}

static long queue_info(int tgid, int tid, int sig, uaddr_t addr)
{
	struct abi_siginfo info;

	if (copy_from_user(&info, addr, sizeof(info)))
		return -EFAULT;
	info.si_signo = sig;
	return signal_queue(tgid, tid, &info);
}

long sys_rt_sigqueueinfo(const uint64_t *a)
{
	return queue_info((int)a[0], 0, (int)a[1], a[2]);
}

long sys_rt_tgsigqueueinfo(const uint64_t *a)
{
	if ((int)a[0] <= 0 || (int)a[1] <= 0)
		return -EINVAL;
	return queue_info((int)a[0], (int)a[1], (int)a[2], a[3]);
}

long sys_rt_sigaction(const uint64_t *a)
{
	struct abi_sigaction act, old;
	int err;

	if (a[3] != sizeof(sigset_k))
		return -EINVAL;
	if (a[1] && copy_from_user(&act, a[1], sizeof(act)))
		return -EFAULT;
	err = signal_action((int)a[0], a[1] ? &act : NULL, a[2] ? &old : NULL);
	if (!err && a[2])
		err = copy_to_user(a[2], &old, sizeof(old));
	return err;
}

long sys_rt_sigprocmask(const uint64_t *a)
{
	sigset_k set, old;
	int err;

	if (a[3] != sizeof(sigset_k))
		return -EINVAL;
	if (a[1] && copy_from_user(&set, a[1], sizeof(set)))
		return -EFAULT;
	err = signal_procmask((int)a[0], a[1] ? &set : NULL, &old);
	if (!err && a[2])
		err = copy_to_user(a[2], &old, sizeof(old));
	return err;
}

long sys_rt_sigpending(const uint64_t *a)
{
	sigset_k set = signal_pending_set();

	if (a[1] > sizeof(set))
		return -EINVAL;
	return copy_to_user(a[0], &set, a[1]);
}

long sys_rt_sigsuspend(const uint64_t *a)
{
	sigset_k set;
	int err = sys_sigset_get(a[0], a[1], &set);

	return err ? err : signal_suspend(set);
}

long sys_pause(const uint64_t *a)
{
	(void)a;
	return signal_pause();
}

long sys_rt_sigtimedwait(const uint64_t *a)
{
	struct abi_siginfo info;
	uint64_t deadline;
	sigset_k set;
	long sig = sys_sigset_get(a[0], a[3], &set);

	if (!sig)
		sig = sys_deadline_get(a[2], &deadline);
	if (sig)
		return sig;
	sig = signal_timedwait(set, &info, deadline);
	siginfo_finish(&info);
	if (sig > 0 && a[1] && copy_to_user(a[1], &info, sizeof(info)))
		return -EFAULT;
	return sig;
}

long sys_sigaltstack(const uint64_t *a)
{
	struct abi_stack ss, old;
	int err;

	if (a[0] && copy_from_user(&ss, a[0], sizeof(ss)))
		return -EFAULT;
	err = signal_altstack(a[0] ? &ss : NULL, a[1] ? &old : NULL, regs_sp(context_user_regs()));
	if (!err && a[1])
		err = copy_to_user(a[1], &old, sizeof(old));
	return err;
}

long sys_rt_sigreturn(const uint64_t *a)
{
	(void)a;
	return signal_return(context_user_regs());
}

long sys_restart_syscall(const uint64_t *a)
{
	(void)a;
	return restart_syscall();
}
