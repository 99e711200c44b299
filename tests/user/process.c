/* fork, exec, exit and wait; who a process is. */
#include "tap.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

static int exit_7(void *arg)
{
	(void)arg;
	return 7;
}

TEST(wait_gives_the_exit_status)
{
	CHECK_EQ(tap_child(exit_7, NULL), 7 << 8);
}

static int kill_self(void *arg)
{
	raise((int)(long)arg);
	return 0;
}

TEST(wait_gives_the_signal)
{
	int status = tap_child(kill_self, (void *)SIGTERM);

	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

TEST(wait_without_children_is_echild)
{
	CHECK_ERR(wait(NULL), ECHILD);
	CHECK_ERR(waitpid(1, NULL, 0), ECHILD);
	CHECK_ERR(waitpid(-1, NULL, 0x12345678), EINVAL);
}

TEST(wait_with_nohang_does_not_wait)
{
	int fds[2], status;
	pid_t pid;
	char c;

	CHECK(pipe(fds) == 0);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		_exit(read(fds[0], &c, 1) != 0);
	}
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	close(fds[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(wait_picks_the_asked_for_child)
{
	pid_t first = fork(), second;

	if (first == 0)
		_exit(1);
	second = fork();
	if (second == 0)
		_exit(2);
	int status;

	CHECK_EQ(waitpid(second, &status, 0), second);
	CHECK_EQ(WEXITSTATUS(status), 2);
	CHECK_EQ(waitpid(first, &status, 0), first);
	CHECK_EQ(WEXITSTATUS(status), 1);
}

TEST(wait_sees_stop_and_continue)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		raise(SIGSTOP);
		_exit(3);
	}
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK_EQ(kill(pid, SIGCONT), 0);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status) || WIFEXITED(status));
	if (WIFCONTINUED(status))
		CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 3);
}

TEST(waitid_leaves_the_child_with_nowait)
{
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0)
		_exit(9);
	memset(&info, 0, sizeof(info));
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_status, 9);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(waitid(P_PID, (id_t)pid, &info, WEXITED), 0);
	CHECK_ERR(waitid(P_PID, (id_t)pid, &info, WEXITED), ECHILD);
}

TEST(children_differ_in_pid_and_know_their_parent)
{
	int *seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();

	if (pid == 0) {
		seen[0] = getpid();
		seen[1] = getppid();
		seen[2] = gettid();
		_exit(0);
	}
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK_EQ(seen[0], pid);
	CHECK_EQ(seen[1], getpid());
	CHECK_EQ(seen[2], pid);
}

static int orphan(void *arg)
{
	int *seen = arg;

	seen[0] = getpid();
	if (fork() == 0) {
		while (getppid() == seen[0])
			usleep(1000);
		__atomic_store_n(&seen[1], getppid(), __ATOMIC_RELEASE);
		_exit(0);
	}
	return 0;
}

TEST(an_orphan_gets_a_new_parent)
{
	int *seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK_EQ(tap_child(orphan, seen), 0);
	while (!__atomic_load_n(&seen[1], __ATOMIC_ACQUIRE))
		usleep(1000);
	CHECK(seen[1] > 0 && seen[1] != seen[0]);
}

TEST(fork_shares_file_offsets)
{
	int fd = tap_file("file", 100);
	char buf[10];
	pid_t pid = fork();

	if (pid == 0)
		_exit(read(fd, buf, 10) != 10);
	CHECK(waitpid(pid, NULL, 0) == pid);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
}

TEST(vfork_returns_after_the_child)
{
	volatile int order = 0;
	pid_t pid = vfork();

	if (pid == 0) {
		order = 1;
		_exit(5);
	}
	int status;

	CHECK_EQ(order, 1);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(WEXITSTATUS(status), 5);
}

static int exec_shell(void *command)
{
	execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	return 126;
}

TEST(exec_passes_arguments_and_environment)
{
	setenv("TAP_VALUE", "seen", 1);
	CHECK_EQ(tap_child(exec_shell, "[ \"$TAP_VALUE\" = seen ]"), 0);
	CHECK_EQ(tap_child(exec_shell, "exit 9"), 9 << 8);
}

TEST(exec_errors)
{
	char *argv[] = {"x", NULL}, *envp[] = {NULL};
	int fd;

	CHECK_ERR(execve("nosuch", argv, envp), ENOENT);
	close(tap_file("text", 100));
	CHECK_ERR(execve("text", argv, envp), EACCES);
	CHECK(chmod("text", 0755) == 0);
	CHECK_ERR(execve("text", argv, envp), ENOEXEC);
	CHECK_ERR(execve(".", argv, envp), EACCES);
	CHECK_ERR(execve("text/x", argv, envp), ENOTDIR);
	fd = open("script", O_CREAT | O_WRONLY, 0755);
	CHECK(write(fd, "#!/nosuch/interpreter\n", 22) == 22);
	close(fd);
	CHECK_ERR(execve("script", argv, envp), ENOENT);
}

static int exec_script(void *arg)
{
	execl("./script", "script", "one", (char *)NULL);
	(void)arg;
	return 126;
}

TEST(exec_runs_scripts_with_their_interpreter)
{
	int fd = open("script", O_CREAT | O_WRONLY, 0755);
	static const char text[] =
		"#!/bin/sh -e\n[ $# = 1 ] && [ $1 = one ] && [ $0 = ./script ] && exit 6\n";

	CHECK(write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1);
	close(fd);
	CHECK_EQ(tap_child(exec_script, NULL), 6 << 8);
}

static void handler(int sig)
{
	(void)sig;
}

static int exec_with_handlers(void *arg)
{
	(void)arg;
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, handler);
	/* Ignored stays ignored, a handler becomes the default. */
	execl("/bin/sh", "sh", "-c", "kill -USR1 $$; kill -USR2 $$; exit 0", (char *)NULL);
	return 126;
}

TEST(exec_keeps_ignored_signals_and_resets_handlers)
{
	CHECK_EQ(tap_signal_of(exec_with_handlers, NULL), SIGUSR2);
}

static int exec_checks_fd(void *arg)
{
	char text[64];

	snprintf(text, sizeof(text), "exec 2>/dev/null; read x <&%d", (int)(long)arg);
	return exec_shell(text);
}

TEST(exec_closes_descriptors_marked_so)
{
	int keep = tap_file("keep", 10), gone = tap_file("gone", 10), fd;

	fd = open("line", O_CREAT | O_RDWR, 0644);
	CHECK(write(fd, "line\n", 5) == 5 && lseek(fd, 0, SEEK_SET) == 0);
	CHECK(dup2(fd, keep) == keep && dup2(fd, gone) == gone);
	CHECK(fcntl(gone, F_SETFD, FD_CLOEXEC) == 0);
	CHECK_EQ(tap_child(exec_checks_fd, (void *)(long)keep), 0);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	CHECK(tap_child(exec_checks_fd, (void *)(long)gone) != 0);
}

static void *sleep_for_ever(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static int exec_from_threads(void *arg)
{
	pthread_t t;

	(void)arg;
	pthread_create(&t, NULL, sleep_for_ever, NULL);
	pthread_create(&t, NULL, sleep_for_ever, NULL);
	return exec_shell("exit 4");
}

TEST(exec_ends_the_other_threads)
{
	CHECK_EQ(tap_child(exec_from_threads, NULL), 4 << 8);
}

static void *exec_in_thread(void *arg)
{
	exec_shell(arg);
	return NULL;
}

static int exec_from_second_thread(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, exec_in_thread, arg);
	for (;;)
		pause();
	return 0;
}

TEST(exec_from_another_thread_keeps_the_pid)
{
	char text[64];
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		snprintf(text, sizeof(text), "[ $$ = %d ]", (int)getpid());
		_exit(exec_from_second_thread(text));
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(process_groups_and_sessions)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		CHECK_EQ(setpgid(0, 0), 0);
		CHECK_EQ(getpgrp(), getpid());
		CHECK_ERR(setsid(), EPERM);
		CHECK_ERR(setpgid(0, -1), EINVAL);
		CHECK_ERR(getpgid(999999), ESRCH);
		if (fork() == 0) {
			CHECK_EQ(setsid(), getpid());
			CHECK_EQ(getsid(0), getpid());
			_exit(0);
		}
		CHECK(wait(&status) > 0 && status == 0);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(credentials_of_root)
{
	if (getuid() != 0)
		tap_skip("needs root");
	CHECK_EQ(geteuid(), 0);
	CHECK_EQ(getgid(), 0);
	CHECK_EQ(setuid(0), 0);
	umask(022);
	CHECK_EQ(umask(077), 022);
}

static long processor_us(int who)
{
	struct rusage usage;

	CHECK_EQ(getrusage(who, &usage), 0);
	return usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec +
	       usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
}

static int use_processor(void *arg)
{
	(void)arg;
	while (processor_us(RUSAGE_SELF) < 50000)
		;
	return 0;
}

TEST(rusage_counts_processor_time)
{
	struct rusage usage;

	CHECK(processor_us(RUSAGE_CHILDREN) < 50000);
	CHECK_EQ(tap_child(use_processor, NULL), 0);
	CHECK(processor_us(RUSAGE_CHILDREN) >= 50000);
	CHECK_ERR(getrusage(77, &usage), EINVAL);
}

TEST(rlimits_are_read_set_and_inherited)
{
	struct rlimit limit, got;

	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 20;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &got), 0);
	CHECK_EQ(got.rlim_cur, 20);
	int fd = 0, last = 0;

	while ((fd = dup(1)) >= 0)
		last = fd;
	CHECK_EQ(errno, EMFILE);
	CHECK_EQ(last, 19);
	limit.rlim_cur = limit.rlim_max + 1;
	if (limit.rlim_cur)
		CHECK_ERR(setrlimit(RLIMIT_NOFILE, &limit), EINVAL);
	CHECK_ERR(getrlimit(99, &got), EINVAL);
}

TEST(many_children_at_once)
{
	int status, count = 0;

	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (pid == 0)
			_exit(i);
	}
	for (long sum = 0; count < 60; count++) {
		CHECK(wait(&status) > 0);
		sum += WEXITSTATUS(status);
		CHECK(count < 59 || sum == 59 * 60 / 2);
	}
}

static int open_the_running_program(void *arg)
{
	while (open(arg, O_WRONLY) < 0 && errno == ETXTBSY)
		;
	return 1;
}

static int run_the_program(void *arg)
{
	for (int i = 0; i < 40; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			execl(arg, "true", "0", NULL);
			_exit(99);
		}
		if (waitpid(pid, &status, 0) != pid || status != 0)
			return 2;
	}
	return 0;
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT, 0755);
	char buf[PAGE];
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		CHECK_EQ(write(out, buf, (size_t)n), n);
	CHECK(n == 0 && close(out) == 0);
	close(in);
}

/* Writers of a running program are refused, and do not get in the way of others that run it. */
TEST(a_running_program_cannot_be_written_and_can_be_run_again)
{
	pid_t sleeper, writer;
	int status, fd;

	copy_file("/bin/sleep", "sleeper");
	sleeper = fork();
	if (sleeper == 0) {
		execl("sleeper", "sleep", "100", NULL);
		_exit(99);
	}
	while ((fd = open("sleeper", O_WRONLY)) >= 0 || errno != ETXTBSY) {
		close(fd);
		usleep(1000);
	}
	CHECK_ERR(truncate("sleeper", 0), ETXTBSY);
	writer = fork();
	if (writer == 0)
		_exit(open_the_running_program("sleeper"));
	CHECK_EQ(tap_child(run_the_program, "sleeper"), 0);
	CHECK_EQ(waitpid(writer, &status, WNOHANG), 0);
	kill(writer, SIGKILL);
	CHECK_EQ(waitpid(writer, &status, 0), writer);
	kill(sleeper, SIGKILL);
	CHECK_EQ(waitpid(sleeper, &status, 0), sleeper);
}

/* A position-independent program of one segment that begins anywhere. */
static void write_elf(const char *name, uint64_t entry)
{
	struct {
		unsigned char ident[16];
		uint16_t type, machine;
		uint32_t version;
		uint64_t entry, phoff, shoff;
		uint32_t flags;
		uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
		uint32_t p_type, p_flags;
		uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
		char text[64];
	} elf = {{0x7f, 'E', 'L', 'F', 2, 1, 1}, 3, 62, 1, entry, 64, 0, 0, 64, 56, 1, 0, 0, 0, 1,
		5, 0, 0, 0, sizeof(elf), sizeof(elf), 4096, {0}};
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);

	CHECK_EQ(write(fd, &elf, sizeof(elf)), sizeof(elf));
	CHECK_EQ(close(fd), 0);
}

TEST(a_wild_entry_point_hurts_only_its_program)
{
	static const uint64_t entries[] = {0x7fffffffe000, 0x7ffffffff000, 0x800000000000,
		0xffff800000000000, 0xfffffffffffff000, 0x1000};

	for (unsigned i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		int status;
		pid_t pid;

		write_elf("wild", entries[i]);
		pid = fork();
		if (pid == 0) {
			execl("wild", "wild", NULL);
			_exit(42);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) || status == 42 << 8);
	}
}
