/*
 * The end. One CPU reports: it stops the others by NMI (cpu_stop_others),
 * prints the reason, registers and backtrace of every CPU, and leaves as panic= says. A second
 * panic on another CPU waits to be stopped; one on the reporting CPU ends without further report.
 *
 * Locks: none are taken. What is read may be in the middle of a change; backtraces follow only
 * mapped memory.
 */
#include "panic.h"
#include "boot_info.h"
#include "cpu.h"
#include "klog.h"
#include "ktest.h"
#include "lib/assert.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "sched/thread.h"

#define BACKTRACE_MAX 32
#define NO_CPU	      UINT_MAX

static unsigned panic_cpu = NO_CPU; /* atomic: who reports */
static bool show_threads;
static const struct user_regs *stopped_regs[CPU_MAX]; /* atomic */

bool panic_in_progress(void)
{
	return READ_ONCE(panic_cpu) != NO_CPU;
}

void panic_park(const struct user_regs *regs)
{
	STORE_RELEASE(stopped_regs[cpu_id()], regs);
	machine_halt();
}

bool panic_is_parked(unsigned cpu)
{
	return LOAD_ACQUIRE(stopped_regs[cpu]);
}

static __noreturn void leave(void)
{
	char how[16];

	if (cmdline_has("ktest"))
		machine_exit(KTEST_EXIT_PANIC);
	if (!cmdline_get("panic", how, sizeof(how)))
		machine_halt();
	if (!strcmp(how, "exit"))
		machine_exit(KTEST_EXIT_PANIC);
	if (!strcmp(how, "reboot"))
		machine_reboot();
	machine_halt();
}

static void print_backtrace(const uintptr_t *pc, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		unsigned same = 1;
		uintptr_t offset;
		const char *name = symbol_lookup(pc[i], &offset);

		if (name)
			klog(KLOG_EMERG, "  %016lx %s+%#lx", pc[i], name, offset);
		else
			klog(KLOG_EMERG, "  %016lx", pc[i]);
		while (i + 1 < n && pc[i + 1] == pc[i]) {
			same++;
			i++;
		}
		if (same > 1)
			klog(KLOG_EMERG, "  ... %u times", same);
	}
}

static void print_cpu_line(unsigned cpu)
{
	const struct thread *t = cpus[cpu]->current;

	if (t)
		klog(KLOG_EMERG, "CPU %u, thread %s:", cpu, t->name);
	else
		klog(KLOG_EMERG, "CPU %u:", cpu);
}

/*
 * Become the one who reports; returns only on the first call. Who comes second stands still at once
 * if it has registers to show: it may be in an NMI, where the reporter's would not arrive.
 */
static void claim_report(const struct user_regs *regs)
{
	unsigned nobody = NO_CPU;

	irq_disable();
	if (__atomic_compare_exchange_n(
		    &panic_cpu, &nobody, cpu_id(), false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return;
	if (nobody == cpu_id())
		leave(); /* the report itself failed */
	if (regs)
		panic_park(regs);
	for (;;)
		cpu_relax(); /* the NMI is on its way */
}

static bool others_online(void)
{
	for (unsigned i = 0; i < CPU_MAX; i++) {
		if (i != cpu_id() && cpus[i] && READ_ONCE(cpus[i]->online))
			return true;
	}
	return false;
}

static void report_others(void)
{
	uintptr_t pc[BACKTRACE_MAX];

	for (unsigned i = 0; i < CPU_MAX; i++) {
		const struct user_regs *regs;

		if (i == cpu_id() || !cpus[i] || !cpus[i]->online)
			continue;
		print_cpu_line(i);
		regs = LOAD_ACQUIRE(stopped_regs[i]);
		if (regs)
			print_backtrace(pc, backtrace_collect(regs, pc, BACKTRACE_MAX));
		else
			klog(KLOG_EMERG, "  did not answer");
	}
}

/* A thread that waits: where. */
static void report_thread(struct thread *t, void *cookie)
{
	uintptr_t pc[BACKTRACE_MAX];

	(void)cookie;
	if (READ_ONCE(t->state) == THREAD_RUNNING)
		return; /* shown with its CPU */
	klog(KLOG_EMERG, "Thread %s (state %u, last on CPU %u):", t->name, t->state, t->cpu);
	print_backtrace(pc, backtrace_collect_thread(t, pc, BACKTRACE_MAX));
}

static __noreturn void report(const struct user_regs *regs, const char *fmt, va_list ap)
{
	uintptr_t pc[BACKTRACE_MAX];
	unsigned n = backtrace_collect(regs, pc, BACKTRACE_MAX);
	char reason[256];

	claim_report(regs);
	if (others_online())
		cpu_stop_others();
	fmt_vsnprintf(reason, sizeof(reason), fmt, ap);
	klog(KLOG_EMERG, "Kernel panic: %s", reason);
	print_cpu_line(cpu_id());
	if (regs)
		regs_print(regs);
	print_backtrace(pc, n);
	report_others();
	if (show_threads)
		thread_for_each(report_thread, NULL, true);
	leave();
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(NULL, fmt, ap);
}

void panic_regs(const struct user_regs *regs, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(regs, fmt, ap);
}

void panic_hang(const struct user_regs *regs)
{
	show_threads = true;
	panic_regs(regs, "non-maskable interrupt");
}

void die(const char *fmt, ...)
{
	char reason[256];
	va_list ap;

	claim_report(NULL);
	if (others_online())
		cpu_stop_others();
	va_start(ap, fmt);
	fmt_vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	klog(KLOG_EMERG, "%s", reason);
	leave();
}

void assert_fail(const char *expr, const char *file, int line, const char *func)
{
	panic("assertion failed: %s (%s, %s:%d)", expr, func, file, line);
}
