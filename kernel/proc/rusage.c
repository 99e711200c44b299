/* Usage of the caller, its threads and the children that it waited for. */
#include "proc/rusage.h"

#include "lib/string.h"
#include "mm/context.h"
#include "sched/clock.h"

static struct abi_timeval timeval_of(uint64_t ns)
{
	return (struct abi_timeval){
		(int64_t)(ns / NSEC_PER_SEC), (int64_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

void rusage_fill(const struct process_usage *u, struct abi_rusage *ru)
{
	memset(ru, 0, sizeof(*ru));
	ru->ru_utime = timeval_of(u->user_ns);
	ru->ru_stime = timeval_of(u->system_ns);
	ru->ru_minflt = (int64_t)u->minor;
	ru->ru_majflt = (int64_t)u->major;
	ru->ru_nvcsw = (int64_t)u->nvcsw;
	ru->ru_nivcsw = (int64_t)u->nivcsw;
}

int64_t rusage_maxrss(void)
{
	struct mm_rss rss;

	mm_context_rss(process_current()->ctx, &rss);
	return (int64_t)((rss.anon + rss.file + rss.shmem) * (PAGE_SIZE / 1024));
}

int rusage_get(int who, struct process_usage *u)
{
	struct process *p = process_current();
	const struct thread *t = thread_current();
	uint64_t system_ns;

	switch (who) {
	case RUSAGE_SELF:
		process_usage(p, u);
		return 0;
	case RUSAGE_CHILDREN:
		mutex_lock(&process_tree);
		*u = p->dead_children;
		mutex_unlock(&process_tree);
		return 0;
	case RUSAGE_THREAD:
		*u = (struct process_usage){.user_ns = thread_cpu_ns(t, &system_ns) - system_ns,
			.nvcsw = t->nvcsw,
			.nivcsw = t->nivcsw,
			.minor = t->minor_faults,
			.major = t->major_faults};
		u->system_ns = system_ns;
		return 0;
	}
	return -EINVAL;
}
