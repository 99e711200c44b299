/*
 * The signal ABI as a foreign C library sees it: frames, contexts, alternate stacks, queues,
 * timers.
 */
#include "tap.h"
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile sig_atomic_t hits, last_sig, last_code;
static volatile uintptr_t last_addr;

static void install(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act = {.sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags};

	CHECK_EQ(sigaction(sig, &act, NULL), 0);
}

static void note(int sig, siginfo_t *info, void *context)
{
	(void)context;
	hits++;
	last_sig = sig;
	last_code = info->si_code;
	last_addr = (uintptr_t)info->si_addr;
}

static void skip_two_bytes(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	note(sig, info, context);
	uc->uc_mcontext.gregs[REG_RIP] += 2;
	uc->uc_mcontext.gregs[REG_RAX] = 77;
}

TEST(a_handler_edits_the_context)
{
	long rax;

	install(SIGILL, skip_two_bytes, 0);
	__asm__ volatile("xor %%eax, %%eax\n\tud2" : "=a"(rax));
	CHECK_EQ(rax, 77);
	CHECK_EQ(last_sig, SIGILL);
	CHECK_EQ(last_code, ILL_ILLOPN);
}

TEST(breakpoint_and_divide_tell_their_codes)
{
	long a = 0;

	install(SIGTRAP, note, 0);
	__asm__ volatile("int3");
	CHECK_EQ(hits, 1);
	CHECK_EQ(last_code, SI_KERNEL);
	install(SIGFPE, skip_two_bytes, 0);
	/* div %ecx is two bytes long */
	__asm__ volatile("xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\t.byte 0xf7, 0xf1"
			 : "+a"(a)
			 :
			 : "ecx", "edx");
	CHECK_EQ(last_sig, SIGFPE);
	CHECK_EQ(last_code, FPE_INTDIV);
	CHECK_EQ(a, 77);
}

static void *repaired;

static void repair(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	mprotect(repaired, PAGE, PROT_READ | PROT_WRITE);
}

TEST(a_handler_repairs_the_fault_and_the_store_happens)
{
	volatile char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	repaired = (void *)p;
	install(SIGSEGV, repair, 0);
	p[5] = 42;
	CHECK_EQ(p[5], 42);
	CHECK_EQ(hits, 1);
	CHECK_EQ(last_code, SEGV_ACCERR);
	CHECK_EQ(last_addr, (uintptr_t)p + 5);
}

static void jump_out(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	note(sig, info, context);
	uc->uc_mcontext.gregs[REG_RIP] = *(long *)uc->uc_mcontext.gregs[REG_RSP];
	uc->uc_mcontext.gregs[REG_RSP] += 8;
}

TEST(a_jump_to_nowhere_tells_where)
{
	void (*volatile nowhere)(void) = (void (*)(void))0x123000;
	void (*volatile noncanonical)(void) = (void (*)(void))0x8000000000001000;

	install(SIGSEGV, jump_out, 0);
	nowhere();
	CHECK_EQ(last_code, SEGV_MAPERR);
	CHECK_EQ(last_addr, 0x123000);
	noncanonical();
	CHECK_EQ(last_code, SI_KERNEL);
	CHECK_EQ(last_addr, 0);
	CHECK_EQ(hits, 2);
}

TEST(running_data_is_a_fault)
{
	unsigned char *p =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*p = 0xc3;
	install(SIGSEGV, jump_out, 0);
	((void (*volatile)(void))p)();
	CHECK_EQ(last_code, SEGV_ACCERR);
	CHECK_EQ(last_addr, (uintptr_t)p);
}

static void change_mask(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	note(sig, info, context);
	sigaddset(&uc->uc_sigmask, SIGUSR2);
}

TEST(the_mask_in_the_context_is_the_mask_after)
{
	sigset_t set;

	install(SIGUSR1, change_mask, 0);
	raise(SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, NULL, &set), 0);
	CHECK(sigismember(&set, SIGUSR2));
	CHECK(!sigismember(&set, SIGUSR1));
}

static stack_t in_handler;
static volatile uintptr_t handler_sp;

static void on_stack(int sig, siginfo_t *info, void *context)
{
	char here;

	note(sig, info, context);
	handler_sp = (uintptr_t)&here;
	sigaltstack(NULL, &in_handler);
}

TEST(sigaltstack_tells_where_it_is)
{
	stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536}, old;

	CHECK_EQ(sigaltstack(NULL, &old), 0);
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	install(SIGUSR1, on_stack, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(handler_sp > (uintptr_t)ss.ss_sp && handler_sp < (uintptr_t)ss.ss_sp + 65536);
	CHECK_EQ(in_handler.ss_flags, SS_ONSTACK);
	CHECK(in_handler.ss_sp == ss.ss_sp);
	ss.ss_size = 100;
	CHECK_ERR(sigaltstack(&ss, NULL), ENOMEM);
	ss.ss_flags = 1234;
	CHECK_ERR(sigaltstack(&ss, NULL), EINVAL);
	ss.ss_flags = SS_DISABLE;
	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	raise(SIGUSR1);
	CHECK(!(handler_sp > (uintptr_t)ss.ss_sp && handler_sp < (uintptr_t)ss.ss_sp + 65536));
}

static void change_stack(int sig, siginfo_t *info, void *context)
{
	stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};

	note(sig, info, context);
	last_code = sigaltstack(&ss, NULL) < 0 ? errno : 0;
}

TEST(the_alternate_stack_in_use_is_eperm)
{
	stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};

	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	install(SIGUSR1, change_stack, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(last_code, EPERM);
}

#define SS_AUTODISARM_FLAG (1u << 31)

TEST(autodisarm_disarms_in_the_handler)
{
	stack_t ss = {.ss_sp = malloc(65536),
			.ss_size = 65536,
			.ss_flags = (int)SS_AUTODISARM_FLAG},
		now;

	CHECK_EQ(sigaltstack(&ss, NULL), 0);
	install(SIGUSR1, on_stack, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(in_handler.ss_flags, SS_DISABLE);
	CHECK_EQ(sigaltstack(NULL, &now), 0);
	CHECK(now.ss_sp == ss.ss_sp);
	CHECK_EQ(now.ss_flags, (int)SS_AUTODISARM_FLAG);
}

TEST(the_frame_keeps_the_red_zone_and_aligns_the_stack)
{
	install(SIGUSR1, on_stack, 0);
	for (int i = 0; i < 16; i++) {
		long pid = getpid(), result;

		/* A value below the stack pointer must be there after the handler. */
		__asm__ volatile("lea -256(%%rsp), %%rsp\n\t"
				 "movq $12345, -128(%%rsp)\n\t"
				 "syscall\n\t"
				 "movq -128(%%rsp), %%rax\n\t"
				 "lea 256(%%rsp), %%rsp"
				 : "=a"(result)
				 : "a"(SYS_tkill), "D"(pid), "S"(SIGUSR1)
				 : "rcx", "r11", "memory");
		CHECK_EQ(result, 12345);
	}
	CHECK_EQ(hits, 16);
}

TEST(xmm_registers_survive_and_are_in_the_frame)
{
	double x = 1.5, y;

	install(SIGUSR1, note, 0);
	__asm__ volatile("movsd %1, %%xmm9\n\t"
			 "syscall\n\t"
			 "movsd %%xmm9, %0"
			 : "=m"(y)
			 : "m"(x), "a"(SYS_tkill), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "xmm9", "memory");
	CHECK(y == 1.5);
	CHECK_EQ(hits, 1);
}

static void value_of(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	last_addr = (uintptr_t)info->si_value.sival_ptr;
}

TEST(sigqueue_carries_a_value_and_the_sender)
{
	sigset_t set;
	siginfo_t info;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){.sival_int = i}), 0);
		CHECK_EQ(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 100 + i}), 0);
	}
	/* The lower number first; a standard signal once; real-time ones in order. */
	CHECK_EQ(sigwaitinfo(&set, &info), SIGUSR1);
	CHECK_EQ(info.si_value.sival_int, 100);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN + 1);
		CHECK_EQ(info.si_value.sival_int, i);
		CHECK_EQ(info.si_code, SI_QUEUE);
		CHECK_EQ(info.si_pid, getpid());
	}
	CHECK_ERR(sigtimedwait(&set, &info, &(struct timespec){0, 0}), EAGAIN);
	install(SIGRTMIN + 2, value_of, 0);
	sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_ptr = &set});
	CHECK_EQ(last_addr, (uintptr_t)&set);
}

TEST(sigqueueinfo_may_not_pretend_to_be_the_kernel)
{
	siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_USER};
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, child, SIGUSR1, &info), EPERM);
	info.si_code = SI_TKILL;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, child, SIGUSR1, &info), EPERM);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, child, SIGUSR1, NULL), EFAULT);
	kill(child, SIGKILL);
	wait(NULL);
}

TEST(raw_calls_check_the_size_of_the_set)
{
	uint64_t set = 0;

	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, 77, &set, NULL, 8), EINVAL);
	CHECK_EQ(syscall(SYS_rt_sigprocmask, 77, NULL, &set, 8), 0);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, NULL, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	CHECK_EQ(syscall(SYS_rt_sigaction, 64, NULL, NULL, 8), 0);
	CHECK_ERR(syscall(SYS_rt_sigsuspend, &set, 4), EINVAL);
	CHECK_EQ(syscall(SYS_rt_sigpending, &set, 4), 0);
	CHECK_ERR(syscall(SYS_rt_sigpending, &set, 16), EINVAL);
}

TEST(setitimer_reports_what_is_left)
{
	struct itimerval it = {{0, 0}, {10000, 500000}}, old;
	long start = tap_ms(), took, left;

	CHECK_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
	it.it_value.tv_sec = 0;
	it.it_value.tv_usec = 0;
	CHECK_EQ(setitimer(ITIMER_REAL, &it, &old), 0);
	took = tap_ms() - start;
	left = old.it_value.tv_sec * 1000 + old.it_value.tv_usec / 1000;
	CHECK(left <= 10000500 && left >= 10000500 - took - 2);
	it.it_value.tv_usec = 1000000;
	CHECK_ERR(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	CHECK_ERR(setitimer(3, &old, NULL), EINVAL);
	start = tap_ms();
	CHECK_EQ(alarm(10000), 0);
	left = alarm(0);
	took = tap_ms() - start;
	/* Rounded to the next second. */
	CHECK(left <= 10000 && left >= 10000 - (took + 500) / 1000);
}

TEST(virtual_and_profiling_timers_count_work)
{
	struct itimerval it = {{0, 20000}, {0, 20000}};

	install(SIGVTALRM, note, 0);
	install(SIGPROF, note, 0);
	CHECK_EQ(setitimer(ITIMER_VIRTUAL, &it, NULL), 0);
	while (hits < 2)
		;
	CHECK_EQ(last_sig, SIGVTALRM);
	memset(&it, 0, sizeof(it));
	CHECK_EQ(setitimer(ITIMER_VIRTUAL, &it, NULL), 0);
	hits = 0;
	it.it_value.tv_usec = 20000;
	CHECK_EQ(setitimer(ITIMER_PROF, &it, NULL), 0);
	while (hits < 1)
		getppid();
	CHECK_EQ(last_sig, SIGPROF);
}

TEST(sigchld_tells_how_the_child_ended)
{
	sigset_t set;
	siginfo_t info;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid = fork();
	if (pid == 0)
		_exit(9);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
	CHECK_EQ(info.si_code, CLD_EXITED);
	CHECK_EQ(info.si_status, 9);
	CHECK_EQ(info.si_pid, pid);
	wait(NULL);
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		pause();
		_exit(0);
	}
	CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
	CHECK_EQ(info.si_code, CLD_STOPPED);
	CHECK_EQ(info.si_status, SIGSTOP);
	kill(pid, SIGCONT);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
	CHECK_EQ(info.si_code, CLD_CONTINUED);
	kill(pid, SIGKILL);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGCHLD);
	CHECK_EQ(info.si_code, CLD_KILLED);
	CHECK_EQ(info.si_status, SIGKILL);
	wait(NULL);
}

TEST(nocldstop_is_silent_about_stops)
{
	struct sigaction act = {
		.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_NOCLDSTOP | SA_RESTART};
	int status;
	pid_t pid;

	sigaction(SIGCHLD, &act, NULL);
	pid = fork();
	if (pid == 0) {
		raise(SIGSTOP);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status));
	CHECK_EQ(hits, 0);
	kill(pid, SIGCONT);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(hits, 1);
}

TEST(nocldwait_reaps_by_itself)
{
	struct sigaction act = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};

	sigaction(SIGCHLD, &act, NULL);
	for (int i = 0; i < 3; i++)
		if (fork() == 0)
			_exit(i);
	CHECK_ERR(wait(NULL), ECHILD);
}

static void *raise_in_thread(void *arg)
{
	(void)arg;
	last_code = 0;
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	return NULL;
}

TEST(tgkill_is_for_one_thread)
{
	pthread_t t;

	install(SIGUSR1, note, 0);
	CHECK_EQ(pthread_create(&t, NULL, raise_in_thread, NULL), 0);
	pthread_join(t, NULL);
	CHECK_EQ(hits, 1);
	CHECK_EQ(last_code, SI_TKILL);
	CHECK_ERR(syscall(SYS_tgkill, getpid(), 0, SIGUSR1), EINVAL);
	CHECK_ERR(syscall(SYS_tgkill, getppid(), getpid(), SIGUSR1), ESRCH);
	CHECK_ERR(syscall(SYS_tkill, 1 << 22, 0), ESRCH);
}

static void nested(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	if (hits < 20)
		raise(SIGUSR1);
}

TEST(handlers_nest)
{
	install(SIGUSR1, nested, SA_NODEFER);
	raise(SIGUSR1);
	CHECK_EQ(hits, 20);
}

static int no_stack(void *arg)
{
	install(SIGUSR1, note, 0);
	(void)arg;
	/* The frame cannot be written: the process ends by SIGSEGV. */
	__asm__ volatile("xor %%esp, %%esp\n\tsyscall"
			 :
			 : "a"(SYS_tkill), "D"((long)getpid()), "S"((long)SIGUSR1)
			 : "rcx", "r11", "memory");
	return 0;
}

TEST(a_frame_that_cannot_be_written_is_sigsegv)
{
	CHECK_EQ(tap_signal_of(no_stack, NULL), SIGSEGV);
}

static int bad_return(void *arg)
{
	(void)arg;
	__asm__ volatile("mov $0x1000, %%rsp\n\tsyscall"
			 :
			 : "a"(SYS_rt_sigreturn)
			 : "rcx", "r11", "memory");
	return 0;
}

static void kernel_segments(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	note(sig, info, context);
	uc->uc_mcontext.gregs[REG_CSGSFS] = 0x10;
	uc->uc_mcontext.gregs[REG_EFL] |= 0x3000;
}

static void noncanonical_rip(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	note(sig, info, context);
	uc->uc_mcontext.gregs[REG_RIP] = (long)0x8000000000000000ul;
}

static int raise_with(void *arg)
{
	install(SIGUSR1, arg, 0);
	raise(SIGUSR1);
	return 0;
}

TEST(sigreturn_trusts_nothing)
{
	int end;

	CHECK_EQ(tap_signal_of(bad_return, NULL), SIGSEGV);
	CHECK_EQ(tap_signal_of(raise_with, (void *)noncanonical_rip), SIGSEGV);
	/* Linux ends it or repairs the selector; never does it run as the kernel. */
	end = tap_signal_of(raise_with, (void *)kernel_segments);
	CHECK(end == 0 || end == SIGSEGV);
}
