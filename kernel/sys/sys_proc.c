/* Processes and threads: making, ending, waiting, numbers, groups, prctl. */
#include "abi/auxv.h"
#include "abi/sched.h"
#include "abi/wait.h"
#include "context.h"
#include "fs/file.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "proc/exec.h"
#include "proc/exit.h"
#include "proc/fork.h"
#include "proc/rusage.h"
#include "proc/signal.h"
#include "proc/wait.h"
#include "sys/sys.h"

long sys_fork(const uint64_t *a)
{
	struct clone_request rq = {.exit_signal = SIGCHLD};

	(void)a;
	return process_do_fork(&rq);
}

long sys_vfork(const uint64_t *a)
{
	struct clone_request rq = {.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD};

	(void)a;
	return process_do_fork(&rq);
}

long sys_clone(const uint64_t *a)
{
	struct clone_request rq = {
		.flags = (uint32_t)a[0] & ~CSIGNAL,
		.exit_signal = (int)(a[0] & CSIGNAL),
		.stack = a[1],
		.parent_tid = a[2],
		.child_tid = a[3],
		.tls = a[4],
	};

	return process_do_fork(&rq);
}

/* The structure may be shorter or longer than ours; what is beyond must be zero. */
static int clone_args_get(uaddr_t addr, uint64_t size, struct abi_clone_args *args)
{
	memset(args, 0, sizeof(*args));
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	for (uint64_t i = sizeof(*args); i < size; i++) {
		uint8_t byte;

		if (copy_from_user(&byte, addr + i, 1))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return copy_from_user(args, addr, MIN(size, sizeof(*args)));
}

long sys_clone3(const uint64_t *a)
{
	struct abi_clone_args args;
	struct clone_request rq;
	int err = clone_args_get(a[0], a[1], &args);

	if (err)
		return err;
	if ((args.flags & (CSIGNAL | CLONE_DETACHED)) || args.exit_signal > NSIG)
		return -EINVAL;
	if ((args.flags & (CLONE_THREAD | CLONE_PARENT)) && args.exit_signal)
		return -EINVAL;
	if (!!args.stack != !!args.stack_size || args.set_tid || args.set_tid_size)
		return -EINVAL;
	if (args.stack && (args.stack >= USER_MAX || args.stack_size > USER_MAX - args.stack))
		return -EINVAL;
	rq = (struct clone_request){
		.flags = args.flags,
		.exit_signal = (int)args.exit_signal,
		.stack = args.stack + args.stack_size,
		.parent_tid = args.parent_tid,
		.child_tid = args.child_tid,
		.tls = args.tls,
	};
	return process_do_fork(&rq);
}

long sys_execve(const uint64_t *a)
{
	struct exec_request rq = {.argv = a[1], .envp = a[2]};
	char *name = sys_path_get(a[0]);
	long err;

	if (IS_ERR(name))
		return PTR_ERR(name);
	rq.name = name;
	err = process_exec(&rq);
	sys_path_put(name);
	return err;
}

/* The file of a descriptor, open for reading whatever the descriptor is open for. */
static struct file *execveat_file(struct file *f)
{
	if (!S_ISREG(f->inode->mode))
		return ERR_PTR(-EACCES);
	return f->path.dentry ? file_open(&f->path, O_RDONLY | O_LARGEFILE) : file_get(f);
}

/* The program has no path, so it gets one by way of its descriptor, as on Linux. */
static char *execveat_name(int fd, const char *rest)
{
	size_t size = sizeof("/dev/fd/-2147483648/") + strlen(rest);
	char *name = kmalloc(size, 0);

	if (name)
		fmt_snprintf(name, size, rest[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", fd, rest);
	return name;
}

long sys_execveat(const uint64_t *a)
{
	struct exec_request rq = {.argv = a[2], .envp = a[3]};
	unsigned flags = (unsigned)a[4];
	char *name = NULL;
	struct sys_at sa;
	long err;

	if (flags & ~(unsigned)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	err = sys_at_get(&sa, (int)a[0], a[1]);
	if (err)
		return err;
	rq.at = sa.at;
	rq.name = sa.name;
	rq.nofollow = flags & AT_SYMLINK_NOFOLLOW;
	if ((flags & AT_EMPTY_PATH) && !sa.name[0] && sa.file) {
		rq.file = execveat_file(sa.file);
		err = IS_ERR(rq.file) ? PTR_ERR(rq.file) : 0;
	}
	if (!err && sa.file) {
		rq.unreachable = fd_get_cloexec(sys_files(), (int)a[0]) == 1;
		rq.shown = name = execveat_name((int)a[0], sa.name);
		err = name ? 0 : -ENOMEM;
	}
	if (!err)
		err = process_exec(&rq);
	if (rq.file && !IS_ERR(rq.file))
		file_put(rq.file);
	kfree(name);
	sys_at_put(&sa);
	return err;
}

long sys_exit(const uint64_t *a)
{
	task_exit(WSTATUS_EXITED((int)a[0]));
}

long sys_exit_group(const uint64_t *a)
{
	process_exit(WSTATUS_EXITED((int)a[0]));
}

static long put_usage(uaddr_t addr, const struct process_usage *u)
{
	struct abi_rusage ru;

	if (!addr)
		return 0;
	rusage_fill(u, &ru);
	return copy_to_user(addr, &ru, sizeof(ru));
}

long sys_wait4(const uint64_t *a)
{
	int pid = (int)a[0];
	struct wait_request rq = {.which = P_ALL, .options = (unsigned)a[2] | WEXITED};
	struct wait_result res;
	long nr;

	if ((unsigned)a[2] & ~(WNOHANG | WUNTRACED | WCONTINUED | WLINUX_ALL | WLINUX_CLONE))
		return -EINVAL;
	if (pid == INT_MIN)
		return -ESRCH;
	if (pid > 0) {
		rq.which = P_PID;
		rq.nr = pid;
	} else if (pid != -1) {
		rq.which = P_PGID;
		rq.nr = -pid;
	}
	nr = process_wait(&rq, &res);
	if (nr <= 0)
		return nr;
	if (a[1] && copy_to_user(a[1], &res.status, sizeof(res.status)))
		return -EFAULT;
	return put_usage(a[3], &res.usage) ? -EFAULT : nr;
}

long sys_waitid(const uint64_t *a)
{
	struct wait_request rq = {.which = (int)a[0], .nr = (int)a[1], .options = (unsigned)a[3]};
	struct wait_result res;
	long nr;

	if ((rq.options & ~(WNOHANG | WEXITED | WSTOPPED | WCONTINUED | WNOWAIT | WLINUX_ALL |
				  WLINUX_CLONE)) ||
		!(rq.options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	if (rq.which != P_ALL && rq.which != P_PID && rq.which != P_PGID)
		return -EINVAL;
	if ((rq.which == P_PID && rq.nr <= 0) || (rq.which == P_PGID && rq.nr < 0))
		return -EINVAL;
	nr = process_wait(&rq, &res);
	if (nr < 0)
		return nr;
	if (nr == 0)
		siginfo_clear(&res.info);
	siginfo_finish(&res.info);
	if (a[2] && copy_to_user(a[2], &res.info, sizeof(res.info)))
		return -EFAULT;
	return nr && put_usage(a[4], &res.usage) ? -EFAULT : 0;
}

long sys_getpid(const uint64_t *a)
{
	(void)a;
	return process_current()->node.nr;
}

long sys_gettid(const uint64_t *a)
{
	(void)a;
	return task_current()->node.nr;
}

long sys_getppid(const uint64_t *a)
{
	(void)a;
	return process_ppid(process_current());
}

long sys_getpgrp(const uint64_t *a)
{
	(void)a;
	return process_getpgid(0);
}

long sys_getpgid(const uint64_t *a)
{
	return process_getpgid((int)a[0]);
}

long sys_setpgid(const uint64_t *a)
{
	if ((int)a[0] < 0)
		return -ESRCH;
	return process_setpgid((int)a[0], (int)a[1]);
}

long sys_getsid(const uint64_t *a)
{
	return process_getsid((int)a[0]);
}

long sys_setsid(const uint64_t *a)
{
	(void)a;
	return process_setsid();
}

long sys_set_tid_address(const uint64_t *a)
{
	struct task *task = task_current();

	task->clear_child_tid = a[0];
	return task->node.nr;
}

long sys_arch_prctl(const uint64_t *a)
{
	return context_arch_prctl((int)a[0], a[1]);
}

/* Only the answers to a query are kept; the address space is laid out by them at the next exec. */
long sys_personality(const uint64_t *a)
{
	struct process *p = process_current();
	uint32_t old = p->personality, want = (uint32_t)a[0];

	if (want == PERSONALITY_QUERY)
		return old;
	if (want & ~ADDR_NO_RANDOMIZE)
		return -EINVAL;
	p->personality = want;
	return old;
}

static long prctl_name(uaddr_t addr, bool set)
{
	char name[THREAD_NAME_MAX] = {0};
	struct task *task = task_current();
	irqflags_t flags;
	ssize_t n;

	if (!set) {
		memcpy(name, task->thread->name, sizeof(name));
		return copy_to_user(addr, name, sizeof(name));
	}
	n = strncpy_from_user(name, addr, sizeof(name) - 1);
	if (n < 0 && n != -ENAMETOOLONG)
		return n;
	name[sizeof(name) - 1] = 0;
	flags = process_lock(task->process);
	memcpy(task->thread->name, name, sizeof(name));
	if (task == task->process->main_task)
		memcpy(task->process->comm, name, sizeof(name));
	process_unlock(task->process, flags);
	return 0;
}

static long put_int(uaddr_t addr, int v)
{
	return copy_to_user(addr, &v, sizeof(v));
}

long sys_prctl(const uint64_t *a)
{
	struct process *p = process_current();

	switch ((int)a[0]) {
	case PR_SET_PDEATHSIG:
		if (a[1] > NSIG)
			return -EINVAL;
		p->pdeath_signal = (int)a[1];
		return 0;
	case PR_GET_PDEATHSIG:
		return put_int(a[1], p->pdeath_signal);
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_DUMPABLE:
		if (a[1] > 1)
			return -EINVAL;
		p->dumpable = a[1];
		return 0;
	case PR_SET_NAME:
		return prctl_name(a[1], true);
	case PR_GET_NAME:
		return prctl_name(a[1], false);
	case PR_CAPBSET_READ:
		return a[1] <= 40 ? 1 : -EINVAL;
	case PR_SET_CHILD_SUBREAPER:
		p->subreaper = a[1];
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_int(a[1], p->subreaper);
	case PR_SET_NO_NEW_PRIVS:
		if (a[1] != 1 || a[2] || a[3] || a[4])
			return -EINVAL;
		p->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return a[1] || a[2] || a[3] || a[4] ? -EINVAL : p->no_new_privs;
	default:
		return -EINVAL;
	}
}
