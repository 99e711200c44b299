/* Resource limits. Memory limits are copied to the address space, where faults and edits look. */
#include "proc/rlimit.h"

#include "mm/buddy.h"
#include "mm/context.h"
#include "proc/itimer.h"

static const struct {
	const char *name, *unit;
	uint64_t cur, max;
} limits[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = {"Max cpu time", "seconds", RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_FSIZE] = {"Max file size", "bytes", RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_DATA] = {"Max data size", "bytes", RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_STACK] = {"Max stack size", "bytes", 8u << 20, RLIM_INFINITY},
	[RLIMIT_CORE] = {"Max core file size", "bytes", 0, RLIM_INFINITY},
	[RLIMIT_RSS] = {"Max resident set", "bytes", RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_NPROC] = {"Max processes", "processes", RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_NOFILE] = {"Max open files", "files", 1024, 4096},
	[RLIMIT_MEMLOCK] = {"Max locked memory", "bytes", 8u << 20, 8u << 20},
	[RLIMIT_AS] = {"Max address space", "bytes", RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_LOCKS] = {"Max file locks", "locks", RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_SIGPENDING] = {"Max pending signals", "signals", 4096, 4096},
	[RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes", 819200, 819200},
	[RLIMIT_NICE] = {"Max nice priority", NULL, 0, 0},
	[RLIMIT_RTPRIO] = {"Max realtime priority", NULL, 0, 0},
	[RLIMIT_RTTIME] = {"Max realtime timeout", "us", RLIM_INFINITY, RLIM_INFINITY},
};

const char *rlimit_name(unsigned what, const char **unit)
{
	if (what >= RLIM_NLIMITS)
		return NULL;
	*unit = limits[what].unit;
	return limits[what].name;
}

void rlimit_init(struct process *p)
{
	for (unsigned i = 0; i < RLIM_NLIMITS; i++) {
		p->rlimits[i].rlim_cur = limits[i].cur;
		p->rlimits[i].rlim_max = limits[i].max;
	}
}

void rlimit_to_context(const struct process *p, struct mm_context *ctx)
{
	ctx->limit_as = rlimit_get(p, RLIMIT_AS);
	ctx->limit_data = rlimit_get(p, RLIMIT_DATA);
	ctx->limit_stack = rlimit_get(p, RLIMIT_STACK);
	/* CAP_IPC_LOCK: root locks as much as there is. */
	ctx->limit_memlock = RLIM_INFINITY;
}

int rlimit_change(
	struct process *p, unsigned what, const struct abi_rlimit *set, struct abi_rlimit *old)
{
	struct mm_context *ctx;
	irqflags_t flags;

	if (what >= RLIM_NLIMITS)
		return -EINVAL;
	if (set && set->rlim_cur > set->rlim_max)
		return -EINVAL;
	if (set && what == RLIMIT_NOFILE && set->rlim_max > NOFILE_MAX)
		return -EPERM;
	flags = process_lock(p);
	if (old)
		*old = p->rlimits[what];
	if (set)
		p->rlimits[what] = *set;
	process_unlock(p, flags);
	if (!set)
		return 0;
	if (what == RLIMIT_CPU)
		itimer_cpu_limit(p);
	ctx = process_get_context(p);
	if (ctx) {
		rw_write_lock(&ctx->mm_lock);
		rlimit_to_context(p, ctx);
		rw_write_unlock(&ctx->mm_lock);
		mm_put_context(ctx);
	}
	return 0;
}
