/*
 * /proc/profile: where the machine spends its time, by sampling.
 *
 * While it is on, a timer on each CPU notes what its interrupt cut short: a function of the kernel,
 * a program in user mode, or nothing (idle). What runs with interrupts off is noted at the place
 * that lets them in again.
 *
 *	write	start [HZ]	forget what was noted, and begin (1000 times a second)
 *		stop		the counts stay to be read
 *		clear		stop, and give the memory back
 *	read	a line of totals, then the most frequent places: samples, per mille of all that were
 *		not idle, name ("user NAME" for a program)
 *
 * Counts are written by their own CPU, in its timer interrupt, and read by anybody; profile_lock
 * guards everything else.
 */
#include "context.h"
#include "cpu.h"
#include "lib/fmt.h"
#include "lib/string.h"
#include "mm/slab.h"
#include "mm/types.h"
#include "panic.h"
#include "proc/procfs_priv.h"
#include "sched/clock.h"
#include "sched/timer.h"

#define HZ_DEFAULT    1000u
#define HZ_MAX	      20000u
#define PROGRAMS_MAX  16u /* names kept per CPU; further ones count as "others" */
#define LINES_MAX     80u
#define PROGRAM_OTHER "others"

struct program_count {
	char name[THREAD_NAME_MAX];
	uint32_t n;
};

struct profile_cpu {
	struct timer timer;
	uint32_t idle, user, kernel;
	struct program_count programs[PROGRAMS_MAX];
	uint32_t functions[]; /* by number of symbol */
};

static struct mutex profile_lock;
static struct profile_cpu *profiles[CPU_MAX]; /* changed under the lock while stopped */
static uint64_t period_ns;
static bool active; /* atomic */

void profile_init(void)
{
	mutex_init(&profile_lock, RANK_FILE_OFFSET, "profile");
}

static void count(uint32_t *n)
{
	WRITE_ONCE(*n, *n + 1);
}

static void note_program(struct profile_cpu *pc, const char *name)
{
	struct program_count *p = pc->programs;

	for (; p < &pc->programs[PROGRAMS_MAX - 1]; p++) {
		if (!p->n)
			str_copy(p->name, name, sizeof(p->name));
		if (strncmp(p->name, name, sizeof(p->name)) == 0)
			break;
	}
	if (p == &pc->programs[PROGRAMS_MAX - 1])
		str_copy(p->name, PROGRAM_OTHER, sizeof(p->name));
	count(&p->n);
}

static void sample(struct timer *t)
{
	struct profile_cpu *pc = container_of(t, struct profile_cpu, timer);
	const struct thread *curr = thread_current();
	uaddr_t at = regs_pc(cpu_field(irq_regs));
	int fn;

	if (curr == cpu_field(idle)) {
		count(&pc->idle);
	} else if (at < USER_MAX) {
		count(&pc->user);
		note_program(pc, curr->name);
	} else {
		fn = symbol_number(at);
		count(&pc->kernel);
		if (fn >= 0)
			count(&pc->functions[fn]);
	}
	if (READ_ONCE(active))
		timer_start(t, clock_monotonic_ns() + period_ns);
}

static void start_here(void *arg)
{
	struct profile_cpu *pc = profiles[cpu_id()];

	(void)arg;
	timer_init(&pc->timer, sample);
	timer_start(&pc->timer, clock_monotonic_ns() + period_ns);
}

/* => profile_lock */
static void profile_stop(void)
{
	WRITE_ONCE(active, false);
	for (unsigned i = 0; i < CPU_MAX; i++) {
		if (profiles[i])
			(void)timer_cancel(&profiles[i]->timer);
	}
}

/* => profile_lock */
static void profile_clear(void)
{
	profile_stop();
	for (unsigned i = 0; i < CPU_MAX; i++) {
		kfree(profiles[i]);
		profiles[i] = NULL;
	}
}

/* => profile_lock */
static int profile_start(uint64_t hz)
{
	size_t size = sizeof(struct profile_cpu) + symbol_count() * sizeof(uint32_t);

	profile_clear();
	for (unsigned i = 0; i < cpu_count(); i++) {
		profiles[i] = kzalloc(size, 0);
		if (!profiles[i]) {
			profile_clear();
			return -ENOMEM;
		}
		timer_init(&profiles[i]->timer, sample);
	}
	period_ns = NSEC_PER_SEC / hz;
	WRITE_ONCE(active, true);
	cpu_call(cpu_online_set(), start_here, NULL);
	return 0;
}

int profile_store(const struct proc_ref *ref, char *text, size_t len)
{
	uint64_t hz = HZ_DEFAULT;
	int err = 0;

	(void)ref;
	(void)len;
	if (strncmp(text, "start ", 6) == 0) {
		if (proc_parse_number(text + 6, &hz) || hz == 0 || hz > HZ_MAX)
			return -EINVAL;
		text[5] = '\0';
	}
	mutex_lock(&profile_lock);
	if (strcmp(text, "start") == 0)
		err = profile_start(hz);
	else if (strcmp(text, "stop") == 0)
		profile_stop();
	else if (strcmp(text, "clear") == 0)
		profile_clear();
	else
		err = -EINVAL;
	mutex_unlock(&profile_lock);
	return err;
}

/*
 * The places in one row: functions, then each CPU's programs. A program that ran on several CPUs
 * counts where it is found first.
 */
static uint64_t place_count(unsigned place, const char **name)
{
	unsigned nfn = symbol_count();
	uint64_t n = 0;

	if (place < nfn) {
		for (unsigned i = 0; i < CPU_MAX && profiles[i]; i++)
			n += READ_ONCE(profiles[i]->functions[place]);
		*name = symbol_name(place);
		return n;
	}
	place -= nfn;
	*name = profiles[place / PROGRAMS_MAX]->programs[place % PROGRAMS_MAX].name;
	for (unsigned i = 0; **name && i < CPU_MAX && profiles[i]; i++) {
		for (unsigned k = 0; k < PROGRAMS_MAX; k++) {
			const struct program_count *p = &profiles[i]->programs[k];

			if (strncmp(p->name, *name, sizeof(p->name)) != 0)
				continue;
			if (i * PROGRAMS_MAX + k < place)
				return 0;
			n += READ_ONCE(p->n);
		}
	}
	return n;
}

/* The place that comes after (count, place) in the order of falling counts; -1: none is left. */
static int next_place(unsigned nplaces, uint64_t *last_count, int last)
{
	uint64_t best = 0;
	int found = -1;

	for (unsigned i = 0; i < nplaces; i++) {
		const char *name;
		uint64_t n = place_count(i, &name);

		if (n <= best || n > *last_count || (n == *last_count && (int)i <= last))
			continue;
		best = n;
		found = (int)i;
	}
	*last_count = best;
	return found;
}

static void show_places(struct proc_text *t, unsigned ncpus, uint64_t busy)
{
	unsigned nplaces = symbol_count() + ncpus * PROGRAMS_MAX;
	uint64_t n = UINT64_MAX;
	int place = -1;

	for (unsigned i = 0; i < LINES_MAX; i++) {
		const char *name;

		place = next_place(nplaces, &n, place);
		if (place < 0)
			break;
		(void)place_count((unsigned)place, &name);
		proc_printf(t, "%8llu %4llu %s%s\n", (unsigned long long)n,
			(unsigned long long)(busy ? n * 1000 / busy : 0),
			(unsigned)place < symbol_count() ? "" : "user ", name);
	}
}

int profile_show(struct proc_text *t, const struct proc_ref *ref)
{
	uint64_t kernel = 0, user = 0, idle = 0;
	unsigned ncpus = 0;

	(void)ref;
	mutex_lock(&profile_lock);
	for (; ncpus < CPU_MAX && profiles[ncpus]; ncpus++) {
		kernel += READ_ONCE(profiles[ncpus]->kernel);
		user += READ_ONCE(profiles[ncpus]->user);
		idle += READ_ONCE(profiles[ncpus]->idle);
	}
	proc_printf(t, "samples %llu kernel %llu user %llu idle %llu\n",
		(unsigned long long)(kernel + user + idle), (unsigned long long)kernel,
		(unsigned long long)user, (unsigned long long)idle);
	show_places(t, ncpus, kernel + user);
	mutex_unlock(&profile_lock);
	return 0;
}
