/*
 * Fake CPUs: each pthread that entered is one. "Interrupts off" is a recursive lock of the CPU, so
 * that cpu_call and shoot-downs, which take the target's lock, run at a point where that CPU has
 * interrupts on, as an IPI would.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "boot_info.h"
#include "host.h"
#include "klog.h"
#include "lib/assert.h"
#include "panic.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include <sched.h>
#include <time.h>

static struct cpu cpu_blocks[CPU_MAX];
static struct thread threads[CPU_MAX];
static pthread_mutex_t irq_lock[CPU_MAX];
static unsigned irq_depth_of[CPU_MAX]; /* by the holder of irq_lock */
static cpuset_t online;
static pthread_mutex_t online_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread struct cpu *current_cpu;
struct cpu *cpus[CPU_MAX];
struct boot_info boot_info;
__thread jmp_buf *host_panic_jmp;
__thread char host_panic_text[256];
static const char *cmdline_words = "";
static __thread void (*step_fn)(void);

static void cpus_init(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	for (unsigned i = 0; i < CPU_MAX; i++) {
		pthread_mutex_init(&irq_lock[i], &attr);
		cpu_blocks[i].self = &cpu_blocks[i];
		cpu_blocks[i].id = i;
		cpu_blocks[i].current = &threads[i];
		threads[i].cpu = i;
		threads[i].state = THREAD_RUNNING;
		snprintf(threads[i].name, sizeof(threads[i].name), "host%u", i);
		cpus[i] = &cpu_blocks[i];
	}
}

void host_enter_cpu(unsigned id)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, cpus_init);
	current_cpu = &cpu_blocks[id];
	pthread_mutex_lock(&online_lock);
	WRITE_ONCE(cpu_blocks[id].online, true);
	online |= (cpuset_t)1 << id;
	pthread_mutex_unlock(&online_lock);
}

void host_leave_cpu(void)
{
	current_cpu = NULL; /* the CPU stays online with what its lists hold: cpu_call reaches it */
}

void host_set_step(void (*fn)(void))
{
	step_fn = fn;
}

/* Every lock asks who takes it: a step. */
static void step(void)
{
	void (*fn)(void) = step_fn;
	struct cpu *self = current_cpu;

	step_fn = NULL;
	fn();
	step_fn = fn;
	current_cpu = self;
}

struct cpu *this_cpu(void)
{
	if (!current_cpu)
		host_enter_cpu(0);
	host_jitter();
	if (unlikely(step_fn))
		step();
	return current_cpu;
}

unsigned cpu_count(void)
{
	return (unsigned)__builtin_popcountll(cpu_online_set());
}

cpuset_t cpu_online_set(void)
{
	cpuset_t set;

	pthread_mutex_lock(&online_lock);
	set = online;
	pthread_mutex_unlock(&online_lock);
	return set;
}

irqflags_t irq_save(void)
{
	unsigned id = this_cpu()->id;

	pthread_mutex_lock(&irq_lock[id]);
	return irq_depth_of[id]++ > 0;
}

void irq_restore(irqflags_t flags)
{
	unsigned id = this_cpu()->id;

	(void)flags;
	irq_depth_of[id]--;
	pthread_mutex_unlock(&irq_lock[id]);
	host_jitter();
}

bool irq_enabled(void)
{
	unsigned id = this_cpu()->id;
	bool on;

	pthread_mutex_lock(&irq_lock[id]);
	on = irq_depth_of[id] == 0;
	pthread_mutex_unlock(&irq_lock[id]);
	return on;
}

void irq_enable(void)
{
}

void irq_disable(void)
{
}

void cpu_relax(void)
{
	sched_yield();
}

void cpu_call(cpuset_t set, void (*fn)(void *arg), void *arg)
{
	struct cpu *self = this_cpu();

	if (!irq_enabled())
		panic("cpu_call with interrupts off");
	cpuset_for_each (i, set) {
		irqflags_t flags;

		current_cpu = &cpu_blocks[i];
		flags = irq_save();
		fn(arg);
		irq_restore(flags);
		current_cpu = self;
	}
}

struct cpu_start {
	unsigned id;
	void (*fn)(void *arg);
	void *arg;
};

static void *cpu_main(void *p)
{
	struct cpu_start *s = p;

	host_enter_cpu(s->id);
	s->fn(s->arg);
	host_leave_cpu();
	return NULL;
}

void host_run_cpus(unsigned first, unsigned n, void (*fn)(void *arg), void *arg)
{
	pthread_t t[CPU_MAX];
	struct cpu_start start[CPU_MAX];

	for (unsigned i = 0; i < n; i++) {
		start[i] = (struct cpu_start){first + i, fn, arg};
		if (pthread_create(&t[i], NULL, cpu_main, &start[i]))
			abort();
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(t[i], NULL);
}

void host_set_killed(bool on)
{
	if (on)
		__atomic_fetch_or(&thread_current()->flags, THREAD_KILLED, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_and(&thread_current()->flags, ~THREAD_KILLED, __ATOMIC_SEQ_CST);
}

/* --- panic, log, time ------------------------------------------------------------------------ */

static __noreturn void panic_v(const char *fmt, va_list ap)
{
	vsnprintf(host_panic_text, sizeof(host_panic_text), fmt, ap);
	if (host_panic_jmp)
		longjmp(*host_panic_jmp, 1);
	fprintf(stderr, "PANIC: %s\n", host_panic_text);
	abort();
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	panic_v(fmt, ap);
}

void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	panic_v(fmt, ap);
}

void assert_fail(const char *expr, const char *file, int line, const char *func)
{
	panic("assertion %s failed in %s, %s:%d", expr, func, file, line);
}

void host_forget_locks(void)
{
	struct cpu *c = this_cpu();

	while (irq_depth_of[c->id] > 0)
		irq_restore(0);
#ifdef QUIRE_DEBUG
	c->nheld = 0;
	c->current->nheld = 0;
#endif
}

bool host_panic_says(const char *word)
{
	if (strstr(host_panic_text, word))
		return true;
	fprintf(stderr, "expected a panic with \"%s\", got: %s\n", word, host_panic_text);
	return false;
}

bool panic_in_progress(void)
{
	return false;
}

void klog(enum klog_level level, const char *fmt, ...)
{
	va_list ap;

	if (level > KLOG_WARN && !getenv("HOST_LOG"))
		return;
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* No log is kept: what is printed is gone. */
size_t klog_read(uint64_t *seq, char *buf, size_t size)
{
	(void)seq;
	(void)buf;
	(void)size;
	return 0;
}

uint64_t klog_first_seq(void)
{
	return 0;
}

uint64_t klog_next_seq(void)
{
	return 0;
}

uint64_t clock_monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

bool cpu_random(uint64_t *out)
{
	*out = 0x9e3779b97f4a7c15ull;
	return true;
}

/* --- command line ---------------------------------------------------------------------------- */

void host_set_cmdline(const char *words)
{
	cmdline_words = words ? words : "";
}

bool cmdline_get(const char *name, char *buf, size_t size)
{
	size_t len = strlen(name);

	for (const char *w = cmdline_words; *w;) {
		size_t n = strcspn(w, " ");

		if (n > len && !strncmp(w, name, len) && w[len] == '=') {
			snprintf(buf, size, "%.*s", (int)(n - len - 1), w + len + 1);
			return true;
		}
		w += n;
		w += strspn(w, " ");
	}
	return false;
}

bool cmdline_has(const char *name)
{
	char buf[64];

	return cmdline_get(name, buf, sizeof(buf));
}
