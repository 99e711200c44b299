/* Signals. The kernel's struct sigaction has the restorer between flags and mask, and its sets are
 * 8 bytes. */
#include "syscall.h"
#include "thread.h"
#include <errno.h>
#include <reent.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SET_SIZE 8

struct kernel_sigaction {
	void *handler;
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

void __sigreturn(void);

int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
	struct kernel_sigaction kact, kold;

	if (act)
		kact = (struct kernel_sigaction){(void *)act->sa_handler,
			(unsigned int)act->sa_flags | SA_RESTORER, __sigreturn, act->sa_mask};
	if (SYS(rt_sigaction, sig, act ? &kact : NULL, old ? &kold : NULL, SET_SIZE) < 0)
		return -1;
	if (old) {
		old->sa_handler = (_sig_func_ptr)kold.handler;
		old->sa_flags = (int)(kold.flags & ~(unsigned long)SA_RESTORER);
		old->sa_mask = kold.mask;
	}
	return 0;
}

/* BSD's meaning: the handler stays, system calls are restarted. */
_sig_func_ptr signal(int sig, _sig_func_ptr handler)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;

	return sigaction(sig, &act, &old) < 0 ? SIG_ERR : old.sa_handler;
}

_sig_func_ptr _signal_r(struct _reent *reent, int sig, _sig_func_ptr handler)
{
	(void)reent;
	return signal(sig, handler);
}

int siginterrupt(int sig, int flag)
{
	struct sigaction act;

	if (sigaction(sig, NULL, &act) < 0)
		return -1;
	if (flag)
		act.sa_flags &= ~SA_RESTART;
	else
		act.sa_flags |= SA_RESTART;
	return sigaction(sig, &act, NULL);
}

int kill(pid_t pid, int sig)
{
	return (int)SYS(kill, pid, sig);
}

int killpg(pid_t pgrp, int sig)
{
	if (pgrp < 0) {
		errno = EINVAL;
		return -1;
	}
	return kill(-pgrp, sig);
}

int tgkill(pid_t tgid, pid_t tid, int sig)
{
	return (int)SYS(tgkill, tgid, tid, sig);
}

int raise(int sig)
{
	return (int)SYS(tgkill, getpid(), gettid(), sig);
}

int _raise_r(struct _reent *reent, int sig)
{
	(void)reent;
	return raise(sig);
}

int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
	return (int)SYS(rt_sigprocmask, how, set, old, SET_SIZE);
}

/* => 0 or the error number. */
int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	return (int)-RAW(rt_sigprocmask, how, set, old, SET_SIZE);
}

/* => 0 or the error number. */
int pthread_kill(pthread_t thread, int sig)
{
	return (int)-RAW(tgkill, getpid(), thread->tid, sig);
}

int sigaltstack(const stack_t *restrict ss, stack_t *restrict old)
{
	return (int)SYS(sigaltstack, ss, old);
}

int sigpending(sigset_t *set)
{
	return (int)SYS(rt_sigpending, set, SET_SIZE);
}

int sigsuspend(const sigset_t *mask)
{
	return (int)SYS(rt_sigsuspend, mask, SET_SIZE);
}

int pause(void)
{
	return (int)SYS(pause);
}

int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	return (int)SYS(rt_sigtimedwait, set, info, timeout, SET_SIZE);
}

int sigwaitinfo(const sigset_t *set, siginfo_t *info)
{
	return sigtimedwait(set, info, NULL);
}

/* => 0 or the error number. */
int sigwait(const sigset_t *set, int *sig)
{
	long ret;

	do
		ret = RAW(rt_sigtimedwait, set, NULL, NULL, SET_SIZE);
	while (ret == -EINTR);
	if (ret < 0)
		return (int)-ret;
	*sig = (int)ret;
	return 0;
}

int sigqueue(pid_t pid, int sig, const union sigval value)
{
	siginfo_t info = {.si_signo = sig, .si_code = SI_QUEUE};

	info.si_pid = getpid();
	info.si_uid = getuid();
	info.si_value = value;
	return (int)SYS(rt_sigqueueinfo, pid, sig, &info);
}

static int check(int sig)
{
	if (sig >= 1 && sig < NSIG)
		return 0;
	errno = EINVAL;
	return -1;
}

int sigaddset(sigset_t *set, const int sig)
{
	if (check(sig) < 0)
		return -1;
	*set |= 1UL << (sig - 1);
	return 0;
}

int sigdelset(sigset_t *set, const int sig)
{
	if (check(sig) < 0)
		return -1;
	*set &= ~(1UL << (sig - 1));
	return 0;
}

int sigismember(const sigset_t *set, int sig)
{
	return check(sig) < 0 ? -1 : (int)(*set >> (sig - 1) & 1);
}

int sigemptyset(sigset_t *set)
{
	*set = 0;
	return 0;
}

int sigfillset(sigset_t *set)
{
	*set = ~0UL;
	return 0;
}

int getitimer(int which, struct itimerval *value)
{
	return (int)SYS(getitimer, which, value);
}

int setitimer(int which, const struct itimerval *restrict value, struct itimerval *restrict old)
{
	return (int)SYS(setitimer, which, value, old);
}

unsigned int alarm(unsigned int seconds)
{
	return (unsigned int)RAW(alarm, seconds);
}

/* The two halves of sigsetjmp and siglongjmp that are not a jump: see <machine/setjmp.h>. */
int __sigjmp_save(sigjmp_buf env, int savemask)
{
	env[8] = savemask != 0;
	return savemask ? sigprocmask(SIG_SETMASK, NULL, (sigset_t *)&env[9]) : 0;
}

void siglongjmp(sigjmp_buf env, int value)
{
	if (env[8])
		sigprocmask(SIG_SETMASK, (sigset_t *)&env[9], NULL);
	longjmp(env, value);
}
