/* Processes: making, replacing, ending and waiting for them, and who they are. */
#include "syscall.h"
#include "thread.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * The locks of this library are held across the call, so that the child, in which only the calling
 * thread lives on, finds what they protect whole.
 */
pid_t fork(void)
{
	long ret;

	__fork_prepare();
	ret = RAW(fork);
	if (ret == 0) {
		thread_self()->tid = (int)RAW(gettid);
		__fork_child();
	} else {
		__fork_parent();
	}
	return (pid_t)__syscall_result(ret);
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	return (int)SYS(execve, path, argv, envp);
}

int fexecve(int fd, char *const argv[], char *const envp[])
{
	return (int)SYS(execveat, fd, "", argv, envp, AT_EMPTY_PATH);
}

void _exit(int status)
{
	for (;;)
		RAW(exit_group, status);
}

pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	return (pid_t)SYS(wait4, pid, status, options, usage);
}

pid_t wait3(int *status, int options, struct rusage *usage)
{
	return wait4(-1, status, options, usage);
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	return wait4(pid, status, options, NULL);
}

pid_t wait(int *status)
{
	return waitpid(-1, status, 0);
}

int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	return (int)SYS(waitid, type, id, info, options, NULL);
}

pid_t getpid(void)
{
	return (pid_t)RAW(getpid);
}

pid_t getppid(void)
{
	return (pid_t)RAW(getppid);
}

pid_t gettid(void)
{
	return (pid_t)RAW(gettid);
}

pid_t getpgrp(void)
{
	return (pid_t)RAW(getpgrp);
}

pid_t getpgid(pid_t pid)
{
	return (pid_t)SYS(getpgid, pid);
}

int setpgid(pid_t pid, pid_t pgrp)
{
	return (int)SYS(setpgid, pid, pgrp);
}

int setpgrp(void)
{
	return setpgid(0, 0);
}

pid_t getsid(pid_t pid)
{
	return (pid_t)SYS(getsid, pid);
}

pid_t setsid(void)
{
	return (pid_t)SYS(setsid);
}

uid_t getuid(void)
{
	return (uid_t)RAW(getuid);
}

uid_t geteuid(void)
{
	return (uid_t)RAW(geteuid);
}

gid_t getgid(void)
{
	return (gid_t)RAW(getgid);
}

gid_t getegid(void)
{
	return (gid_t)RAW(getegid);
}

int getresuid(uid_t *ruid, uid_t *euid, uid_t *suid)
{
	return (int)SYS(getresuid, ruid, euid, suid);
}

int getresgid(gid_t *rgid, gid_t *egid, gid_t *sgid)
{
	return (int)SYS(getresgid, rgid, egid, sgid);
}

int setuid(uid_t uid)
{
	return (int)SYS(setuid, uid);
}

int setgid(gid_t gid)
{
	return (int)SYS(setgid, gid);
}

int setreuid(uid_t ruid, uid_t euid)
{
	return (int)SYS(setreuid, ruid, euid);
}

int setregid(gid_t rgid, gid_t egid)
{
	return (int)SYS(setregid, rgid, egid);
}

int seteuid(uid_t euid)
{
	return (int)SYS(setresuid, -1, euid, -1);
}

int setegid(gid_t egid)
{
	return (int)SYS(setresgid, -1, egid, -1);
}

int getgroups(int count, gid_t groups[])
{
	return (int)SYS(getgroups, count, groups);
}

int setgroups(int count, const gid_t *groups)
{
	return (int)SYS(setgroups, count, groups);
}

int getrusage(int who, struct rusage *usage)
{
	return (int)SYS(getrusage, who, usage);
}

int prlimit(pid_t pid, int which, const struct rlimit *limit, struct rlimit *old)
{
	return (int)SYS(prlimit64, pid, which, limit, old);
}

int getrlimit(int which, struct rlimit *limit)
{
	return prlimit(0, which, NULL, limit);
}

int setrlimit(int which, const struct rlimit *limit)
{
	return prlimit(0, which, limit, NULL);
}

/* The kernel gives 20 - nice, so that no result is negative. */
int getpriority(int which, id_t who)
{
	long ret = SYS(getpriority, which, who);

	return ret < 0 ? -1 : (int)(20 - ret);
}

int setpriority(int which, id_t who, int value)
{
	return (int)SYS(setpriority, which, who, value);
}

int nice(int increment)
{
	int value;

	errno = 0;
	value = getpriority(PRIO_PROCESS, 0) + increment;
	if (errno || setpriority(PRIO_PROCESS, 0, value) < 0)
		return -1;
	return getpriority(PRIO_PROCESS, 0);
}

int sched_yield(void)
{
	return (int)SYS(sched_yield);
}

int sched_getcpu(void)
{
	unsigned int cpu;

	return SYS(getcpu, &cpu, NULL, NULL) < 0 ? -1 : (int)cpu;
}

int prctl(int option, ...)
{
	long a[4];
	va_list ap;

	va_start(ap, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return (int)SYS(prctl, option, a[0], a[1], a[2], a[3]);
}
