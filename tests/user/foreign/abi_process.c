/*
 * Processes, threads and exec by the raw Linux ABI: what glibc and musl do below their functions.
 */
#include "tap.h"
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#endif

struct clone3_args {
	uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
		set_tid_size, cgroup;
};

static void write_text(const char *name, const char *text, int mode)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, mode);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	chmod(name, mode);
}

/* => the program itself, copied to a name of the test's folder. */
static void copy_self(const char *name)
{
	int from = open("/proc/self/exe", O_RDONLY),
	    to = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	char buf[8192];
	ssize_t n;

	CHECK(from >= 0 && to >= 0);
	while ((n = read(from, buf, sizeof(buf))) > 0)
		CHECK_EQ(write(to, buf, n), n);
	close(from);
	close(to);
}

TEST(clone3_forks)
{
	struct clone3_args args = {.exit_signal = SIGCHLD};
	int status;
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(5);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 5);
}

TEST(clone3_checks_its_arguments)
{
	struct clone3_args args = {.exit_signal = SIGCHLD};

	CHECK_ERR(syscall(SYS_clone3, &args, 32), EINVAL);
	CHECK_ERR(syscall(SYS_clone3, NULL, sizeof(args)), EFAULT);
	CHECK_ERR(syscall(SYS_clone3, &args, 1 << 20), E2BIG);
	args.exit_signal = 1000;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.exit_signal = SIGCHLD;
	args.flags = CLONE_THREAD;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.flags = CLONE_SIGHAND;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.flags = 0;
	args.stack = 4096;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.stack = 0;
	args.stack_size = 4096;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args.stack_size = 0;
	args.flags = 1ull << 50;
	CHECK_ERR(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	CHECK_ERR(syscall(SYS_clone, CLONE_THREAD | SIGCHLD, 0, 0, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_clone, CLONE_SIGHAND | SIGCHLD, 0, 0, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_clone, CLONE_FS | CLONE_NEWNS | SIGCHLD, 0, 0, 0, 0), EINVAL);
}

TEST(clone_writes_the_tids)
{
	int *tids = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long pid = syscall(SYS_clone,
		CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, 0,
		&tids[0], &tids[1], 0);

	if (pid == 0)
		_exit(tids[1] != syscall(SYS_gettid));
	CHECK_EQ(tids[0], pid);
	int status;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

static void handler(int sig)
{
	(void)sig;
}

TEST(clear_sighand_resets_handlers)
{
	struct clone3_args args = {.exit_signal = SIGCHLD, .flags = CLONE_CLEAR_SIGHAND};
	struct sigaction act = {.sa_handler = handler}, old;
	int status;

	sigaction(SIGUSR1, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGUSR2, &act, NULL);
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0) {
		sigaction(SIGUSR1, NULL, &old);
		if (old.sa_handler != SIG_DFL)
			_exit(1);
		sigaction(SIGUSR2, NULL, &old);
		_exit(old.sa_handler == SIG_IGN ? 0 : 2);
	}
	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 0);
}

TEST(an_exit_signal_of_zero_needs_wall)
{
	struct clone3_args args = {0};
	int status;
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(3);
	CHECK_ERR(waitpid(pid, &status, 0), ECHILD);
	CHECK_EQ(waitpid(pid, &status, __WALL), pid);
	CHECK_EQ(WEXITSTATUS(status), 3);
}

static int stack_fn(void *arg)
{
	*(int *)arg = 42;
	return 6;
}

TEST(clone_with_shared_memory_and_a_stack)
{
	static int value;
	char *stack = malloc(65536);
	int status;
	pid_t pid = clone(stack_fn, stack + 65536, CLONE_VM | CLONE_FILES | SIGCHLD, &value);

	CHECK(pid > 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 6);
	CHECK_EQ(value, 42);
}

TEST(vfork_whose_exec_fails_goes_on)
{
	static volatile int seen;
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		execl("/nowhere", "nowhere", (char *)NULL);
		seen = errno;
		_exit(7);
	}
	CHECK_EQ(seen, ENOENT);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 7);
}

TEST(posix_spawn_works_and_fails)
{
	char *argv[] = {"/bin/true", NULL}, *env[] = {NULL};
	int status;
	pid_t pid;

	CHECK_EQ(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, env), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(posix_spawn(&pid, "/nowhere", NULL, NULL, argv, env), ENOENT);
	CHECK_ERR(waitpid(-1, &status, 0), ECHILD);
}

static void *fork_in_thread(void *arg)
{
	int status = -1;

	(void)arg;
	for (int i = 0; i < 5; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			char *p = malloc(100000);

			memset(p, 1, 100000);
			/* The only thread of the child is its first one. */
			_exit(getpid() == syscall(SYS_gettid) ? 0 : 1);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			return (void *)1;
	}
	return NULL;
}

TEST(threads_fork)
{
	pthread_t t[4];
	void *result;

	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, fork_in_thread, NULL), 0);
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(pthread_join(t[i], &result), 0);
		CHECK(result == NULL);
	}
}

TEST(fexecve_and_execveat)
{
	char *argv[] = {"true", NULL}, *env[] = {NULL};
	int fd = open("/bin", O_RDONLY | O_DIRECTORY), status;

	if (fork() == 0) {
		syscall(SYS_execveat, fd, "true", argv, env, 0);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	if (fork() == 0) {
		int file = open("/bin/true", O_PATH | O_CLOEXEC);

		syscall(SYS_execveat, file, "", argv, env, AT_EMPTY_PATH);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(status, 0);
	CHECK_ERR(syscall(SYS_execveat, fd, "", argv, env, 0), ENOENT);
	CHECK_ERR(syscall(SYS_execveat, fd, "true", argv, env, 1), EINVAL);
	CHECK_ERR(syscall(SYS_execveat, 99, "true", argv, env, 0), EBADF);
	CHECK_EQ(symlink("/bin/true", "link"), 0);
	CHECK_ERR(syscall(SYS_execveat, AT_FDCWD, "link", argv, env, AT_SYMLINK_NOFOLLOW), ELOOP);
}

TEST(a_script_by_descriptor_that_closes_is_enoent)
{
	char *argv[] = {"s", NULL}, *env[] = {NULL};
	int fd, status;

	write_text("script", "#!/bin/sh\nexit 4\n", 0755);
	fd = open("script", O_RDONLY | O_CLOEXEC);
	CHECK_ERR(syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH), ENOENT);
	if (fork() == 0) {
		fd = open("script", O_RDONLY);
		syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(WEXITSTATUS(status), 4);
}

TEST(scripts_nest_four_deep)
{
	char name[8], text[64];
	int status;

	write_text("s0", "#!/bin/sh\nexit 9\n", 0755);
	for (int i = 1; i < 7; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		snprintf(text, sizeof(text), "#!./s%d\n", i - 1);
		write_text(name, text, 0755);
	}
	if (fork() == 0) {
		execl("./s4", "s4", (char *)NULL);
		_exit(1);
	}
	wait(&status);
	CHECK_EQ(WEXITSTATUS(status), 9);
	CHECK_ERR(execl("./s6", "s6", (char *)NULL), ELOOP);
}

TEST(exec_of_odd_files)
{
	write_text("empty", "", 0755);
	CHECK_ERR(execl("./empty", "e", (char *)NULL), ENOEXEC);
	write_text("short", "\177ELF", 0755);
	CHECK_ERR(execl("./short", "e", (char *)NULL), ENOEXEC);
	write_text("noint", "#!\n", 0755);
	CHECK_ERR(execl("./noint", "e", (char *)NULL), ENOEXEC);
	write_text("gone", "#!/nowhere/sh\n", 0755);
	CHECK_ERR(execl("./gone", "e", (char *)NULL), ENOENT);
	write_text("plain", "echo\n", 0644);
	CHECK_ERR(execl("./plain", "e", (char *)NULL), EACCES);
	CHECK_ERR(execl(".", "e", (char *)NULL), EACCES);
	CHECK_ERR(execl("./empty/x", "e", (char *)NULL), ENOTDIR);
}

TEST(text_in_use_is_etxtbsy)
{
	int pipefd[2], fd, status;
	char c;
	pid_t pid;

	copy_self("busy");
	fd = open("busy", O_WRONLY);
	CHECK_ERR(execl("./busy", "busy", "no_such_test", (char *)NULL), ETXTBSY);
	close(fd);
	CHECK_EQ(pipe(pipefd), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipefd[1], 1);
		close(pipefd[0]);
		execl("./busy", "busy", "waits_for_a_signal", (char *)NULL);
		_exit(1);
	}
	close(pipefd[1]);
	CHECK_EQ(read(pipefd[0], &c, 1), 1);
	CHECK_ERR(open("busy", O_WRONLY), ETXTBSY);
	CHECK_ERR(open("busy", O_RDWR | O_TRUNC), ETXTBSY);
	CHECK_ERR(truncate("busy", 0), ETXTBSY);
	CHECK_EQ(rename("busy", "moved"), 0);
	CHECK_EQ(unlink("moved"), 0);
	kill(pid, SIGTERM);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) || WIFEXITED(status));
}

/* Helper of the test above: its own program, which says that it runs and waits. */
TEST(waits_for_a_signal)
{
	if (!strcmp(program_invocation_short_name, "busy")) {
		CHECK_EQ(write(1, "r", 1), 1);
		pause();
	}
}

TEST(exec_hands_over_the_auxiliary_vector)
{
	CHECK_EQ(getauxval(AT_PAGESZ), PAGE);
	CHECK_EQ(getauxval(AT_CLKTCK), 100);
	CHECK_EQ(getauxval(AT_UID), getuid());
	CHECK_EQ(getauxval(AT_SECURE), 0);
	CHECK(getauxval(AT_RANDOM) != 0);
	CHECK(getauxval(AT_PHDR) != 0 && getauxval(AT_PHNUM) != 0);
	CHECK_EQ(getauxval(AT_PHENT), 56);
	CHECK(getauxval(AT_ENTRY) != 0);
	CHECK(!strcmp((char *)getauxval(AT_PLATFORM), "x86_64"));
	CHECK(getauxval(AT_EXECFN) != 0);
	CHECK(getauxval(AT_HWCAP) != 0);
}

TEST(arguments_that_are_too_long_are_e2big)
{
	static char *argv[70000];
	char *big = malloc(PAGE * 33 + 1);

	memset(big, 'x', PAGE * 33);
	big[PAGE * 33] = 0;
	argv[0] = big;
	CHECK_ERR(execv("/bin/true", argv), E2BIG);
	big[PAGE * 31] = 0;
	for (int i = 0; i < 100; i++)
		argv[i] = big;
	CHECK_ERR(execv("/bin/true", argv), E2BIG);
}

TEST(prctl_names_the_thread)
{
	char name[17] = "", text[64] = "";
	int fd;

	CHECK_EQ(prctl(PR_SET_NAME, "a-name-that-is-too-long"), 0);
	CHECK_EQ(prctl(PR_GET_NAME, name), 0);
	CHECK(!strcmp(name, "a-name-that-is-"));
	fd = open("/proc/self/comm", O_RDONLY);
	CHECK_EQ(read(fd, text, 63), 16);
	CHECK(!strcmp(text, "a-name-that-is-\n"));
	CHECK_ERR(prctl(12345, 0, 0, 0, 0), EINVAL);
}

TEST(prctl_parent_death_signal)
{
	int pipefd[2], sig = 0;
	char c;

	CHECK_EQ(prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
	CHECK_EQ(prctl(PR_GET_PDEATHSIG, &sig), 0);
	CHECK_EQ(sig, SIGUSR1);
	CHECK_ERR(prctl(PR_SET_PDEATHSIG, 99), EINVAL);
	CHECK_EQ(pipe(pipefd), 0);
	if (fork() == 0) {
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			CHECK_EQ(write(pipefd[1], "x", 1), 1);
			pause();
			_exit(0);
		}
		CHECK_EQ(read(pipefd[0], &c, 1), 1);
		_exit(0);
	}
	wait(NULL);
	close(pipefd[1]);
	/* The end of the pipe comes when the grandchild is gone. */
	CHECK_EQ(read(pipefd[0], &c, 1), 0);
}

TEST(a_subreaper_adopts)
{
	int status, pipefd[2];
	pid_t pid, orphan;

	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	CHECK_EQ(pipe(pipefd), 0);
	pid = fork();
	if (pid == 0) {
		orphan = fork();
		if (orphan == 0) {
			while (getppid() != getpgrp())
				sched_yield();
			_exit(11);
		}
		CHECK_EQ(write(pipefd[1], &orphan, sizeof(orphan)), sizeof(orphan));
		_exit(0);
	}
	CHECK_EQ(read(pipefd[0], &orphan, sizeof(orphan)), sizeof(orphan));
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(waitpid(orphan, &status, 0), orphan);
	CHECK_EQ(WEXITSTATUS(status), 11);
}

TEST(prlimit_reads_and_sets)
{
	struct rlimit lim = {100, 200}, old, now;
	pid_t child;

	CHECK_EQ(prlimit(0, RLIMIT_NOFILE, &lim, &old), 0);
	CHECK_EQ(prlimit(getpid(), RLIMIT_NOFILE, NULL, &now), 0);
	CHECK_EQ(now.rlim_cur, 100);
	CHECK_EQ(now.rlim_max, 200);
	CHECK_ERR(dup2(0, 100), EBADF);
	CHECK_EQ(dup2(0, 99), 99);
	CHECK_ERR(prlimit(0, 99, NULL, &now), EINVAL);
	CHECK_ERR(prlimit(1 << 22, RLIMIT_NOFILE, NULL, &now), ESRCH);
	lim.rlim_cur = 300;
	CHECK_ERR(prlimit(0, RLIMIT_NOFILE, &lim, NULL), EINVAL);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	lim.rlim_cur = 50;
	CHECK_EQ(prlimit(child, RLIMIT_NOFILE, &lim, &old), 0);
	CHECK_EQ(old.rlim_cur, 100);
	kill(child, SIGKILL);
	wait(NULL);
}

static int eat_file_size(void *arg)
{
	struct rlimit lim = {PAGE, PAGE};
	int fd = open("limited", O_WRONLY | O_CREAT, 0644);
	char buf[2 * PAGE];

	(void)arg;
	memset(buf, 1, sizeof(buf));
	if (setrlimit(RLIMIT_FSIZE, &lim) < 0 || write(fd, buf, sizeof(buf)) != (ssize_t)PAGE)
		return 1;
	signal(SIGXFSZ, SIG_IGN);
	if (write(fd, buf, 1) != -1 || errno != EFBIG)
		return 2;
	signal(SIGXFSZ, SIG_DFL);
	return write(fd, buf, 1) < 0 ? 3 : 4;
}

TEST(fsize_limit_cuts_and_signals)
{
	CHECK_EQ(tap_signal_of(eat_file_size, NULL), SIGXFSZ);
}

static int burn(void *arg)
{
	struct rlimit lim = {1, 1000};

	(void)arg;
	setrlimit(RLIMIT_CPU, &lim);
	for (;;)
		;
	return 0;
}

TEST(cpu_limit_signals)
{
	CHECK_EQ(tap_signal_of(burn, NULL), SIGXCPU);
}

struct rseq_area {
	uint32_t cpu_id_start, cpu_id;
	uint64_t cs;
	uint32_t flags, node_id, mm_cid, pad;
} __attribute__((aligned(32)));

/*
 * glibc registers its own area at start; a second one is refused. A kernel without rseq says
 * ENOSYS.
 */
TEST(rseq_is_registered_once_or_absent)
{
	static struct rseq_area area;
	long result = syscall(SYS_rseq, &area, 32, 0, 0x53053053);

	if (result == 0) {
		CHECK(area.cpu_id < 1024);
		CHECK_ERR(syscall(SYS_rseq, &area, 32, 0, 0x53053053), EBUSY);
		CHECK_EQ(syscall(SYS_rseq, &area, 32, 1, 0x53053053), 0);
	} else {
		CHECK(errno == ENOSYS || errno == EINVAL || errno == EBUSY);
	}
}

TEST(set_tid_address_gives_the_tid_and_is_cleared)
{
	int *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	*word = 1;
	pid = fork();
	if (pid == 0) {
		if (syscall(SYS_set_tid_address, word) != syscall(SYS_gettid))
			_exit(1);
		/* Only memory that somebody else still sees is cleared. */
		_exit(0);
	}
	wait(NULL);
	CHECK_EQ(*word, 1);
}

#define FUTEX_WAITERS	 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u

struct robust {
	struct robust *next;
	uint32_t word;
};

struct robust_head {
	struct robust *list;
	long futex_offset;
	struct robust *pending;
};

TEST(a_robust_futex_is_marked_when_its_owner_ends)
{
	struct {
		struct robust_head head;
		struct robust item;
	} *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (pid == 0) {
		shared->head.list = &shared->item;
		shared->head.futex_offset = offsetof(struct robust, word);
		shared->item.next = (struct robust *)&shared->head;
		shared->item.word = syscall(SYS_gettid) | FUTEX_WAITERS;
		syscall(SYS_set_robust_list, &shared->head, sizeof(shared->head));
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(shared->item.word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
	CHECK_ERR(syscall(SYS_set_robust_list, &shared->head, 5), EINVAL);
}

TEST(a_robust_mutex_tells_that_its_owner_died)
{
	pthread_mutex_t *m =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t attr;
	pid_t pid;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	CHECK_EQ(pthread_mutex_init(m, &attr), 0);
	pid = fork();
	if (pid == 0) {
		pthread_mutex_lock(m);
		raise(SIGKILL);
	}
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	CHECK_EQ(pthread_mutex_lock(m), 0);
}

TEST(getrandom_checks_its_flags)
{
	char buf[300];

	CHECK_EQ(syscall(SYS_getrandom, buf, 256, 0), 256);
	CHECK_EQ(syscall(SYS_getrandom, buf, 16, 1), 16);
	CHECK_EQ(syscall(SYS_getrandom, buf, 16, 2), 16);
	CHECK_EQ(syscall(SYS_getrandom, buf, 0, 0), 0);
	CHECK_ERR(syscall(SYS_getrandom, buf, 16, 8), EINVAL);
	CHECK_ERR(syscall(SYS_getrandom, buf, 16, 6), EINVAL);
	CHECK_ERR(syscall(SYS_getrandom, (void *)8, 16, 0), EFAULT);
}

TEST(waitid_variants)
{
	siginfo_t info = {0};
	pid_t pid = fork();

	if (pid == 0)
		_exit(3);
	CHECK_ERR(waitid(P_PID, pid, &info, 0), EINVAL);
	CHECK_ERR(waitid(P_PID, 1 << 22, &info, WEXITED), ECHILD);
	CHECK_EQ(waitid(P_PGID, 0, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_status, 3);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_signo, SIGCHLD);
	CHECK_EQ(waitid(P_ALL, 0, NULL, WEXITED), 0);
	CHECK_ERR(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
	pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	info.si_pid = 99;
	CHECK_EQ(waitid(P_PID, pid, &info, WEXITED | WNOHANG), 0);
	CHECK_EQ(info.si_pid, 0);
	CHECK_ERR(waitpid(-1, NULL, 0x40), EINVAL);
	kill(pid, SIGKILL);
	wait(NULL);
}

TEST(affinity_and_cpu)
{
	cpu_set_t set, one;
	unsigned int cpu, node;
	int first = 0;

	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	CHECK_EQ(CPU_COUNT(&set), sysconf(_SC_NPROCESSORS_ONLN));
	while (!CPU_ISSET(first, &set))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	CHECK_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
	CHECK_EQ(syscall(SYS_getcpu, &cpu, &node, NULL), 0);
	CHECK_EQ(cpu, first);
	CPU_ZERO(&one);
	CHECK_ERR(sched_setaffinity(0, sizeof(one), &one), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0, 1, &one), EINVAL);
	CHECK_ERR(sched_getaffinity(1 << 22, sizeof(one), &one), ESRCH);
}

TEST(priorities)
{
	struct sched_param param = {0};

	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 100), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
	CHECK_ERR(setpriority(77, 0, 5), EINVAL);
	CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
	CHECK_EQ(syscall(SYS_sched_getparam, 0, &param), 0);
	CHECK_ERR(syscall(SYS_sched_setscheduler, 0, 99, &param), EINVAL);
	CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
}
